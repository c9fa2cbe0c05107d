# SPDX-License-Identifier: Apache-2.0
"""A node on an event loop: it ticks, has its work done in the right order, and tells callers what
became of what they proposed.

Storage, state machine and transport are the program's, as a :class:`Host`. Everything runs on the
loop that entered the node; only ``Host.persist`` may leave it, with ``asyncio.to_thread`` say.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

from raftcore._raftcore import (
    ConfState,
    Entry,
    EntryId,
    Message,
    RawNode,
    Ready,
    Snapshot,
)
from raftcore.config import Config
from raftcore.enums import Role
from raftcore.errors import NoLeader, RaftError
from raftcore.membership import ConfChange
from raftcore.storage import Storage

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "ConfChangeRefused",
    "Host",
    "Node",
    "NodeStopped",
    "NotLeader",
    "OutcomeUnknown",
    "Superseded",
]


class NotLeader(RaftError):
    """This node does not lead: propose at ``leader``, or ask again if that is None."""

    leader: int | None
    """The leader, if known."""

    def __init__(self, message: str = "", leader: int | None = None) -> None:
        super().__init__(message)
        self.leader = leader


class Superseded(RaftError):
    """Another leader's entry took the place of the proposal: it did not take effect, and never
    will."""


class ConfChangeRefused(RaftError):
    """The leader committed an empty entry in place of the membership change, because another one is
    under way or this one makes no sense now."""


class OutcomeUnknown(RaftError):
    """A snapshot covers the place of the proposal: perhaps it took effect."""


class NodeStopped(RaftError):
    """The node has stopped. What was proposed may take effect all the same."""


class Host(Protocol):
    """What a node needs of its program.

    An exception raised in here, or by the storage, stops the node, for what is stored or applied is
    in doubt then. It comes out of ``Node.stopped`` and of the ``async with``; a new node can be
    started from the storage.
    """

    async def persist(self, ready: Ready) -> None:
        """Stores ``ready.snapshot``, ``ready.entries`` and ``ready.hard_state`` in one batch, which
        is durable on return if ``ready.must_sync``."""

    def send(self, message: Message) -> None:
        """Passes a message on to the transport; it may be lost. What becomes of one whose body is a
        Snapshot must be reported: ``Node.report_snapshot``."""

    def apply(self, entry: Entry) -> object:
        """Applies a committed entry of the host's own to the state machine. The result is for who
        proposed it. The first entry of each term has no data."""

    def apply_conf_change(self, entry: Entry, conf_state: ConfState) -> None:
        """Saves the membership that is in force from this entry on. When a node was added it needs
        a snapshot that knows it: this is the place to make one."""

    def restore(self, snapshot: Snapshot) -> None:
        """Replaces the state machine by a snapshot, which is persisted already."""


class Node:
    """A node of a group, alive within ``async with``.

    Proposals and reads wait as long as it takes: bound them with ``asyncio.timeout``. A cancelled
    proposal may take effect all the same.
    """

    def __init__(
        self, config: Config, storage: Storage, host: Host, *, tick_seconds: float = 0.1
    ) -> None:
        self._raw = RawNode(config, storage)
        self._host = host
        self._tick_seconds = tick_seconds
        self._ask_again_seconds = tick_seconds * config.election_ticks
        self._work_left = asyncio.Event()
        self._proposed: dict[int, dict[int, asyncio.Future[object]]] = {}
        self._reads: dict[bytes, asyncio.Future[int]] = {}
        self._tokens = (secrets.token_bytes(8) + b"%d" % number for number in itertools.count())
        self._applied = self._raw.status().applied
        self._waiting_for_applied: list[tuple[int, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await self.stopped()

    async def stopped(self) -> None:
        """Returns when the node stops; raises what stopped it. Else it lives as long as the
        ``async with``."""
        assert self._task is not None
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    @property
    def raw(self) -> RawNode:
        """The node itself, to look at and for what this class has no method for. After a call that
        may make work, call :meth:`wake`."""
        return self._raw

    @property
    def is_leader(self) -> bool:
        """Whether this node leads, as far as it knows."""
        return self._raw.soft_state.role is Role.LEADER

    def wake(self) -> None:
        """Lets the node see whether there is work."""
        self._work_left.set()

    def receive(self, message: Message | Buffer) -> None:
        """Takes a message from a peer. Raises what ``RawNode.step`` does; a transport may log that
        and go on."""
        self._check_alive()
        self.wake()
        self._raw.step(message)

    def report_unreachable(self, id: int) -> None:
        """The transport could not deliver to a node."""
        self._raw.report_unreachable(id)

    def report_snapshot(self, id: int, delivered: bool) -> None:
        """How sending a snapshot ended."""
        self._raw.report_snapshot(id, delivered)
        self.wake()

    async def propose(self, data: Buffer) -> object:
        """Proposes an entry, and returns what ``Host.apply`` returned for it.

        Raises NotLeader, ProposalDropped, Superseded, OutcomeUnknown or NodeStopped.
        """
        self._check_leader()
        return await self._outcome(self._raw.propose(data))

    async def propose_conf_change(self, change: ConfChange) -> ConfState:
        """Proposes a change of the membership, and returns the one in force once it is applied.

        Raises as ``propose`` does, or ConfChangeRefused.
        """
        self._check_leader()
        outcome = await self._outcome(self._raw.propose_conf_change(change))
        if not isinstance(outcome, ConfState):
            raise ConfChangeRefused("the leader refused the change: another one is under way")
        return outcome

    async def read_barrier(self) -> int:
        """Returns when the state machine has applied all that was acknowledged anywhere before the
        call: reading it then is linearizable. Works on followers too. Returns the read index.

        Raises NodeStopped.
        """
        token = next(self._tokens)
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reads[token] = found
        try:
            index = await self._ask_until(found, token)
        finally:
            del self._reads[token]
        if self._applied < index:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting_for_applied.append((index, done))
            await done
        return index

    async def _ask_until(self, found: asyncio.Future[int], token: bytes) -> int:
        """Requests can be lost with messages and leaders: they are repeated."""
        while True:
            self._check_alive()
            with suppress(NoLeader):
                self._raw.read_index(token)
                self.wake()
            with suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(found), self._ask_again_seconds)

    def _check_alive(self) -> None:
        if self._stopped:
            raise NodeStopped("the node has stopped")

    def _check_leader(self) -> None:
        self._check_alive()
        state = self._raw.soft_state
        if state.role is not Role.LEADER:
            raise NotLeader(f"the leader is {state.leader or 'not known'}", state.leader)

    async def _outcome(self, place: object) -> object:
        assert isinstance(place, EntryId)  # a leader forwards nothing
        self.wake()
        outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._proposed.setdefault(place.index, {})[place.term] = outcome
        return await outcome

    async def _run(self) -> None:
        ticking = asyncio.create_task(self._tick())
        working = asyncio.create_task(self._work())
        try:
            done, _ = await asyncio.wait((ticking, working), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._stopped = True
            for task in (ticking, working):
                task.cancel()
            await asyncio.gather(ticking, working, return_exceptions=True)
            self._fail_all()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            self._raw.tick()
            self.wake()

    async def _work(self) -> None:
        while True:
            await self._work_left.wait()
            self._work_left.clear()
            while self._raw.has_ready():
                await self._do(self._raw.ready())

    async def _do(self, ready: Ready) -> None:
        """One Ready, in the only right order: what promises something is sent once it is stored."""
        self._send(m for m in ready.messages if not m.requires_persistence)
        await self._host.persist(ready)
        self._send(m for m in ready.messages if m.requires_persistence)
        if ready.snapshot is not None:
            self._host.restore(ready.snapshot)
            self._covered_by(ready.snapshot)
        for entry in ready.committed_entries:
            self._finish(entry, self._apply(entry))
        self._raw.advance(ready)
        for state in ready.read_states:
            if (read := self._reads.get(state.context)) is not None and not read.done():
                read.set_result(state.index)
        self._wake_readers()

    def _send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._host.send(message)

    def _apply(self, entry: Entry) -> object:
        if not entry.is_conf_change:
            return self._host.apply(entry)
        conf_state = self._raw.apply_conf_change(entry)
        self._host.apply_conf_change(entry, conf_state)
        return conf_state

    def _finish(self, entry: Entry, result: object) -> None:
        self._applied = entry.index
        for term, outcome in self._proposed.pop(entry.index, {}).items():
            if outcome.done():
                continue
            if term == entry.term:
                outcome.set_result(result)
            else:
                outcome.set_exception(Superseded(f"another entry was committed at {entry.index}"))

    def _covered_by(self, snapshot: Snapshot) -> None:
        self._applied = snapshot.index
        for index in [index for index in self._proposed if index <= snapshot.index]:
            text = f"a snapshot at {snapshot.index} covers entry {index}"
            fail(self._proposed.pop(index).values(), OutcomeUnknown(text))

    def _wake_readers(self) -> None:
        waiting, self._waiting_for_applied = self._waiting_for_applied, []
        for index, done in waiting:
            if index > self._applied:
                self._waiting_for_applied.append((index, done))
            elif not done.done():
                done.set_result(None)

    def _fail_all(self) -> None:
        for outcomes in self._proposed.values():
            fail(outcomes.values(), NodeStopped("the node stopped; the outcome is not known"))
        fail(self._reads.values(), NodeStopped("the node has stopped"))
        waiting = (done for _, done in self._waiting_for_applied)
        fail(waiting, NodeStopped("the node has stopped"))
        self._proposed.clear()
        self._waiting_for_applied.clear()


def fail(futures: Iterable[asyncio.Future[Any]], why: RaftError) -> None:
    """Tells all that still wait."""
    for future in futures:
        if not future.done():
            future.set_exception(why)
