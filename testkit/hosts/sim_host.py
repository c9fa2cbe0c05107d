#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A host in Python for the deterministic simulation: does with the package `raftcore` what the simulator commands,
and asks the simulator for what its nodes want to read from their storages.

The simulator starts it (`sim --host python`) and speaks to it over standard input and output; the protocol is described
in README.md.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import BinaryIO, TypeVar

import raftcore as rc
from raftcore import errors

PROTOCOL_VERSION = 1
FRAME_ANSWER = 0
FRAME_READ = 1

# The simulator knows errors by the numbers of raftcore.h.
STATUS_OF: dict[type[errors.RaftError], int] = {
    errors.ConfigError: -2,
    errors.StorageError: -3,
    errors.InconsistentStorage: -4,
    errors.ProposalDropped: -5,
    errors.PeerNotFound: -6,
    errors.InvalidMessage: -7,
    errors.CommitBeyondLog: -8,
    errors.CommittedConflict: -9,
    errors.ConfChangeError: -10,
    errors.DecodeError: -11,
    errors.ReadyOutstanding: -12,
    errors.ForeignReady: -13,
    errors.WrongWriteMode: -14,
    errors.UnknownAck: -15,
    errors.NoLeader: -16,
    errors.InvalidTransferee: -22,
}

T = TypeVar("T")

NUMBER = struct.Struct("<Q")
LENGTH = struct.Struct("<I")

# Where the package has two ways to the same end, they are taken in turn.
other_way = cycle((False, True)).__next__


class Reader:
    """A frame that is read field by field."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._at = 0

    def end(self) -> None:
        """Complains unless everything was read."""
        if self._at != len(self._frame):
            raise ValueError("a frame is too long")

    def raw(self, length: int) -> bytes:
        start, self._at = self._at, self._at + length
        if self._at > len(self._frame):
            raise ValueError("a frame is too short")
        return self._frame[start : self._at]

    def byte(self) -> int:
        return self.raw(1)[0]

    def flag(self) -> bool:
        return self.byte() != 0

    def number(self) -> int:
        return int(NUMBER.unpack(self.raw(8))[0])

    def blob(self) -> bytes:
        return self.raw(self.number())

    def items(self, item: Callable[[], T]) -> list[T]:
        return [item() for _ in range(self.number())]

    def conf_state(self) -> rc.ConfState:
        voters, learners, outgoing, learners_next = (self.items(self.number) for _ in range(4))
        return rc.ConfState(voters, learners, outgoing, learners_next, self.flag())

    def entry(self) -> rc.Entry:
        term, index, kind, stated = self.number(), self.number(), self.byte(), self.flag()
        return rc.Entry(term, index, self.blob(), rc.EntryKind(kind), kind_stated=stated)

    def snapshot(self) -> rc.Snapshot:
        return rc.Snapshot(self.number(), self.number(), self.conf_state(), self.blob())

    def op(self) -> rc.ConfChangeOp:
        return rc.ConfChangeOp(rc.ConfChangeKind(self.byte()), self.number())


class Writer:
    """A frame that is written field by field."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def byte(self, byte: int) -> None:
        self.bytes.append(byte)

    def flag(self, flag: bool) -> None:
        self.byte(1 if flag else 0)

    def numbers(self, *numbers: int) -> None:
        for number in numbers:
            self.bytes += NUMBER.pack(number)

    def blob(self, blob: bytes) -> None:
        self.numbers(len(blob))
        self.bytes += blob

    def ids(self, ids: Sequence[int]) -> None:
        self.numbers(len(ids), *ids)

    def conf_state(self, state: rc.ConfState) -> None:
        for ids in (state.voters, state.learners, state.voters_outgoing, state.learners_next):
            self.ids(ids)
        self.flag(state.auto_leave)

    def entries(self, entries: Sequence[rc.Entry]) -> None:
        self.numbers(len(entries))
        for entry in entries:
            self.numbers(entry.term, entry.index)
            self.byte(entry.kind)
            self.flag(entry.kind_stated)
            self.blob(entry.data)

    def soft_state(self, state: rc.SoftState) -> None:
        self.numbers(state.leader or 0)
        self.byte(state.role)

    def hard_state(self, state: rc.HardState) -> None:
        self.numbers(state.term, state.vote, state.commit)


