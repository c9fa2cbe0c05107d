# SPDX-License-Identifier: Apache-2.0
"""What the commands do."""

import socket

import pytest
import redis

from raw_bytes import ask, connect, raw_reply, receive_all


def test_strings(leader):
    assert leader.ping() is True
    assert leader.echo("hello") == "hello"
    assert leader.get("none") is None
    assert leader.set("k", "v") is True
    assert leader.get("k") == "v"
    assert leader.strlen("k") == 1
    assert leader.append("k", "alue") == 5
    assert leader.get("k") == "value"
    assert leader.exists("k", "k", "none") == 2
    assert leader.delete("k", "none") == 1
    assert leader.mset({"a": "1", "b": "2"}) is True
    assert leader.mget("a", "none", "b") == ["1", None, "2"]
    assert leader.dbsize() == 2


def test_conditional_set(leader):
    assert leader.set("k", "1", xx=True) is None
    assert leader.set("k", "1", nx=True) is True
    assert leader.set("k", "2", nx=True) is None
    assert leader.set("k", "3", get=True) == "1"
    assert leader.get("k") == "3"
    with pytest.raises(redis.ResponseError, match="EX"):
        leader.set("k", "4", ex=10)


def test_counters(leader):
    assert leader.incr("n") == 1
    assert leader.incrby("n", 9) == 10
    assert leader.decr("n") == 9
    assert leader.decrby("n", 10) == -1
    leader.set("text", "x")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        leader.incr("text")


def test_binary_values(leader, shared):
    with shared.leader_client(decode_responses=False) as client:
        everything = bytes(range(256)) * 100
        client.set(everything[:300], everything)
        assert client.get(everything[:300]) == everything


def test_scan_and_keys(leader):
    names = {f"key:{i}" for i in range(200)}
    leader.mset({name: "v" for name in names})
    assert set(leader.scan_iter(count=7)) == names
    assert set(leader.scan_iter(match="key:1?", count=50)) == {f"key:1{i}" for i in range(10)}
    assert set(leader.keys("key:*")) == names
    assert leader.flushdb() is True
    assert leader.keys() == []
    assert leader.dbsize() == 0


def test_large_values_and_limits(leader):
    value = "x" * (8 << 20)
    leader.set("large", value)
    assert leader.get("large") == value
    with pytest.raises(redis.ResponseError, match="max-value-bytes"):
        leader.set("large", value + "x")
    with pytest.raises(redis.ResponseError, match="max-value-bytes"):
        leader.append("large", "x")
    with pytest.raises(redis.ResponseError, match="max-key-bytes"):
        leader.set("k" * 4097, "v")
    assert leader.strlen("large") == 8 << 20
    leader.delete("large")


def test_connection_commands(leader, shared):
    assert leader.client_setname("me")
    assert leader.client_getname() == "me"
    assert isinstance(leader.client_id(), int)
    with pytest.raises(redis.ResponseError):
        leader.client_setname("a b")
    assert leader.execute_command("SELECT", "0") in (True, "OK")
    with pytest.raises(redis.ResponseError):
        leader.execute_command("SELECT", "1")
    assert leader.config_get("save") == {"save": ""}
    assert leader.config_get("append*") == {"appendonly": "yes"}
    assert raw_reply(leader, "COMMAND", "COUNT") > 20
    info = leader.info()
    assert info["redis_mode"] == "cluster"
    assert info["cluster_enabled"] == 1
    with pytest.raises(redis.ResponseError, match="unknown command"):
        leader.lpush("k", "v")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        leader.execute_command("GET")
    assert ask(shared.addresses[1], b"HELLO 3\r\n", 1).startswith(b"-NOPROTO")
    assert b"proto" in ask(shared.addresses[1], b"HELLO 2\r\n", 10)


def test_quit_closes_after_its_reply(shared):
    with connect(shared.addresses[1]) as connection:
        connection.sendall(b"PING\r\nQUIT\r\nPING\r\n")
        assert receive_all(connection) == b"+PONG\r\n+OK\r\n"


def test_pipelines_keep_their_order(leader):
    pipe = leader.pipeline(transaction=False)
    expected = []
    for i in range(300):
        pipe.set("k", i)
        pipe.get("k")
        pipe.incr("n")
        pipe.ping()
        pipe.get("n")
        expected += [True, str(i), i + 1, True, str(i + 1)]
    assert pipe.execute() == expected


def test_a_read_does_not_see_a_later_write_of_its_pipeline(leader):
    leader.set("k", "old")
    for i in range(200):
        pipe = leader.pipeline(transaction=False)
        pipe.get("k").set("k", f"new {i}")
        before, _ = pipe.execute()
        assert before == ("old" if i == 0 else f"new {i - 1}")


def test_reply_after_half_close(leader, shared):
    with connect(shared.addresses[shared.leader()]) as connection:
        connection.sendall(b"SET half closed\r\nGET half\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert receive_all(connection) == b"+OK\r\n$6\r\nclosed\r\n"


def test_nothing_of_a_refused_transaction_is_executed(leader, shared):
    address = shared.addresses[shared.leader()]
    for opening in (b"MULTI", b"multi", b"MULTI now"):
        for closing in (b"EXEC", b"DISCARD"):
            words = [opening, b"SET part 1", b"INCR n", b"MULTI", b"DEL kept", closing, b"GET part", b""]
            request = b"\r\n".join(words)
            leader.set("kept", "v")
            replies = ask(address, request, 7).split(b"\r\n")
            assert all(reply.startswith(b"-") for reply in replies[:6]), replies
            assert replies[6] == b"$-1", "the transaction is over, and nothing of it was executed"
            assert leader.mget("part", "n", "kept") == [None, None, "v"]
    for lonely in (b"EXEC", b"DISCARD"):
        assert b"without MULTI" in ask(address, lonely + b"\r\n", 1)
    with pytest.raises(redis.RedisError):
        pipeline = leader.pipeline(transaction=True)
        pipeline.set("part", "1").execute()
    assert leader.get("part") is None
