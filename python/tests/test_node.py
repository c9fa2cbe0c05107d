# SPDX-License-Identifier: Apache-2.0
"""A node's Readys, one at a time and many, and what hosts need around them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from cluster import Cluster, ListStorage, drain, single
from raftcore import (
    Ack,
    ConfChange,
    Config,
    ConfState,
    Entry,
    EntryId,
    EntryKind,
    ForeignReady,
    MemoryStorage,
    Message,
    MessageType,
    ProposalDropped,
    RawNode,
    Ready,
    ReadyOutstanding,
    Snapshot,
    UnknownAck,
    WrongWriteMode,
    rpc,
)
from raftcore.sqlite import SqliteStorage


class TestReady:
    """Work is handed out once and handed back once."""

    def test_only_one_is_out(self) -> None:
        host = single()
        host.node.propose(b"x")
        ready = host.node.ready()
        with pytest.raises(ReadyOutstanding):
            host.node.ready()
        host.storage.persist(ready)
        host.node.advance(ready)
        drain(host)
        assert host.applied == [b"x"]

    def test_it_goes_back_once_and_to_its_own_node(self) -> None:
        host, other = single(), single()
        host.node.propose(b"x")
        ready = host.node.ready()
        with pytest.raises(ForeignReady):
            other.node.advance(ready)
        host.storage.persist(ready)
        host.node.advance(ready)
        with pytest.raises(ForeignReady):
            host.node.advance(ready)
        drain(host)
        assert host.applied == [b"x"]

    def test_it_can_be_read_after_it_was_advanced(self) -> None:
        host = single()
        host.node.propose_batch([b"x", b"y"])
        ready = host.node.ready()
        entries = ready.entries
        host.storage.persist(ready)
        host.node.advance(ready)
        del host
        assert [entry.data for entry in ready.entries] == [b"x", b"y"]
        assert ready.entries is entries
        assert repr(ready) == "<Ready entries=2 committed_entries=0 messages=0 must_sync=True>"

    def test_it_says_what_must_be_durable(self) -> None:
        host = single()
        host.node.propose(b"x")
        syncs = []
        while host.node.has_ready():
            ready = host.node.ready()
            syncs.append((bool(ready.entries), ready.must_sync))
            host.storage.persist(ready)
            host.node.advance(ready)
        assert syncs == [(True, True), (False, False)]

    def test_promises_wait_for_the_disk(self) -> None:
        promising = {
            MessageType.APPEND_REPLY,
            MessageType.VOTE,
            MessageType.VOTE_REPLY,
            MessageType.PRE_VOTE_REPLY,
        }
        three = Cluster([1, 2, 3])
        three.elect(1).propose(b"x")
        three.settle()
        assert {message.type for message in three.sent} >= promising
        for message in three.sent:
            assert message.requires_persistence == (message.type in promising)


class TestAsynchronousWrites:
    """Storage and state machine work at their own pace, and nothing is promised too early."""

    def leader(self) -> tuple[RawNode, MemoryStorage]:
        storage = MemoryStorage(ConfState([1]))
        node = RawNode(Config(1, async_storage_writes=True), storage)
        node.campaign()
        while node.has_ready():
            self.do(node, storage, node.ready())
        return node, storage

    def do(self, node: RawNode, storage: MemoryStorage, ready: Ready) -> None:
        storage.persist(ready)
        for response in ready.storage_append or ():
            if isinstance(response, Ack):
                node.acknowledge(response)
        if ready.storage_apply is not None:
            node.acknowledge(ready.storage_apply)

    def test_many_are_out_and_nothing_commits_before_it_is_stored(self) -> None:
        node, storage = self.leader()
        before = node.hard_state.commit
        readys = []
        for word in (b"one", b"two", b"three"):
            node.propose(word)
            readys.append(node.ready())
        assert [len(ready.entries) for ready in readys] == [1, 1, 1]
        assert node.hard_state.commit == before
        for count, ready in enumerate(readys, 1):
            self.do(node, storage, ready)
            assert node.hard_state.commit == before + count
        ready = node.ready()
        assert [entry.data for entry in ready.committed_entries] == [b"one", b"two", b"three"]
        assert node.status().applied == before
        assert ready.storage_apply is not None
        node.acknowledge(ready.storage_apply)
        assert node.status().applied == before + 3

    def test_promises_come_with_the_storage_work(self) -> None:
        node = RawNode(Config(1, async_storage_writes=True), MemoryStorage(ConfState([1, 2])))
        append = rpc.Append(EntryId(1, 1), 2, (Entry(2, 2, b"x"),))
        node.step(Message(2, 1, 2, append))
        ready = node.ready()
        assert ready.messages == ()
        assert ready.storage_append is not None
        sent = [it.type for it in ready.storage_append if isinstance(it, Message)]
        assert sent == [MessageType.APPEND_REPLY]
        assert ready.committed_entries == ()
        assert ready.storage_apply is None

    def test_what_others_stored_may_be_applied_before(self) -> None:
        node = RawNode(
            Config(1, async_storage_writes=True, apply_before_persist=True),
            MemoryStorage(ConfState([1, 2])),
        )
        node.step(Message(2, 1, 2, rpc.Append(EntryId(1, 1), 2, (Entry(2, 2, b"x"),))))
        assert [entry.data for entry in node.ready().committed_entries] == [b"x"]

    def test_the_two_modes_are_told_apart(self) -> None:
        node, _ = self.leader()
        node.propose(b"x")
        ready = node.ready()
        with pytest.raises(WrongWriteMode):
            node.advance(ready)
        assert ready.storage_append
        ack = ready.storage_append[-1]
        assert isinstance(ack, Ack)
        assert ack in {ack}
        assert repr(ack).startswith("<Ack stored term=2 last=2/3")
        with pytest.raises(WrongWriteMode):
            single().node.acknowledge(ack)
        other = RawNode(Config(1, async_storage_writes=True), MemoryStorage(ConfState([1])))
        node.acknowledge(ack)
        for response in ready.storage_append[:-1]:
            node.acknowledge(response)  # type: ignore[arg-type]
        applied = node.ready().storage_apply
        assert applied is not None
        with pytest.raises(UnknownAck):
            other.acknowledge(applied)
        with pytest.raises(TypeError):
            Ack()


def test_work_is_for_nodes_to_make() -> None:
    with pytest.raises(TypeError):
        Ready()


class TestWhatHostsNeedWithoutMoreAdo:
    """Work given back, entries of a kind, a status without a look into the storage."""

    def test_a_ready_that_is_given_back_comes_again_with_more(self) -> None:
        lone = Cluster([1], lambda state: ListStorage(state))
        node = lone.elect(1)
        node.propose(b"x")
        node.read_index(b"r")
        first = node.ready()
        node.propose(b"y")
        node.give_back(first)
        with pytest.raises(ForeignReady):
            node.give_back(first)
        larger = node.ready()
        assert [entry.data for entry in larger.entries] == [b"x", b"y"]
        assert larger.read_states == first.read_states
        assert larger.messages[: len(first.messages)] == first.messages
        node.give_back(larger)
        lone.settle()
        assert lone.applied() == {1: [b"x", b"y"]}

    @pytest.mark.parametrize("kind", [MemoryStorage, lambda: SqliteStorage(":memory:")])
    def test_a_snapshot_that_was_stored_and_given_back_is_stored_again(
        self, kind: Callable[[], MemoryStorage | SqliteStorage]
    ) -> None:
        storage = kind()
        node = RawNode(Config(1), storage)
        snapshot = Snapshot(1, 5, ConfState([1, 2]), b"state")
        node.step(Message(2, 1, 1, snapshot))
        work = node.ready()
        storage.persist(work)
        node.give_back(work)
        again = node.ready()
        assert again.snapshot == snapshot
        storage.persist(again)
        node.advance(again)
        assert node.status().applied == 5
        assert storage.snapshot() == snapshot

    def test_asynchronous_work_is_not_given_back(self) -> None:
        node = RawNode(Config(1, async_storage_writes=True), MemoryStorage(ConfState([1])))
        node.campaign()
        with pytest.raises(WrongWriteMode):
            node.give_back(node.ready())

    def test_an_entry_of_a_kind_carries_the_bytes_of_the_host(self) -> None:
        lone = Cluster([1], lambda state: ListStorage(state))
        node = lone.elect(1)
        change = ConfChange.add_learner(2, b"where")
        data = change.encode_v1(id=0x123)
        assert data.startswith(b"\x08\xa3\x02")
        node.propose_entry(EntryKind.CONF_CHANGE, data)
        work = node.ready()
        (entry,) = work.entries
        node.give_back(work)
        lone.settle()
        assert node.status().conf_state.learners == (2,)
        another = ConfChange.add_learner(3)
        node.propose_conf_change_v1(another, id=0x123)
        (numbered,) = node.ready().entries
        assert numbered.data == another.encode_v1(id=0x123)
        assert (entry.kind, entry.data) == (EntryKind.CONF_CHANGE, data)
        with pytest.raises(ProposalDropped):
            node.propose_entry(EntryKind.CONF_CHANGE_V2, b"\x7f")

    def test_a_basic_status_asks_the_storage_for_nothing(self) -> None:
        node = Cluster([1], lambda state: ListStorage(state)).elect(1)
        basic, full = node.basic_status(), node.status()
        for field in dataclasses.fields(basic):
            assert getattr(basic, field.name) == getattr(full, field.name)
