# SPDX-License-Identifier: Apache-2.0
"""Observers: what they hear, that they cannot do harm, and that they go when nobody needs them."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import re
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster import Cluster, Host, ListStorage
from raftcore import (
    ConfChange,
    Config,
    ConfState,
    EntryId,
    MemoryStorage,
    Message,
    PeerNotFound,
    ProposalDropped,
    RawNode,
    Reentrant,
    Role,
    StorageError,
    rpc,
)

Event = dict[str, Any]

# What the same steps are to give in C.
C_TEST = Path(__file__).parents[2] / "ffi/tests/observed.rs"


def node(*voters: int) -> RawNode:
    return RawNode(Config(1), MemoryStorage(ConfState(voters)))


def drain(host: Host) -> None:
    while host.node.has_ready():
        host.cycle()


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[sys.UnraisableHookArgs]:
    """What went to ``sys.unraisablehook``."""
    seen: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    return seen


class TestWhatIsHeard:
    """The events and the words are those of the C interface."""

    def test_everything_in_order(self) -> None:
        lone = Cluster([1], lambda state: MemoryStorage(state))
        words: list[tuple[int, str]] = []
        events: list[Event] = []
        lone[1].set_observer(log=lambda *said: words.append(said), trace=events.append)
        lone.elect(1)
        lone[1].propose_conf_change_v1(ConfChange.add_learner(2))
        drain(lone.hosts[1])
        assert words == [
            (logging.INFO, "node 1: pre_candidate in term 1, no leader known"),
            (logging.INFO, "node 1: candidate in term 2, no leader known"),
            (logging.INFO, "node 1: leader in term 2"),
            (logging.INFO, "node 1: voters [1], learners [2]"),
        ]
        lines = [json.dumps(event, separators=(",", ":")) for event in events]
        expected = re.findall(r'r#"(\{"kind".*?\})"#,', C_TEST.read_text())
        assert len(expected) == 5
        places = [lines.index(line) for line in expected]
        assert places == sorted(places)

    def test_messages_between_nodes(self, three: Cluster) -> None:
        events: list[Event] = []
        for host in three.hosts.values():
            host.node.set_observer(trace=events.append)
        three.elect(1)
        three[2].campaign()  # nobody listens: the others have a leader
        sent = [(it["node"], it["to"], it["type"]) for it in events if it["kind"] == "send"]
        came = [(it["from"], it["node"], it["type"]) for it in events if it["kind"] == "deliver"]
        assert set(came) == set(sent)
        assert {"pre_vote", "pre_vote_reply", "vote", "vote_reply", "append", "append_reply"} <= {
            kind for _, _, kind in sent
        }
        assert {it["term"] for it in events if it["kind"] == "send"} == {2}

    def test_replies_that_wait_for_the_storage_are_heard_too(self) -> None:
        leader = Cluster([1, 2], lambda state: MemoryStorage(state))
        follower = RawNode(Config(2, async_storage_writes=True), MemoryStorage(ConfState([1, 2])))
        events: list[Event] = []
        follower.set_observer(trace=events.append)
        leader[1].campaign()
        for message in leader[1].ready().messages:
            follower.step(message)
        ready = follower.ready()
        assert ready.storage_append is not None
        assert [it["type"] for it in events if it["kind"] == "send"] == ["pre_vote_reply"]

    def test_a_logger_of_the_standard_library(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        joining = node()
        joining.set_observer(log=logging.getLogger("raft").log, log_level=logging.DEBUG)
        with pytest.raises(ProposalDropped):
            joining.propose(b"100%s")
        ((name, level, text),) = caplog.record_tuples
        assert (name, level) == ("raft", logging.DEBUG)
        assert "leader" in text

    def test_nothing_below_the_level(self) -> None:
        words: list[tuple[int, str]] = []
        lone = node(1)
        lone.set_observer(log=lambda *said: words.append(said), log_level=logging.WARNING)
        lone.campaign()
        with pytest.raises(PeerNotFound):
            lone.step(Message(9, 1, lone.hard_state.term, rpc.HeartbeatReply()))
        assert words == []

    def test_failures_of_the_storage_are_warnings(self) -> None:
        class Broken(ListStorage):
            broken = False

            def entries(self, low: int, high: int, max_bytes: int):  # type: ignore[no-untyped-def]
                if self.broken:
                    raise OSError("disk on fire")
                return super().entries(low, high, max_bytes)

        storage = Broken(ConfState([1]))
        lone = Cluster([1], lambda _: storage, log_cache_bytes=0)
        words: list[tuple[int, str]] = []
        lone.elect(1).set_observer(log=lambda *said: words.append(said))
        storage.broken = True
        lone[1].propose(b"x")
        with pytest.raises(StorageError):
            lone.settle()
        ((level, text),) = words
        assert level == logging.WARNING
        assert "disk on fire" in text


class TestEtcdFormat:
    """Lines that etcd/raft's own tracer could have written."""

    def events(self, clock: Callable[[], int] | None) -> list[Event]:
        """What a group of three tells that elects a leader and agrees on something."""
        three = Cluster(
            [1, 2, 3], lambda state: MemoryStorage(state), pre_vote=False, check_quorum=False
        )
        lines: list[str] = []
        for host in three.hosts.values():
            host.node.set_observer(etcd_trace=lines.append, etcd_time=clock)
        three.elect(1).propose(b"x")
        three.settle()
        assert three.applied() == {id: [b"x"] for id in (1, 2, 3)}
        return [json.loads(line) for line in lines]

    def test_what_is_received_was_sent(self) -> None:
        lines = self.events(None)
        assert {(line["level"], line["msg"], line["tag"]) for line in lines} == {
            ("debug", "trace", "trace")
        }
        assert all("ts" not in line for line in lines)
        events = [line["event"] for line in lines]
        assert [it["name"] for it in events[:3]] == ["InitState"] * 3
        on_the_way: list[Event] = []
        for event in events:
            if event["name"].startswith("Send"):
                on_the_way.append(event["msg"])
            if event["name"].startswith("Receive"):
                on_the_way.remove(event["msg"])
        assert {message["type"] for message in on_the_way} <= {"MsgAppResp"}
        leader = [it["name"] for it in events if it["nid"] == "1"]
        steps = ["InitState", "BecomeCandidate", "BecomeLeader", "Replicate", "Commit"]
        places = [leader.index(step) for step in steps]
        assert places == sorted(places)
        assert "Ready" in leader
        assert {it["state"]["term"] for it in events[3:]} == {1, 2}

    def test_lines_have_a_time_where_there_is_a_clock(self) -> None:
        times = [line["ts"] for line in self.events(itertools.count(10**9).__next__)]
        assert times == list(range(10**9, 10**9 + len(times)))

    def test_a_clock_that_fails_is_reported(self, unraisable: list[sys.UnraisableHookArgs]) -> None:
        lines: list[str] = []
        lone = node(1)
        lone.set_observer(etcd_trace=lines.append, etcd_time=lambda: 1 // 0)
        lone.campaign()
        assert lines == []
        assert {type(it.exc_value) for it in unraisable} == {ZeroDivisionError}


class TestHarmless:
    """What an observer does changes nothing for the node and its caller."""

    @pytest.mark.parametrize("which", ["log", "trace", "etcd_trace"])
    def test_exceptions_are_reported_and_go_nowhere_else(
        self, which: str, unraisable: list[sys.UnraisableHookArgs]
    ) -> None:
        def broken(*_: object) -> None:
            raise ValueError("planted")

        lone = Cluster([1], lambda state: MemoryStorage(state))
        lone[1].set_observer(**{which: broken})  # type: ignore[arg-type]
        lone.elect(1)
        place = lone[1].propose(b"x")
        assert isinstance(place, EntryId)
        drain(lone.hosts[1])
        assert lone.hosts[1].applied == [b"x"]
        assert unraisable
        assert {str(it.exc_value) for it in unraisable} == {"planted"}
        assert all(it.object is broken for it in unraisable)

    def test_interrupts_come_out_and_the_work_is_done(self) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        lone = node(1)
        lone.set_observer(trace=interrupted)
        with pytest.raises(KeyboardInterrupt):
            lone.campaign()
        lone.set_observer()
        assert lone.soft_state.role is Role.PRE_CANDIDATE

    def test_the_node_cannot_be_called_from_within(self) -> None:
        lone = node(1)
        answers: list[str] = []

        def call_back(_: Event) -> None:
            for call in (lone.status, lone.tick, lone.ready, lone.set_observer):
                with pytest.raises(Reentrant, match="observer"):
                    call()
            answers.append(repr(lone))

        lone.set_observer(trace=call_back)
        lone.campaign()
        assert answers == ["<RawNode id=1>"]

    def test_only_what_can_be_called(self) -> None:
        for which in ("log", "trace", "etcd_trace", "etcd_time"):
            with pytest.raises(TypeError, match=f"{which} is not callable"):
                node(1).set_observer(**{which: 7})  # type: ignore[arg-type]


class TestLifetime:
    """An observer lives as long as it watches."""

    class Ear:
        def __init__(self) -> None:
            self.events: list[Event] = []

        def trace(self, event: Event) -> None:
            self.events.append(event)

    def test_another_takes_its_place(self) -> None:
        lone = node(1)
        ears = [self.Ear(), self.Ear()]
        for ear in ears:
            lone.set_observer(trace=ear.trace)
        lone.campaign()
        assert [bool(ear.events) for ear in ears] == [False, True]
        gone = weakref.ref(ears.pop())
        del ear
        lone.set_observer()
        assert gone() is None

    def test_a_node_that_watches_itself_is_garbage_in_the_end(self) -> None:
        def watch_itself() -> weakref.ref[RawNode]:
            lone = node(1)
            events: list[object] = []
            lone.set_observer(trace=lambda event: events.append((lone, event)))
            lone.campaign()
            return weakref.ref(lone)

        gone = watch_itself()
        gc.collect()
        assert gone() is None

    def test_only_what_happens_from_then_on(self) -> None:
        lone = node(1)
        lone.campaign()
        events: list[Event] = []
        lone.set_observer(trace=events.append)
        assert events == []


def test_invariants_hold(three: Cluster) -> None:
    leader = three.elect(1)
    leader.propose(b"x")
    for _ in range(20):
        three.tick()
        for host in three.hosts.values():
            host.node.check_invariants()


def test_a_node_knows_its_configuration() -> None:
    config = Config(1, priority=3)
    assert RawNode(config, MemoryStorage()).config is config
