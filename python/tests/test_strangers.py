# SPDX-License-Identifier: Apache-2.0
"""Messages that are answered by an exception: nothing has changed, whoever sent them."""

from __future__ import annotations

from typing import Any

import pytest

from raftcore import (
    CommitBeyondLog,
    CommittedConflict,
    ConfChangeError,
    Config,
    ConfState,
    DecodeError,
    Entry,
    EntryId,
    InvalidMessage,
    MemoryStorage,
    Message,
    PeerNotFound,
    RawNode,
    Role,
    Snapshot,
    rpc,
)

MEMBER, STRANGER = 2, 77
LAST_TERM = 2**64 - 1 - 2**32
MEMBERS = ConfState([1, 2, 3])
AT_THE_END = EntryId(5, 9)
TOO_LATE = Entry(1001, 2, b"x")


def drain(node: RawNode, storage: MemoryStorage) -> list[object]:
    """Does all work; what it was."""
    work: list[object] = []
    while node.has_ready():
        ready = node.ready()
        storage.persist(ready)
        work.append(
            (ready.soft_state, ready.hard_state, [message.encode() for message in ready.messages])
        )
        node.advance(ready)
    return work


def in_role(role: Role) -> tuple[RawNode, MemoryStorage]:
    """Node 1 of three."""
    storage = MemoryStorage(MEMBERS)
    node = RawNode(Config(1, pre_vote=False), storage)
    if role is not Role.FOLLOWER:
        node.campaign()
        drain(node, storage)
    if role is Role.LEADER:
        node.step(Message(MEMBER, 1, 2, rpc.VoteReply(granted=True)))
        drain(node, storage)
        node.propose(b"waits")
    assert node.soft_state.role is role
    return node, storage


def seen(node: RawNode) -> object:
    return (node.status(), node.has_ready())


REFUSED = [
    (Message(STRANGER, 1, 2**64 - 1, rpc.Heartbeat(0)), InvalidMessage),
    (Message(MEMBER, 1, LAST_TERM + 1, rpc.Heartbeat(0)), InvalidMessage),
    (Message(MEMBER, 1, 3 + 2**32, rpc.Vote(AT_THE_END)), InvalidMessage),
    (Message(STRANGER, 1, 1000, rpc.Heartbeat(2**30)), InvalidMessage),
    (Message(MEMBER, 1, 1000, rpc.Heartbeat(2**30)), CommitBeyondLog),
    (Message(STRANGER, 1, 1000, rpc.Append(EntryId(9, 1), 0)), InvalidMessage),
    (
        Message(MEMBER, 1, 1000, rpc.Append(EntryId(1, 1), 0, (Entry(1001, 2, b"x"),))),
        InvalidMessage,
    ),
    (Message(MEMBER, 1, 1000, Snapshot(1001, 50, MEMBERS)), InvalidMessage),
    (Message(MEMBER, 1, 1000, Snapshot(1000, 50, ConfState([1, 2], [2]))), ConfChangeError),
    (Message(MEMBER, 1, 1000, rpc.Vote(EntryId(1001, 9))), InvalidMessage),
    (Message(STRANGER, 1, 1000, rpc.VoteReply(granted=False)), PeerNotFound),
    (b"no message", DecodeError),
]


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.CANDIDATE, Role.LEADER])
def test_a_message_that_is_refused_changes_nothing(role: Role) -> None:
    (node, storage), (twin, of_twin) = in_role(role), in_role(role)
    before = seen(node)
    for message, error in REFUSED:
        ways: list[Any] = [message]
        if isinstance(message, Message):
            ways.append(message.encode())
        for way in ways:
            with pytest.raises(error):
                node.step(way)
            assert seen(node) == before, message
    # And it goes on like one that nobody spoke to.
    for _ in range(30):
        node.tick()
        twin.tick()
        assert drain(node, storage) == drain(twin, of_twin)
        assert seen(node) == seen(twin)


@pytest.mark.parametrize("sender", [MEMBER, STRANGER])
def test_lost_data_is_reported_for_a_members_message_alone(sender: int) -> None:
    error = CommittedConflict if sender == MEMBER else InvalidMessage
    node, _ = in_role(Role.FOLLOWER)
    before = seen(node)
    with pytest.raises(error):
        node.step(Message(sender, 1, 10, rpc.Append(EntryId(9, 1), 0)))
    assert seen(node) == before


def test_the_highest_term_is_followed_from_a_leader_that_is_no_member_yet() -> None:
    node, _ = in_role(Role.FOLLOWER)
    term = node.hard_state.term + 2**32
    node.step(Message(STRANGER, 1, term, rpc.Heartbeat(0)))
    assert (node.hard_state.term, node.soft_state.leader) == (term, STRANGER)
