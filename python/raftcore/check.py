# SPDX-License-Identifier: Apache-2.0
"""The contract of :class:`raftcore.Storage` as a suite that a host runs against its own storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from raftcore import _raftcore
from raftcore._raftcore import Entry, HardState, Snapshot
from raftcore.storage import Storage

__all__ = ["CheckedStorage", "StorageFinding", "StorageWrite", "storage_check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageWrite:
    """What is to be stored in one batch: the attributes of a ``Ready`` that concern the storage."""

    snapshot: Snapshot | None = None
    """Replaces the whole log, and the membership."""
    entries: tuple[Entry, ...] = ()
    """Replace what is stored at their indexes and after."""
    hard_state: HardState | None = None
    """Replaces the hard state."""
    must_sync: bool = False
    """Whether all of it must be durable when the call returns."""


class CheckedStorage(Storage, Protocol):
    """A storage with what the suite needs to try it.

    Three more methods are used if they are there:

    - ``reopen(crashed)`` closes the storage and opens it again. ``crashed``: the machine lost its
      power, and what was not synced may be gone, the latest writes first. It returns the storage
      that goes on, or None where there is no such way.
    - ``set_failing(failing)``: from now on, until called with False, nothing can be read or
      written.

    - ``open_twice()`` opens what this storage has open a second time, and returns what it gets. It
      should raise: two writers would destroy what both hold.

    A storage that has ``create_snapshot(index, conf_state, data)`` is asked for a snapshot before
    it is asked to compact.
    """

    def persist(self, ready: StorageWrite, /) -> object:
        """Stores all of it in one batch, as it does for a ``Ready``."""

    def compact(self, index: int, /) -> object:
        """Forgets the log up to and including ``index``, which is committed, and counts as
        applied."""


@dataclass(frozen=True, slots=True)
class StorageFinding:
    """What was found of one rule."""

    rule: str
    """The rule's name."""
    demand: str
    """What it demands, in a sentence."""
    outcome: Literal["kept", "broken", "not_checked"]
    """What was seen."""
    expected: str
    """If broken: what was expected, where it was first not met."""
    got: str
    """If broken: what came. If not checked: why not."""

    def __str__(self) -> str:
        if self.outcome != "broken":
            return f"{self.outcome:11}  {self.rule}" + (f": {self.got}" if self.got else "")
        head = f"BROKEN       {self.rule}: {self.demand}"
        return f"{head}\n  expected {self.expected}\n  got      {self.got}"


def storage_check(make: Callable[[], CheckedStorage]) -> list[StorageFinding]:
    """Tries storages against the contract, before a node relies on them.

    ``make`` is called for each rule, and returns a storage in which nothing was ever stored: an
    empty one or, where there is no such thing, that of a group's first member.

    The answer has one finding a rule, the basic rules first. Start with the first broken one: later
    rules build on it. Raises what ``make`` raises the first time, and ``TypeError`` if a method is
    missing.
    """
    rows = _raftcore.check_storage(make, StorageWrite)
    return [
        StorageFinding(rule, demand, outcome, expected, got)  # type: ignore[arg-type]
        for rule, demand, outcome, expected, got in rows
    ]
