# SPDX-License-Identifier: Apache-2.0
"""Is a history of concurrent reads and writes of one key linearizable?

A history is linearizable when every operation can be given one moment between its invocation and its return, such that
a single register that executes them at those moments gives every read the value it returned. A lost acknowledged write
and a stale read are both violations of it, and nothing weaker finds them all.

The search is Wing and Gong's, breadth first along time (Lowe, "Testing for linearizability", 2017): the checker walks
through the invocations and returns in order and keeps every *configuration* that is still possible, which is the
register's value and the set of open operations that have already taken effect. A return keeps only the configurations
in which its operation has taken effect; when none is left, the history is not linearizable. Memory follows the number
of operations that are open at once, not the length of the history.

An operation whose outcome is unknown (timeout, broken connection) has `returned=None`: it may take effect at any moment
after its invocation, or never. Values must be unique per key, so that a read names the write it saw.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

READ = "read"
WRITE = "write"

_MAX_CONFIGURATIONS = 200_000


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one client. Times are of one monotonic clock, in any unit.

    `value` is what a write wrote or what a read returned (None: the key did not exist).
    `returned` is None when the outcome is unknown.
    """

    kind: str
    value: Hashable
    invoked: int
    returned: int | None
    client: str = ""

    def __str__(self) -> str:
        until = "unknown" if self.returned is None else str(self.returned)
        return f"{self.kind} {self.value!r} by {self.client or 'a client'} [{self.invoked} .. {until}]"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of `check_register`. Where `linearizable` is false, `reason` says what could not be explained."""

    linearizable: bool
    reason: str = ""
    configurations: int = 0

    def __bool__(self) -> bool:
        return self.linearizable


class TooConcurrent(Exception):
    """The history has so many operations open at once that the search was given up: neither a yes nor a no."""


def check_register(history: Iterable[Operation], initial: Hashable = None) -> Verdict:
    """Checks the operations of one key against a single register that starts with `initial`.

    Raises ValueError if two writes wrote the same value, TooConcurrent if the search grows out of bounds.
    """
    operations = _relevant(list(history))
    search = _Search(operations, initial)
    for _, is_return, number in _events(operations):
        if not is_return:
            search.invoke(number)
        elif not search.complete(number):
            return Verdict(False, search.explain(number), search.largest)
    return Verdict(True, configurations=search.largest)


def _relevant(history: list[Operation]) -> list[Operation]:
    """Drops what constrains nothing: reads without an answer, and unknown writes that no read ever saw."""
    seen = {operation.value for operation in history if operation.kind == READ and operation.returned is not None}
    written: set[Hashable] = set()
    kept = []
    for operation in history:
        if operation.kind == WRITE:
            if operation.value in written:
                raise ValueError(f"two writes of the same value: {operation.value!r}")
            written.add(operation.value)
            if operation.returned is None and operation.value not in seen:
                continue
        elif operation.kind != READ:
            raise ValueError(f"unknown kind of operation: {operation.kind!r}")
        elif operation.returned is None:
            continue
        kept.append(operation)
    return kept


def _events(operations: list[Operation]) -> list[tuple[int, bool, int]]:
    """(time, is_return, number) in order. At the same instant invocations come first: the operations then overlap."""
    events = [(operation.invoked, False, number) for number, operation in enumerate(operations)]
    events += [
        (operation.returned, True, number)
        for number, operation in enumerate(operations)
        if operation.returned is not None
    ]
    return sorted(events)


class _Search:
    """The configurations that are possible at one moment: (value, numbers of open operations that took effect)."""

    def __init__(self, operations: list[Operation], initial: Hashable) -> None:
        self.operations = operations
        self.open: set[int] = set()
        self.settled: set[int] = set()
        self.possible: set[tuple[Hashable, frozenset[int]]] = {(initial, frozenset())}
        self.before = self.possible
        self.largest = 1

    def invoke(self, number: int) -> None:
        self.open.add(number)

    def complete(self, number: int) -> bool:
        """The operation returned: it must have taken effect by now. False if that is impossible."""
        if number in self.settled:
            self.settled.discard(number)
            return True
        self.before = self.possible
        self.possible = self._with_effect(number)
        if not self.possible:
            return False
        self._settle()
        self.settled.discard(number)
        return True

    def explain(self, number: int) -> str:
        values = sorted({repr(value) for value, _ in self.before})
        shown = ", ".join(values[:8]) + (", ..." if len(values) > 8 else "")
        pending = [str(self.operations[other]) for other in sorted(self.open) if other != number]
        concurrent = "; ".join(pending[:8]) or "none"
        return f"impossible: {self.operations[number]}. The register could hold {shown}. Concurrent: {concurrent}."

    def _with_effect(self, number: int) -> set[tuple[Hashable, frozenset[int]]]:
        """Every configuration in which `number` took effect, reached by open operations taking effect one by one."""
        done = set()
        visited = set(self.possible)
        queue = list(self.possible)
        while queue:
            value, taken = queue.pop()
            if number in taken:
                done.add((value, taken))
                continue
            for other in self.open - taken:
                operation = self.operations[other]
                if operation.kind == READ:
                    if operation.value != value:
                        continue
                    after = (value, taken | {other})
                else:
                    after = (operation.value, taken | {other})
                if after not in visited:
                    visited.add(after)
                    queue.append(after)
            if len(visited) > _MAX_CONFIGURATIONS:
                raise TooConcurrent(f"{len(self.open)} operations are open at once")
        self.largest = max(self.largest, len(visited))
        return done

    def _settle(self) -> None:
        """Forgets the operations that took effect in every configuration: they cannot tell two of them apart."""
        settled = frozenset.intersection(*(taken for _, taken in self.possible))
        if settled:
            self.open -= settled
            self.settled |= settled
            self.possible = {(value, taken - settled) for value, taken in self.possible}