class Pipe:
    """The two ends that lead to the simulator."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink

    def send(self, frame: bytes | bytearray) -> None:
        self._sink.write(LENGTH.pack(len(frame)) + frame)
        self._sink.flush()

    def receive(self) -> Reader | None:
        """The next frame; None if there is none any more."""
        head = self._source.read(4)
        if not head:
            return None
        return Reader(self._source.read(LENGTH.unpack(head)[0]))


class RemoteStorage(rc.Storage):
    """A node's storage, which is the simulator's."""

    def __init__(self, pipe: Pipe, number: int) -> None:
        self._pipe = pipe
        self._number = number

    def _ask(self, what: int, *arguments: int) -> Reader:
        request = Writer()
        request.byte(FRAME_READ)
        request.numbers(self._number)
        request.byte(what)
        request.numbers(*arguments)
        self._pipe.send(request.bytes)
        reply = self._pipe.receive()
        if reply is None:
            raise SystemExit("the simulator is gone")
        match reply.byte():
            case 0:
                return reply
            case 1:
                raise errors.Compacted
            case 2:
                raise errors.Unavailable
            case 3:
                raise errors.SnapshotUnavailable
            case _:
                raise OSError(5, "a simulated fault") if other_way() else errors.StorageError("a simulated fault")

    def initial_state(self) -> tuple[rc.HardState, rc.ConfState]:
        reply = self._ask(1)
        return rc.HardState(reply.number(), reply.number(), reply.number()), reply.conf_state()

    def entries(self, low: int, high: int, max_bytes: int) -> Sequence[rc.Entry]:
        reply = self._ask(2, low, high, max_bytes)
        entries = reply.items(reply.entry)
        return entries if other_way() else tuple(entries)

    def term(self, index: int) -> int:
        return self._ask(3, index).number()

    def first_index(self) -> int:
        return self._ask(4).number()

    def last_index(self) -> int:
        return self._ask(5).number()

    def snapshot(self) -> rc.Snapshot:
        return self._ask(6).snapshot()


@dataclass
class Node:
    """A node, and the work it waits for."""

    raft: rc.RawNode
    is_async: bool
    ready: rc.Ready | None = None
    to_append: deque[tuple[rc.Message | rc.Ack, ...]] = field(default_factory=deque)
    to_apply: deque[rc.Ack] = field(default_factory=deque)


def read_config(command: Reader) -> rc.Config:
    """The configuration, field by field."""
    number, flag = command.number, command.flag
    return rc.Config(
        number(),
        seed=number(),
        applied=number(),
        election_ticks=number(),
        heartbeat_ticks=number(),
        max_message_bytes=number(),
        max_inflight_messages=number(),
        max_inflight_bytes=number(),
        max_uncommitted_bytes=number(),
        max_committed_bytes_per_ready=number(),
        log_cache_bytes=number(),
        priority=struct.unpack("<q", command.raw(8))[0],
        read_mode=rc.ReadMode(command.byte()),
        dialect=("etcd", "tikv")[command.byte()],
        pre_vote=flag(),
        check_quorum=flag(),
        forward_proposals=flag(),
        validate_conf_changes=flag(),
        step_down_on_removal=flag(),
        async_storage_writes=flag(),
        apply_before_persist=flag(),
        etcd_compat=flag(),
    )


def write_placed(value: Writer, placed: rc.EntryId | rc.Forwarded) -> None:
    match placed:
        case rc.EntryId(term, index):
            value.numbers(term, index)
        case rc.Forwarded():
            value.numbers(0, 0)


def write_ready(value: Writer, ready: rc.Ready, is_async: bool) -> None:
    value.flag(ready.must_sync)
    value.flag(ready.soft_state is not None)
    if ready.soft_state is not None:
        value.soft_state(ready.soft_state)
    value.flag(ready.hard_state is not None)
    if ready.hard_state is not None:
        value.hard_state(ready.hard_state)
    value.entries(ready.entries)
    value.flag(ready.snapshot is not None)
    if ready.snapshot is not None:
        value.numbers(ready.snapshot.term, ready.snapshot.index)
        value.conf_state(ready.snapshot.conf_state)
        value.blob(ready.snapshot.data)
        value.blob(ready.snapshot.encode())
    value.entries(ready.committed_entries)
    value.numbers(len(ready.read_states))
    for read in ready.read_states:
        value.numbers(read.index)
        value.blob(read.context)
    waiting = [done for done in ready.storage_append or () if isinstance(done, rc.Message)]
    messages = [(not is_async and message.requires_persistence, message) for message in ready.messages]
    messages += [(True, message) for message in waiting]
    value.numbers(len(messages))
    for waits, message in messages:
        value.flag(waits)
        value.blob(message.encode())
    value.flag(ready.storage_append is not None)
    value.flag(ready.storage_apply is not None)


def write_status(value: Writer, status: rc.Status) -> None:
    value.numbers(status.id, status.term, status.vote, status.commit, status.leader or 0)
    value.byte(status.role)
    value.numbers(status.applied, status.persisted, status.last.term, status.last.index)
    value.flag(status.is_voter)
    value.numbers(status.transferee or 0)
    value.conf_state(status.conf_state)
    value.numbers(len(status.progress))
    for progress in status.progress.values():
        value.numbers(progress.id, progress.matched, progress.next, progress.pending_snapshot)
        value.numbers(progress.inflight_messages, progress.inflight_bytes)
        value.byte(progress.state)
        value.flag(progress.is_learner)
        value.flag(progress.is_paused)
        value.flag(progress.is_active)


class Host:
    """All nodes of a run, and what the simulator may command."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._nodes: dict[int, Node] = {}
        self._commands: dict[int, Callable[[Node, Reader, Writer], None]] = {
            3: self._tick,
            4: self._step,
            5: self._propose,
            6: self._propose_conf_change,
            7: self._propose_conf_change_v1,
            8: self._apply_conf_change,
            9: lambda node, _command, _value: node.raft.campaign(),
            10: lambda node, command, _value: node.raft.transfer_leader(command.number()),
            11: lambda node, _command, _value: node.raft.forget_leader(),
            12: lambda node, command, _value: node.raft.read_index(command.blob()),
            13: lambda node, command, _value: node.raft.report_unreachable(command.number()),
            14: lambda node, command, _value: node.raft.report_snapshot(command.number(), command.flag()),
            15: self._ready,
            16: self._advance,
            17: self._appended,
            18: self._applied,
            19: lambda node, _command, value: write_status(value, node.raft.status()),
        }

    def obey(self, what: int, number: int, command: Reader, value: Writer) -> None:
        """Does what a command says; `value` gets what it gives."""
        match what:
            case 1:
                config = read_config(command)
                storage = RemoteStorage(self._pipe, number)
                self._nodes[number] = Node(rc.RawNode(config, storage), config.async_storage_writes)
            case 2:
                del self._nodes[number]
            case _:
                self._commands[what](self._nodes[number], command, value)

    def answer(self, number: int, status: int, text: str, value: Writer) -> None:
        """Answers a command."""
        answer = Writer()
        answer.byte(FRAME_ANSWER)
        answer.bytes += struct.pack("<q", status)
        answer.blob(text.encode())
        node = self._nodes.get(number)
        answer.flag(node is not None)
        if node is not None:
            answer.hard_state(node.raft.hard_state)
            answer.soft_state(node.raft.soft_state)
            answer.flag(node.raft.has_ready())
        if status == 0:
            answer.bytes += value.bytes
        self._pipe.send(answer.bytes)

    @staticmethod
    def _tick(node: Node, _command: Reader, _value: Writer) -> None:
        node.raft.tick()

    @staticmethod
    def _step(node: Node, command: Reader, _value: Writer) -> None:
        message = command.blob()
        node.raft.step(message if other_way() else rc.Message.decode(message))

    @staticmethod
    def _propose(node: Node, command: Reader, value: Writer) -> None:
        payloads = command.items(command.blob)
        if len(payloads) == 1 and other_way():
            write_placed(value, node.raft.propose(bytearray(payloads[0])))
        else:
            write_placed(value, node.raft.propose_batch(payloads))

    @staticmethod
    def _propose_conf_change(node: Node, command: Reader, value: Writer) -> None:
        transition = rc.Transition(command.byte())
        change = rc.ConfChange(tuple(command.items(command.op)), transition, command.blob())
        write_placed(value, node.raft.propose_conf_change(change))

    @staticmethod
    def _propose_conf_change_v1(node: Node, command: Reader, value: Writer) -> None:
        change = rc.ConfChange((command.op(),), context=command.blob())
        write_placed(value, node.raft.propose_conf_change_v1(change))

    @staticmethod
    def _apply_conf_change(node: Node, command: Reader, value: Writer) -> None:
        entry = command.entry()
        value.conf_state(node.raft.apply_conf_change(entry if other_way() else rc.ConfChange.decode(entry)))

    @staticmethod
    def _ready(node: Node, _command: Reader, value: Writer) -> None:
        ready = node.raft.ready()
        write_ready(value, ready, node.is_async)
        if not node.is_async:
            node.ready = ready
        if ready.storage_append is not None:
            node.to_append.append(ready.storage_append)
        if ready.storage_apply is not None:
            node.to_apply.append(ready.storage_apply)

    @staticmethod
    def _advance(node: Node, _command: Reader, _value: Writer) -> None:
        ready, node.ready = node.ready, None
        assert ready is not None
        node.raft.advance(ready)

    @staticmethod
    def _appended(node: Node, _command: Reader, _value: Writer) -> None:
        first_error: errors.RaftError | None = None
        for done in node.to_append.popleft():
            if isinstance(done, rc.Message):
                continue
            try:
                node.raft.acknowledge(done)
            except errors.PeerNotFound:
                # A node that is no member any more.
                pass
            except errors.RaftError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error

    @staticmethod
    def _applied(node: Node, _command: Reader, _value: Writer) -> None:
        node.raft.acknowledge(node.to_apply.popleft())


def status_of(error: errors.RaftError) -> int:
    """The number of an error; what has none of its own is a defect here or in the package."""
    for kind, number in STATUS_OF.items():
        if isinstance(error, kind):
            return number
    raise error


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    pipe = Pipe(sys.stdin.buffer, sys.stdout.buffer)
    pipe.send(NUMBER.pack(PROTOCOL_VERSION))
    host = Host(pipe)
    while (command := pipe.receive()) is not None:
        what, number, value = command.byte(), command.number(), Writer()
        try:
            host.obey(what, number, command, value)
            command.end()
        except errors.RaftError as error:
            host.answer(number, status_of(error), str(error), value)
        else:
            host.answer(number, 0, "", value)


if __name__ == "__main__":
    main()
