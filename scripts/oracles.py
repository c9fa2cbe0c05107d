# SPDX-License-Identifier: Apache-2.0
"""Cheap checks that hold for histories of any length, beside the full search of linearizability.py.

Each function returns the violations it found, as sentences; an empty list means that the history is sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Increment:
    """One INCR: `value` is the reply. `value` and `returned` are None when the outcome is unknown."""

    invoked: int
    returned: int | None
    value: int | None


def check_counter(increments: Iterable[Increment], final: int) -> list[str]:
    """A counter from 0: replies are unique, never go back in time, and the end accounts for every increment once."""
    increments = list(increments)
    known = [increment for increment in increments if increment.value is not None]
    unknown = len(increments) - len(known)
    violations = _repeated(known) + _back_in_time(known)
    if not len(known) <= final <= len(known) + unknown:
        violations.append(
            f"the counter ends at {final} after {len(known)} acknowledged and {unknown} unknown increments"
        )
    highest = max((increment.value or 0 for increment in known), default=0)
    if highest > final:
        violations.append(f"an increment returned {highest}, but the counter ends at {final}")
    return violations


def _repeated(known: list[Increment]) -> list[str]:
    seen: set[int | None] = set()
    violations = []
    for increment in known:
        if increment.value in seen:
            violations.append(f"two increments returned {increment.value}")
        seen.add(increment.value)
    return violations


def _back_in_time(known: list[Increment]) -> list[str]:
    """Walks along time: an increment must return more than all that had returned when it was invoked."""
    events = [(increment.invoked, 0, increment) for increment in known]
    events += [(increment.returned, 1, increment) for increment in known if increment.returned is not None]
    floor = 0
    floor_at_invocation: dict[int, int] = {}
    violations = []
    for _, is_return, increment in sorted(events, key=lambda event: event[:2]):
        value = increment.value or 0
        if not is_return:
            floor_at_invocation[id(increment)] = floor
            continue
        before = floor_at_invocation[id(increment)]
        if value <= before:
            violations.append(f"an increment returned {value} although {before} had been returned before it began")
        floor = max(floor, value)
    return violations


def check_set(acknowledged: Iterable[str], present: Mapping[str, bytes | None]) -> list[str]:
    """Keys that were each written once with their own name as the value: every acknowledged one is there."""
    violations = []
    for key in acknowledged:
        value = present.get(key)
        if value is None:
            violations.append(f"the acknowledged key {key} is lost")
        elif value.decode() != key:
            violations.append(f"the key {key} holds {value!r}")
    return violations
