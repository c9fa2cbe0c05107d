#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs make targets one after the other, adds up what their test runners report, and ends with `N passed, N failed`.

A package of Go tests counts as one, and so does a target whose output names no tests, by its exit status. A failed
target does not stop the others.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass

_CARGO = re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed;")
_CTEST = re.compile(r"^\d+% tests passed, (?P<failed>\d+) tests? failed out of (?P<all>\d+)")
_PYTEST = re.compile(r"^(?:=+ )?(?P<counts>\d+ (?:passed|failed|errors?|skipped)[^()]*) in \d+\.\d+s")
_PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|error)")
_GO = re.compile(r"^(?P<outcome>ok|FAIL)\s+\S+\s+\d+\.\d+s$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Counts:
    """How many tests passed and failed."""

    passed: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed"


def count(line: str) -> Counts:
    """What a line of output reports, if it is the closing line of a test runner that is known here."""
    line = _COLOUR.sub("", line).strip()
    if found := _CARGO.match(line):
        return Counts(int(found["passed"]), int(found["failed"]))
    if found := _CTEST.match(line):
        return Counts(int(found["all"]) - int(found["failed"]), int(found["failed"]))
    if found := _GO.match(line):
        return Counts(passed=1) if found["outcome"] == "ok" else Counts(failed=1)
    counts = Counts()
    if found := _PYTEST.match(line):
        for number, outcome in _PYTEST_COUNT.findall(found["counts"]):
            if outcome == "passed":
                counts.passed += int(number)
            else:
                counts.failed += int(number)
    return counts


def run(target: str) -> Counts:
    """Runs `make target`, passing its output through."""
    print(f"\n== make {target} ==", flush=True)
    counts = Counts()
    with subprocess.Popen(["make", target], stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            counts += count(line)
    if counts == Counts():
        counts = Counts(passed=1) if process.returncode == 0 else Counts(failed=1)
    elif process.returncode != 0 and counts.failed == 0:
        counts.failed = 1
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="+", help="targets of the Makefile")
    total = Counts()
    summary = []
    for target in parser.parse_args().targets:
        began = time.monotonic()
        counts = run(target)
        total += counts
        summary.append(f"{target:<16} {time.monotonic() - began:5.0f} s   {counts}")
    print("\n" + "\n".join(summary))
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
