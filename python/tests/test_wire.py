# SPDX-License-Identifier: Apache-2.0
"""What is encoded is decoded again, and no bytes whatever do harm."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from cluster import Cluster
from raftcore import (
    ConfChange,
    ConfChangeKind,
    ConfChangeOp,
    ConfState,
    DecodeError,
    Entry,
    EntryId,
    EntryKind,
    Message,
    MessageType,
    RaftError,
    Snapshot,
    Transition,
    rpc,
)

ENTRIES = (
    Entry(2, 7, b"x" * 300),
    Entry(2, 8, b"", kind_stated=True),
    Entry(3, 9, ConfChange.remove(4).encode(), EntryKind.CONF_CHANGE_V2),
)
STATE = ConfState([1, 4], [5], [1, 2, 3], [3], True)

BODIES: list[tuple[MessageType, int, rpc.Body]] = [
    (MessageType.PROPOSE, 0, rpc.Propose((Entry(0, 0, b"x"),))),
    (MessageType.APPEND, 3, rpc.Append(EntryId(2, 6), 5, ENTRIES)),
    (MessageType.APPEND_REPLY, 3, rpc.AppendReply(7)),
    (MessageType.APPEND_REPLY, 3, rpc.AppendReply(7, EntryId(1, 3))),
    (MessageType.VOTE, 3, rpc.Vote(EntryId(2, 7))),
    (MessageType.VOTE, 3, rpc.Vote(EntryId(2, 7), transfer=True)),
    (MessageType.PRE_VOTE, 3, rpc.Vote(EntryId(2, 7), pre=True)),
    (MessageType.PRE_VOTE, 3, rpc.Vote(EntryId(2, 7), pre=True, priority=-5)),
    (MessageType.VOTE, 3, rpc.Vote(EntryId(2, 7), commit=EntryId(1, 5))),
    (MessageType.VOTE_REPLY, 3, rpc.VoteReply(granted=True)),
    (MessageType.VOTE_REPLY, 3, rpc.VoteReply(granted=False)),
    (MessageType.PRE_VOTE_REPLY, 3, rpc.VoteReply(granted=True, pre=True)),
    (MessageType.SNAPSHOT, 3, Snapshot(2, 7, STATE, b"data" * 1000)),
    (MessageType.HEARTBEAT, 3, rpc.Heartbeat(5, b"context")),
    (MessageType.HEARTBEAT_REPLY, 3, rpc.HeartbeatReply(b"context")),
    (MessageType.TRANSFER_LEADER, 3, rpc.TransferLeader()),
    (MessageType.TIMEOUT_NOW, 3, rpc.TimeoutNow()),
    (MessageType.READ_INDEX, 0, rpc.ReadIndex(b"token")),
    (MessageType.READ_INDEX_REPLY, 3, rpc.ReadIndexReply(7, b"token")),
]
MESSAGES = [Message(1, 2, term, body) for _, term, body in BODIES]


@pytest.mark.parametrize(("kind", "term", "body"), BODIES)
def test_every_message_survives_the_wire(kind: MessageType, term: int, body: rpc.Body) -> None:
    message = Message(1, 2, term, body)
    decoded = Message.decode(message.encode())
    assert decoded == message
    assert decoded.type is kind
    assert decoded.body == body
    assert (decoded.from_, decoded.to, decoded.term) == (1, 2, term)
    assert repr(decoded).startswith(f"<Message {kind.name} 1->2")


def test_every_type_of_message_is_covered() -> None:
    assert {kind for kind, _, _ in BODIES} == set(MessageType)


def test_the_bytes_are_those_of_etcd() -> None:
    # Fields: type, to, from, term, logTerm, index, commit; each written even where it is zero.
    vote = Message(1, 2, 3, rpc.Vote(EntryId(2, 7)))
    fields = {b"\x08\x05", b"\x10\x02", b"\x18\x01", b"\x20\x03", b"\x28\x02", b"\x30\x07"}
    assert all(field in vote.encode() for field in fields)
    assert Message.decode(b"".join(sorted(fields))) == vote
    unknown_field = b"\xa2\x01\x03abc"  # number 20
    assert Message.decode(b"".join(fields) + unknown_field) == vote


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_decoded(kind: type) -> None:
    for message in MESSAGES:
        assert Message.decode(kind(message.encode())) == message


def test_a_big_message_shares_its_bytes_and_keeps_them_alive() -> None:
    big = Entry(1, 1, bytes(range(256)) * 1000)
    decoded = Message.decode(Message(1, 2, 3, rpc.Append(EntryId(0, 0), 0, (big,))).encode())
    assert isinstance(decoded.body, rpc.Append)
    assert decoded.body.entries == (big,)


@pytest.mark.parametrize("entry", ENTRIES)
def test_entries_survive(entry: Entry) -> None:
    assert Entry.decode(entry.encode()) == entry
    assert len(entry.encode()) == entry.encoded_len


def test_snapshots_and_memberships_survive() -> None:
    snapshot = Snapshot(2, 7, STATE, b"data")
    assert Snapshot.decode(snapshot.encode()) == snapshot
    assert ConfState.decode(STATE.encode()) == STATE
    assert ConfState.decode(ConfState().encode()) == ConfState()


@pytest.mark.parametrize("dialect", ["etcd", "tikv"])
@pytest.mark.parametrize(
    "change",
    [
        ConfChange.add_voter(4, b"address"),
        ConfChange.add_learner(4),
        ConfChange.remove(4),
        ConfChange.leave_joint(),
        ConfChange(
            (ConfChangeOp(ConfChangeKind.ADD_VOTER, 4), ConfChangeOp(ConfChangeKind.REMOVE, 1)),
            Transition.EXPLICIT,
        ),
    ],
)
def test_changes_survive(change: ConfChange, dialect: str) -> None:
    data = change.encode(dialect)  # type: ignore[arg-type]
    entry = Entry(1, 2, data, EntryKind.CONF_CHANGE_V2)
    decoded = ConfChange.decode(entry, dialect)  # type: ignore[arg-type]
    assert decoded == change
    assert all(type(op.kind) is ConfChangeKind for op in decoded.ops)


def test_the_dialects_number_an_added_learner_differently() -> None:
    change = ConfChange.add_learner(4)
    assert change.encode("etcd") != change.encode("tikv")


def test_an_ordinary_entry_carries_no_change() -> None:
    with pytest.raises(DecodeError):
        ConfChange.decode(Entry(1, 2, b"x"))


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff", b"\x08", b"\x08\x63", b"\x3a\xff\xff\xff\xff\x0f", b"text"]
)
def test_garbage_is_a_decode_error(garbage: bytes) -> None:
    with pytest.raises(DecodeError):
        Message.decode(garbage)


@pytest.mark.parametrize("local", [0, 1, 10, 11, 12, 19, 20, 21, 22, 23])
def test_local_events_do_not_come_from_a_peer(local: int) -> None:
    with pytest.raises(DecodeError, match=str(local)):
        Message.decode(bytes([8, local, 0x10, 2, 0x18, 1]))


def test_a_body_is_one_of_ours() -> None:
    class Heartbeat:
        commit, context = 1, b""

    for body in (None, b"x", Heartbeat(), rpc.Heartbeat):
        with pytest.raises(TypeError, match=r"raftcore\.rpc"):
            Message(1, 2, 3, body)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Message(1, 2, 3, rpc.Heartbeat("1"))  # type: ignore[arg-type]


def hostile(seed: int) -> bytes:
    """A message with bytes changed, cut off, repeated; or only noise."""
    choice = random.Random(seed)
    if choice.random() < 0.2:
        return choice.randbytes(choice.randrange(200))
    data = bytearray(choice.choice(MESSAGES[:10] + MESSAGES[11:]).encode())
    for _ in range(choice.randrange(1, 4)):
        place = choice.randrange(len(data) + 1)
        match choice.randrange(3):
            case 0:
                data[place : place + 1] = choice.randbytes(1)
            case 1:
                del data[place:]
            case _:
                data[place:place] = data[: choice.randrange(40)]
    return bytes(data)


def test_hostile_bytes_harm_neither_decoder_nor_node() -> None:
    three = Cluster([1, 2, 3])
    three.elect(1).propose(b"x")
    three.settle()
    outcomes = {"decoded": 0, "refused": 0}
    for seed in range(5000):
        data = hostile(seed)
        try:
            message = Message.decode(data)
            assert Message.decode(message.encode()) == message, seed
            outcomes["decoded"] += 1
        except DecodeError:
            outcomes["refused"] += 1
        for node in (three[1], three[2]):
            with suppress(RaftError):
                node.step(data)
    assert min(outcomes.values()) > 100, outcomes
    assert three[1].status().is_leader
