# SPDX-License-Identifier: Apache-2.0
"""A node in Python shares a Raft group with kvd, the C++ server: processes, sockets, one wire.

Needs the binary (environment variable KVD, or build/examples-c/kvd/kvd) and the package redis.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kvd_store import KvdStore, crc32c, set_command

ROOT = Path(__file__).parents[2]
HARNESS = ROOT / "examples-c" / "kvd" / "tests"
BINARY = Path(os.environ.get("KVD", ROOT / "build" / "examples-c" / "kvd" / "kvd"))

pytest.importorskip("redis", reason="needs the package redis to talk to kvd")
if not (HARNESS / "kvd_cluster.py").is_file():
    pytest.skip("needs examples-c/kvd/tests of the source tree", allow_module_level=True)
sys.path.insert(0, str(HARNESS))
kvd_cluster = importlib.import_module("kvd_cluster")
wait_until = kvd_cluster.wait_until

needs_kvd = pytest.mark.skipif(
    not BINARY.is_file(), reason=f"there is no kvd at {BINARY}: build it, or set KVD"
)

PATIENT = 10_000  # ticks: this store does not campaign by itself
PYTHON = 3


class Mixed:
    """Stores 1 and 2 are kvd processes, store 3 is in Python."""

    def __init__(self, directory: Path, *options: object) -> None:
        self.kvd: Any = kvd_cluster.Cluster(directory, 3, kvd=BINARY, options=options, start=False)
        self.python = KvdStore(PYTHON, dict(self.kvd.peer_addresses))

    def start(self) -> None:
        self.python.start(PATIENT)
        for node in (1, 2):
            self.kvd.start(node)

    def close(self) -> None:
        self.kvd.close()
        if self.python.thread.is_alive():
            self.python.stop()

    def leader(self) -> int:
        """The kvd store that leads."""

        def find() -> int:
            found = self.python.node.raw.soft_state.leader
            return found if found in (1, 2) and self.kvd.running(found) else 0

        node: int = wait_until(find, what="a leader among the kvd stores")
        return node

    def client(self) -> Any:
        """A client of the leader, once that answers."""
        return self.kvd.client(self.leader())

    def wait_for(self, key: bytes, value: bytes | None) -> None:
        wait_until(lambda: self.python.keys.get(key) == value, what=f"{key!r} in Python")


@pytest.fixture
def mixed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mixed]:
    cluster = Mixed(tmp_path, *getattr(request, "param", ()))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def test_the_checksum_is_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@needs_kvd
def test_a_write_through_redis_is_applied_in_python(mixed: Mixed) -> None:
    client = mixed.client()
    client.set("key", "value")
    mixed.wait_for(b"key", b"value")
    client.mset({"a": "1", "b": "2"})
    client.delete("key")
    mixed.wait_for(b"b", b"2")
    mixed.wait_for(b"key", None)


@needs_kvd
def test_the_python_store_is_half_of_a_quorum(mixed: Mixed) -> None:
    """With one kvd store dead, what the other acknowledges is stored in Python as well."""
    leader = mixed.leader()
    mixed.kvd.kill(3 - leader)
    client = mixed.client()
    for number in range(50):
        assert client.set(f"key-{number}", f"value-{number}")
        # Acknowledged means: on a quorum's log, and there are only these two stores.
        log = mixed.python.storage
        stored = log.entries(log.first_index(), log.last_index() + 1)
        assert set_command(b"key-%d" % number, b"value-%d" % number) in [e.data for e in stored]
    assert client.get("key-49") == "value-49"


@needs_kvd
def test_a_restarted_python_store_catches_up(mixed: Mixed) -> None:
    mixed.client().set("before", "1")
    mixed.wait_for(b"before", b"1")
    mixed.python.stop()
    leader = wait_until(lambda: mixed.kvd.status(1)["leader"], what="a leader of the two")
    mixed.kvd.client(leader).set("meanwhile", "2")
    mixed.python.start(PATIENT)
    mixed.wait_for(b"meanwhile", b"2")
    assert mixed.python.snapshots == 0


@needs_kvd
@pytest.mark.parametrize("mixed", [("--compact-after", 10)], indirect=True)
def test_kvd_s_snapshot_is_installed_in_python(mixed: Mixed) -> None:
    mixed.client().set("first", "1")
    mixed.wait_for(b"first", b"1")
    mixed.python.stop()
    leader = wait_until(lambda: mixed.kvd.status(1)["leader"], what="a leader of the two")
    client = mixed.kvd.client(leader)
    for number in range(100):
        client.set(f"key-{number}", number)
    mixed.python.start(PATIENT)
    mixed.wait_for(b"key-99", b"99")
    assert mixed.python.snapshots >= 1
    expected = {b"first": b"1"} | {b"key-%d" % n: b"%d" % n for n in range(100)}
    assert mixed.python.keys == expected
    client.set("last", "2")
    mixed.wait_for(b"last", b"2")


@needs_kvd
def test_a_python_store_can_lead_kvd(mixed: Mixed) -> None:
    # kvd's stores take no such request from each other: the leader's own operator asks for it.
    mixed.client().execute_command("RAFT.TRANSFER", PYTHON)
    wait_until(lambda: mixed.python.node.is_leader, what="Python leading")
    mixed.python.call(mixed.python.node.propose(set_command(b"from", b"python")))
    assert mixed.python.keys[b"from"] == b"python"
    mixed.python.call(mixed.python.transfer_leader(1))
    wait_until(lambda: mixed.kvd.status(1)["role"] == "leader", what="store 1 leading")
    assert mixed.kvd.client(1).get("from") == "python"
