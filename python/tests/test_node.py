# SPDX-License-Identifier: Apache-2.0
"""A node's manners: its errors, its Readys, threads, calls from within calls, and panics."""

from __future__ import annotations

import dataclasses
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import raftcore
from cluster import Cluster, Host, ListStorage
from raftcore import (
    Ack,
    ConfChange,
    ConfChangeError,
    Config,
    ConfigError,
    ConfState,
    DecodeError,
    DropReason,
    Entry,
    EntryId,
    EntryKind,
    ForeignReady,
    InvalidMessage,
    LimitReached,
    MemoryStorage,
    Message,
    MessageType,
    PeerNotFound,
    Poisoned,
    ProposalDropped,
    RaftError,
    RawNode,
    Ready,
    ReadyOutstanding,
    Reentrant,
    Role,
    Snapshot,
    Transition,
    UnknownAck,
    WrongWriteMode,
    rpc,
)
from raftcore.sqlite import SqliteStorage


def single() -> Host:
    """A leader of itself."""
    one = Cluster([1], lambda state: MemoryStorage(state))
    one.elect(1)
    return one.hosts[1]


def drain(host: Host) -> None:
    while host.node.has_ready():
        host.cycle()


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


class TestErrors:
    """Each mistake has its own exception, and none does harm."""

    def test_dropped_proposals_say_why(self) -> None:
        three = Cluster([1, 2, 3], forward_proposals=False, max_uncommitted_bytes=100)
        reasons = []

        def propose(node: RawNode, data: bytes) -> None:
            with pytest.raises(ProposalDropped) as raised:
                node.propose(data)
            reasons.append(raised.value.reason)
            assert pickle.loads(pickle.dumps(raised.value)).reason is raised.value.reason

        propose(three[1], b"x")
        three.elect(1)
        propose(three[2], b"x")
        three[1].propose(b"x" * 100)
        propose(three[1], b"x" * 100)
        three.settle()
        with pytest.raises(ProposalDropped) as raised:
            three[1].propose_batch([])
        assert reasons == [
            DropReason.NO_LEADER,
            DropReason.NOT_LEADER,
            DropReason.TOO_MANY_UNCOMMITTED_BYTES,
        ]
        assert raised.value.reason is DropReason.EMPTY

    def test_limits_are_errors_that_name_themselves(self) -> None:
        three = Cluster(
            [1, 2, 3], max_uncommitted_entries=1, max_pending_reads=1, max_waiting_messages=4
        )
        three.elect(1)
        three[1].propose(b"")
        with pytest.raises(ProposalDropped) as dropped:
            three[1].propose(b"")
        assert dropped.value.reason is DropReason.TOO_MANY_UNCOMMITTED_ENTRIES
        three[1].read_index(b"r")
        with pytest.raises(LimitReached, match="max_pending_reads"):
            three[1].read_index(b"r")
        for _ in range(4):
            three[2].propose(b"passed on")
        with pytest.raises(LimitReached, match="max_waiting_messages"):
            three[2].propose(b"x")

    def test_a_batch_is_read_before_anything_is_proposed(self) -> None:
        host = single()
        last = host.node.status().last
        with pytest.raises(TypeError):
            host.node.propose_batch([b"x", "y"])  # type: ignore[list-item]
        with pytest.raises(ZeroDivisionError):
            host.node.propose_batch(bytes(1 // number) for number in (1, 0))
        assert host.node.status().last == last

    def test_strangers_are_not_counted(self) -> None:
        three = Cluster([1, 2, 3])
        leader = three.elect(1)
        with pytest.raises(PeerNotFound) as raised:
            leader.step(Message(9, 1, leader.hard_state.term, rpc.AppendReply(3)))
        assert raised.value.node == 9

    def test_an_impossible_message_is_refused(self) -> None:
        three = Cluster([1, 2, 3])
        leader = three.elect(1)
        with pytest.raises(InvalidMessage):
            leader.step(Message(2, 1, leader.hard_state.term, rpc.AppendReply(1 << 60)))
        with pytest.raises(DecodeError):
            leader.step(b"garbage")
        with pytest.raises(TypeError):
            leader.step("garbage")  # type: ignore[arg-type]

    def test_a_change_that_makes_no_sense_is_refused_where_it_is_applied(self) -> None:
        node = single().node
        with pytest.raises(ConfChangeError):
            node.apply_conf_change(ConfChange.remove(1))
        with pytest.raises(ConfChangeError):
            node.apply_conf_change(ConfChange.leave_joint())
        with pytest.raises(DecodeError):
            node.apply_conf_change(Entry(1, 2, b"x"))
        with pytest.raises(DecodeError):
            node.apply_conf_change(Entry(1, 2, b"\xff", EntryKind.CONF_CHANGE_V2))
        with pytest.raises(TypeError):
            node.apply_conf_change(b"x")  # type: ignore[arg-type]
        assert node.apply_conf_change(ConfChange.add_learner(2)) == ConfState([1], [2])

    def test_the_first_version_of_changes_has_one_operation(self) -> None:
        host = single()
        change = ConfChange.add_learner(2, b"address")
        placed = host.node.propose_conf_change_v1(change)
        (entry,) = host.node.ready().entries
        assert (entry.id, entry.kind) == (placed, EntryKind.CONF_CHANGE)
        assert entry.data == change.encode_v1()
        assert ConfChange.decode(entry) == change
        assert host.node.apply_conf_change(entry) == ConfState([1], [2])
        both = ConfChange((*change.ops, *change.ops))
        for wrong in (ConfChange(), both, ConfChange(change.ops, Transition.EXPLICIT)):
            with pytest.raises(ValueError, match="one operation"):
                host.node.propose_conf_change_v1(wrong)

    def test_a_change_that_would_come_to_nothing_raises_and_leaves_no_entry(self) -> None:
        host = single()
        last = host.node.status().last
        for change, reason in (
            (ConfChange.remove(1), "no voter"),
            (ConfChange.remove(9), "no member"),
            (ConfChange.add_voter(1), "no member"),
            (ConfChange.add_voter(0), "0 is not"),
            (ConfChange.leave_joint(), "not joint"),
        ):
            with pytest.raises(ConfChangeError, match=reason):
                host.node.propose_conf_change(change)
            if len(change.ops) == 1:
                with pytest.raises(ConfChangeError, match=reason):
                    host.node.propose_conf_change_v1(change)
        assert host.node.status().last == last
        host.node.propose_conf_change(ConfChange.add_learner(2))
        with pytest.raises(ConfChangeError, match="pending"):
            host.node.propose_conf_change(ConfChange.add_learner(3))

    def test_a_configuration_is_checked_by_the_node_too(self) -> None:
        class Fake:
            def __getattr__(self, name: str) -> object:
                return 0 if name == "id" else getattr(Config(1), name)

        with pytest.raises(ConfigError, match="id"):
            RawNode(Fake(), MemoryStorage())  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", [getattr(raftcore.errors, n) for n in raftcore.errors.__all__])
    def test_exceptions_can_be_pickled(self, kind: type) -> None:
        if issubclass(kind, RaftError):
            twin = pickle.loads(pickle.dumps(kind("text")))
            assert (type(twin), str(twin)) == (kind, "text")


class CallingBack(ListStorage):
    """Calls its own node from within."""

    node: RawNode | None = None
    raised: Exception | None = None

    def last_index(self) -> int:
        return super().last_index()

    def entries(self, low: int, high: int, max_bytes: int) -> object:  # type: ignore[override]
        if self.node is not None:
            assert repr(self.node) == "<RawNode id=1>"
            try:
                self.node.tick()
            except Exception as error:
                self.raised = error
                raise
        return super().entries(low, high, max_bytes)


def test_a_storage_that_calls_its_own_node_gets_an_error_and_no_deadlock() -> None:
    storage = CallingBack(ConfState([1]))
    one = Cluster([1], lambda _: storage, log_cache_bytes=0)
    one.elect(1)
    storage.node = one[1]
    one[1].propose(b"x")
    with pytest.raises(raftcore.StorageError) as raised:
        one.settle()
    assert isinstance(storage.raised, Reentrant)
    assert raised.value.__cause__ is storage.raised
    storage.node = None
    one.settle()
    assert b"x" in one.hosts[1].applied


def test_a_storage_may_call_another_node() -> None:
    other = single()

    class Asking(ListStorage):
        def initial_state(self):  # type: ignore[no-untyped-def]
            other.node.tick()
            assert other.node.soft_state.role is Role.LEADER
            return super().initial_state()

    assert RawNode(Config(1), Asking(ConfState([1]))).id == 1


@pytest.mark.parametrize("storage", [ListStorage, MemoryStorage])
def test_many_threads_propose_and_nothing_is_lost(storage: type) -> None:
    one = Cluster([1], storage, log_cache_bytes=0)
    one.elect(1)
    host = one.hosts[1]
    threads, each = 8, 200
    start, places = threading.Barrier(threads), []

    def propose(number: int) -> None:
        start.wait()
        for turn in range(each):
            places.append((host.node.propose(b"%d/%d" % (number, turn)), number, turn))
            host.node.status()

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(propose, number) for number in range(threads)]
        while not all(future.done() for future in futures):
            drain(host)
        for future in futures:
            future.result()
    drain(host)
    assert sorted(host.applied) == sorted(b"%d/%d" % (n, t) for _, n, t in places)
    for place, number, turn in places:
        assert isinstance(place, EntryId)
        (entry,) = host.storage.entries(place.index, place.index + 1, 0)
        assert (entry.id, entry.data) == (place, b"%d/%d" % (number, turn))


def test_a_thread_in_a_slow_storage_does_not_stop_the_others() -> None:
    """A thread that waits for the node lets the one inside have the interpreter."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow(ListStorage):
        slow = False

        def entries(self, low: int, high: int, max_bytes: int):  # type: ignore[no-untyped-def]
            if self.slow:
                inside.set()
                assert go_on.wait(60)
            return super().entries(low, high, max_bytes)

    storage = Slow(ConfState([1]))
    one = Cluster([1], lambda _: storage, log_cache_bytes=0)
    one.elect(1)
    storage.slow = True
    one[1].propose(b"x")
    worker = threading.Thread(target=one.settle)
    worker.start()
    assert inside.wait(60)
    waiting = [threading.Thread(target=one[1].status) for _ in range(4)]
    for thread in waiting:
        thread.start()
    go_on.set()
    for thread in [worker, *waiting]:
        thread.join(60)
        assert not thread.is_alive()
    assert one.hosts[1].applied == [b"x"]


class TestPanic:
    """A panic below a node ends that node and nothing else."""

    def poisoned(self, capfd: pytest.CaptureFixture[str]) -> RawNode:
        class Panicking(ListStorage):
            panic = False

            def entries(self, low: int, high: int, max_bytes: int):  # type: ignore[no-untyped-def]
                if self.panic:
                    # PyO3 turns its own exception back into the panic that it stands for.
                    raise panic_exception()("planted")
                return super().entries(low, high, max_bytes)

        storage = Panicking(ConfState([1]))
        one = Cluster([1], lambda _: storage, log_cache_bytes=0)
        node = one.elect(1)
        storage.panic = True
        node.propose(b"x")
        with pytest.raises(Poisoned, match="planted"):
            one.settle()
        capfd.readouterr()
        return node

    def test_every_later_call_says_so(self, capfd: pytest.CaptureFixture[str]) -> None:
        node = self.poisoned(capfd)
        for call in (node.tick, node.status, node.has_ready, node.ready, node.campaign):
            with pytest.raises(Poisoned, match="planted"):
                call()
        with pytest.raises(Poisoned):
            node.propose(b"x")
        assert (node.id, repr(node)) == (1, "<RawNode id=1>")

    def test_other_nodes_go_on(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.poisoned(capfd)
        host = single()
        host.node.propose(b"x")
        drain(host)
        assert host.applied == [b"x"]


def panic_exception() -> type[BaseException]:
    """The exception by which PyO3 shows panics; it exists once any exception has crossed."""
    storage = ListStorage(ConfState([1]))
    storage.first_index = lambda: 1 // 0  # type: ignore[method-assign]
    with pytest.raises(raftcore.StorageError):
        RawNode(Config(1), storage)
    (found,) = (c for c in BaseException.__subclasses__() if c.__name__ == "PanicException")
    return found


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
