# SPDX-License-Identifier: Apache-2.0
"""A node's errors: what is refused, and how the refusal names it."""

from __future__ import annotations

import pickle

import pytest

import raftcore
from cluster import Cluster, single
from raftcore import (
    ConfChange,
    ConfChangeError,
    Config,
    ConfigError,
    ConfState,
    DecodeError,
    DropReason,
    Entry,
    EntryKind,
    InvalidMessage,
    LimitReached,
    MemoryStorage,
    Message,
    PeerNotFound,
    ProposalDropped,
    RaftError,
    RawNode,
    Transition,
    rpc,
)


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
