# SPDX-License-Identifier: Apache-2.0
"""The node."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from raftcore._process import Origin
from raftcore._raftcore import ConfState, Entry, EntryId, Message, RawNode, Ready
from raftcore._typing import Buffer
from raftcore.aio.clock import TickClock
from raftcore.aio.errors import ConfChangeRefused, NodeStopped, NotLeader, Rejected
from raftcore.aio.host import Host
from raftcore.aio.waiting import Proposals, Readers, fail, hidden, settled
from raftcore.config import Config
from raftcore.enums import Role
from raftcore.errors import (
    CommitBeyondLog,
    CommittedConflict,
    ConfChangeError,
    ConfigError,
    DecodeError,
    LimitReached,
    NoLeader,
    RaftError,
    StorageInUse,
)
from raftcore.membership import ConfChange
from raftcore.storage import Storage

__all__ = ["Node"]

_alive: WeakValueDictionary[int, Node] = WeakValueDictionary()
"""The nodes that are alive, by the identity of their storages."""


class Node:
    """A node of a group, alive within ``async with``, once.

    It ticks by deadlines on the loop's clock. Ticks that a busy loop has missed are counted before
    the node takes a message or a read: a leader whose loop was blocked does not read by a lease
    (``ReadMode.LEASE_BASED``) that has ended. Leases still need clocks that run at about the same
    pace, the same ``election_ticks`` and ``tick_seconds`` on all members, and a loop's clock that
    does not stand still while the machine sleeps.

    Proposals and reads wait as long as it takes: bound them with ``asyncio.timeout``. A cancelled
    proposal may take effect all the same.

    Leaving, also by cancellation, waits for a ``Host.persist`` that runs: no write lands later.

    Raises ConfigError for ``async_storage_writes``, which needs a loop of the program's own around
    RawNode, and what RawNode raises.
    """

    def __init__(
        self, config: Config, storage: Storage, host: Host, *, tick_seconds: float = 0.1
    ) -> None:
        if config.async_storage_writes:
            text = "async_storage_writes: aio.Node writes synchronously; use RawNode for it"
            raise ConfigError(text, "async_storage_writes")
        if not tick_seconds > 0:
            raise ConfigError(f"tick_seconds: {tick_seconds} is not above 0", "tick_seconds")
        self._raw = RawNode(config, storage)
        self._storage = storage
        self._host = host
        self._clock = TickClock(tick_seconds, min(2 * config.election_ticks, 1 << 20))
        self._ask_again_seconds = tick_seconds * config.election_ticks
        self._work_left = asyncio.Event()
        self._proposals = Proposals()
        self._readers = Readers()
        self._reads: dict[bytes, asyncio.Future[int]] = {}
        self._tokens = (secrets.token_bytes(8) + b"%d" % number for number in itertools.count())
        self._applied = self._raw.status().applied
        self._task: asyncio.Task[None] | None = None
        self._leaving = False
        self._stopped = False
        self._failure: BaseException | None = None
        self._origin = Origin()

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RaftError("a node is entered once: make another one from the storage")
        self._origin.check()
        other = _alive.get(id(self._storage))
        if other is not None and not other._own_task().get_loop().is_closed():
            raise StorageInUse("another node that is alive has this storage")
        _alive[id(self._storage)] = self
        self._clock.start()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task = self._own_task()
        self._leave()
        await settled(task)
        interrupted = self._failure is not None and not isinstance(self._failure, Exception)
        if not (interrupted and isinstance(error, asyncio.CancelledError)):
            await self.stopped()

    async def stopped(self) -> None:
        """Returns when the node stops; raises what stopped it. Else it lives as long as the
        ``async with``."""
        task = self._own_task()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    @property
    def raw(self) -> RawNode:
        """The node itself, to look at and for what this class has no method for. Call
        :meth:`catch_up` before one that reads, and :meth:`wake` after one that may make work."""
        return self._raw

    @property
    def is_leader(self) -> bool:
        """Whether this node leads, as far as it knows."""
        return self._raw.soft_state.role is Role.LEADER

    def wake(self) -> None:
        """Lets the node see whether there is work."""
        self._work_left.set()

    def catch_up(self) -> None:
        """Counts the ticks that are due. The node does so by itself, at each tick and before it
        takes a message or a read. Raises NodeStopped."""
        self._check_alive()
        if count := self._clock.due():
            self.wake()
            try:
                self._raw.tick(count)
            except Exception as error:
                self._fail(error)
                self._check_alive()

    def receive(self, message: Message | Buffer) -> None:
        """Takes a message from a peer. Raises NodeStopped and what ``RawNode.step`` does; a
        transport may log that and go on. CommitBeyondLog and CommittedConflict stop the node: its
        storage, or another member's, lost what was promised."""
        self.catch_up()
        self.wake()
        try:
            self._raw.step(message)
        except (CommitBeyondLog, CommittedConflict) as error:
            self._fail(error)
            raise

    def report_unreachable(self, id: int) -> None:
        """The transport could not deliver to a node. Call it for every loss, as soon as it is
        known: what may be lost is sent again at once."""
        self._raw.report_unreachable(id)
        self.wake()

    def report_snapshot(self, id: int, delivered: bool) -> None:
        """How sending a snapshot ended."""
        self._raw.report_snapshot(id, delivered)
        self.wake()

    async def propose(self, data: Buffer) -> object:
        """Proposes an entry, and returns what ``Host.apply`` returned for it.

        Raises NotLeader, ProposalDropped, Rejected, Superseded, OutcomeUnknown or NodeStopped.
        """
        self._check_leader()
        return await self._outcome(self._raw.propose(data))

    async def propose_conf_change(self, change: ConfChange) -> ConfState:
        """Proposes a change of the membership, and returns the one in force once it is applied.

        Raises as ``propose`` does; ConfChangeError if the leader sees at once that the change is
        impossible, and ConfChangeRefused if that shows when it is committed.
        """
        self._check_leader()
        outcome = await self._outcome(self._raw.propose_conf_change(change))
        if not isinstance(outcome, ConfState):
            raise ConfChangeRefused("the leader refused the change: another one is under way")
        return outcome

    async def read_barrier(self) -> int:
        """Returns when the state machine has applied all that was acknowledged anywhere before the
        call: reading it then is linearizable. Works on followers too. Returns the read index.
        Waits for a place while too many reads are pending (``Config.max_pending_reads``).

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
            self._check_alive()
            await self._readers.wait(index)
        return index

    async def _ask_until(self, found: asyncio.Future[int], token: bytes) -> int:
        """Requests can be lost with messages and leaders: they are repeated."""
        while True:
            self.catch_up()
            with suppress(NoLeader, LimitReached):
                self._raw.read_index(token)
                self.wake()
            with suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(found), self._ask_again_seconds)

    async def _outcome(self, place: object) -> object:
        assert isinstance(place, EntryId)  # a leader forwards nothing
        self.wake()
        return await self._proposals.wait(place)

    # ---- Its life --------------------------------------------------------------------------------

    def _own_task(self) -> asyncio.Task[None]:
        self._origin.check()
        if self._task is None:
            raise RaftError("the node was not entered: use it within `async with`")
        return self._task

    def _check_alive(self) -> None:
        self._origin.check()
        if self._stopped or self._failure is not None:
            raise self._stopped_error("the node has stopped")

    def _check_leader(self) -> None:
        self._check_alive()
        state = self._raw.soft_state
        if state.role is not Role.LEADER:
            raise NotLeader(f"the leader is {state.leader or 'not known'}", state.leader)

    def _stopped_error(self, text: str) -> NodeStopped:
        error = NodeStopped(text)
        error.__cause__ = self._failure
        return error

    def _leave(self) -> None:
        """Nothing is begun any more."""
        self._leaving = True
        self.wake()

    def _fail(self, why: BaseException) -> None:
        self._failure = self._failure or why
        self._leave()

    async def _run(self) -> None:
        ticking = asyncio.create_task(self._tick())
        working = hidden(asyncio.create_task(self._work()))
        try:
            await asyncio.wait((ticking, working), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not self._leaving:
                self._fail(RaftError("the node's task was cancelled, and not by leaving it"))
            raise
        finally:
            was_left = self._leaving
            self._leave()
            ticking.cancel()
            try:
                await settled(asyncio.gather(ticking, working, return_exceptions=True))
            finally:
                for task in (working, ticking):
                    if not task.cancelled() and (error := task.exception()) is not None:
                        self._fail(error)
                if working.cancelled() and not was_left:
                    self._fail(RaftError("the node's work was cancelled, and not by leaving it"))
                self._end()
        match self._failure:
            case None:
                pass
            case Exception():
                raise self._failure
            case _:  # an interrupt, which has ended the loop already
                raise self._stopped_error("an interrupt stopped the node")

    async def _tick(self) -> None:
        while not self._leaving:
            await asyncio.sleep(self._clock.wait_seconds())
            with suppress(NodeStopped):
                self.catch_up()

    async def _work(self) -> None:
        """Does what there is to do. Nobody cancels it, because a write may run: it ends where
        nothing is half done."""
        while not self._leaving:
            await self._work_left.wait()
            self._work_left.clear()
            while not self._leaving and self._raw.has_ready():
                await self._do(self._raw.ready())

    def _end(self) -> None:
        self._stopped = True
        _alive.pop(id(self._storage), None)
        self._proposals.fail_all(self._stopped_error)
        self._readers.fail_all(self._stopped_error)
        fail(self._reads.values(), self._stopped_error("the node has stopped"))

    # ---- Its work --------------------------------------------------------------------------------

    async def _do(self, ready: Ready) -> None:
        """One Ready, in the only right order: what promises something is sent once it is stored."""
        self._send(m for m in ready.messages if not m.requires_persistence)
        await self._host.persist(ready)
        if self._leaving:
            return
        self._send(m for m in ready.messages if m.requires_persistence)
        if ready.snapshot is not None:
            self._host.restore(ready.snapshot)
            self._applied = ready.snapshot.index
            self._proposals.covered(ready.snapshot.id)
        for entry in ready.committed_entries:
            self._apply(entry)
        self._raw.advance(ready)
        for state in ready.read_states:
            if (read := self._reads.get(state.context)) is not None and not read.done():
                read.set_result(state.index)
        self._readers.applied(self._applied)

    def _send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._host.send(message)

    def _apply(self, entry: Entry) -> None:
        apply = self._apply_conf_change if entry.is_conf_change else self._apply_own
        result, refusal = apply(entry)
        self._applied = entry.index
        self._proposals.applied(entry.id, result, refusal)

    def _apply_own(self, entry: Entry) -> tuple[object, Exception | None]:
        try:
            return self._host.apply(entry), None
        except Rejected as refusal:
            return None, refusal
        except Exception as error:
            error.add_note(
                f"Host.apply raised this for entry {entry.index} of term {entry.term}, and the node"
                " stops; for an entry that every node refuses, raise raftcore.aio.Rejected"
            )
            raise

    def _apply_conf_change(self, entry: Entry) -> tuple[object, Exception | None]:
        """An impossible change changes nothing, here as on every other node."""
        refusal = None
        try:
            conf_state = self._raw.apply_conf_change(entry)
        except (ConfChangeError, DecodeError) as error:
            refusal = ConfChangeRefused(f"the change is impossible: {error}")
            refusal.__cause__ = error
            conf_state = self._raw.status().conf_state
        self._host.apply_conf_change(entry, conf_state)
        return conf_state, refusal
