# SPDX-License-Identifier: Apache-2.0
"""Those who wait on a node: for the fate of a proposal, and for a state machine to catch up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from raftcore._raftcore import EntryId
from raftcore.aio.errors import OutcomeUnknown, Superseded
from raftcore.errors import RaftError

__all__ = ["Proposals", "Readers", "fail", "hidden", "settled"]

Fail = Callable[[str], RaftError]


class Proposals:
    """Proposals by the place that they got in the log. Each gets one answer.

    Terms never fall along a log (thesis section 3.4). So an entry of term 5 that is committed at
    index 7 decides over everything older:

    - at index 7: all but this very entry are superseded;
    - above index 7: what was proposed in a term before 5 is superseded.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, dict[int, asyncio.Future[object]]] = {}
        self._term = 0

    async def wait(self, place: EntryId) -> object:
        """Waits for the answer to a proposal."""
        outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(place.index, {})[place.term] = outcome
        try:
            return await outcome
        finally:
            self._forget(place, outcome)

    def applied(self, id: EntryId, result: object, refusal: Exception | None = None) -> None:
        """Answers with what applying an entry has led to: ``refusal``, or ``result``."""
        for term, outcome in self._waiting.pop(id.index, {}).items():
            if term != id.term:
                fail([outcome], Superseded(f"another entry was committed at {id.index}"))
            elif refusal is not None:
                fail([outcome], refusal)
            elif not outcome.done():
                outcome.set_result(result)
        if id.term > self._term:
            self._supersede_above(id)

    def covered(self, snapshot: EntryId) -> None:
        """A snapshot took the place of the log: what became of proposals in it is seldom known."""
        text = f"a snapshot at {snapshot.index} covers the entry"
        for index in [index for index in self._waiting if index <= snapshot.index]:
            for term, outcome in self._waiting.pop(index).items():
                here = index == snapshot.index and term != snapshot.term
                lost = here or term > snapshot.term
                fail([outcome], Superseded(text) if lost else OutcomeUnknown(text))
        self._supersede_above(snapshot)

    def fail_all(self, why: Fail) -> None:
        """Answers everybody."""
        for outcomes in self._waiting.values():
            fail(outcomes.values(), why("the node has stopped; the outcome is not known"))
        self._waiting.clear()

    def _supersede_above(self, id: EntryId) -> None:
        self._term = id.term
        text = f"an entry of term {id.term} was committed before it, at {id.index}"
        for outcomes in self._waiting.values():
            older = [outcome for term, outcome in outcomes.items() if term < id.term]
            fail(older, Superseded(text))

    def _forget(self, place: EntryId, outcome: asyncio.Future[object]) -> None:
        outcomes = self._waiting.get(place.index, {})
        if outcomes.get(place.term) is outcome:
            del outcomes[place.term]
            if not outcomes:
                del self._waiting[place.index]


class Readers:
    """Those who wait until the state machine has applied an index."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def wait(self, index: int) -> None:
        """Waits until ``index`` is applied."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((index, done))
        await done

    def applied(self, index: int) -> None:
        """Wakes those that wait for no later index, and forgets those that gave up."""
        waiting, self._waiting = self._waiting, []
        for wanted, done in waiting:
            if done.done():
                continue
            if wanted <= index:
                done.set_result(None)
            else:
                self._waiting.append((wanted, done))

    def fail_all(self, why: Fail) -> None:
        """Answers everybody."""
        fail((done for _, done in self._waiting), why("the node has stopped"))
        self._waiting.clear()


def fail(futures: Iterable[asyncio.Future[Any]], why: Exception) -> None:
    """Answers all that still wait."""
    for future in futures:
        if not future.done():
            future.set_exception(why)


def hidden(task: asyncio.Task[Any]) -> asyncio.Task[Any]:
    """Takes a task out of ``asyncio.all_tasks``: a program that cancels all tasks, as
    ``asyncio.run`` does at its end, leaves this one alone. Whoever made it waits for it.

    A task that ignored ``cancel`` would break ``asyncio.timeout`` and ``asyncio.TaskGroup``, which
    cancel the task that they run in."""
    asyncio._unregister_task(task)  # public for those who extend asyncio, in spite of its name
    return task


async def settled(future: asyncio.Future[Any]) -> None:
    """Returns when ``future`` is done, and not before: a cancellation is raised afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
