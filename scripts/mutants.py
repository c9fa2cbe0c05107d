#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks the core on purpose, in many ways, and looks whether the simulator notices.

Each mutation in testkit/mutations.toml is applied to a copy of the tree, the simulator is built there and runs seeds,
over several independent ranges, until an invariant breaks. The table of what was noticed, by which invariant and after
how many seeds is printed, and with --write put into docs/verification.md. What seeds do not show may be
shown by one of the scenarios in testkit/testdata/scenarios. Fails if a mutation was not noticed in every range.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import tomllib
import zlib
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "testkit" / "mutations.toml"
PAGE = ROOT / "docs" / "verification.md"
BEGIN, END = "<!-- mutants begin -->", "<!-- mutants end -->"
# As released, but quick to build again.
PROFILE = ["opt-level=1", "lto=false", "codegen-units=256", "incremental=true", "debug=false", "strip=false"]
# The seeds of a range do not meet those of another, nor those that tests and campaigns use.
FIRST_SEED, RANGE_DISTANCE = 1_000_000_000, 1_000_000
# In the place of a number of seeds.
BY_SCENARIO = 0
SCENARIOS = ROOT / "testkit" / "testdata" / "scenarios"
_SCENARIO_BREACH = re.compile(
    r"(?P<file>\S+\.scenario)(?: \(\d+\))?: after \d+ events: (?P<invariant>\w+): ?(?P<detail>.*)"
)
_BREACH = re.compile(r"^seed (?P<seed>\d+): after \d+ events: (?P<invariant>\w+): ?(?P<detail>.*)")


class MutationError(Exception):
    """A mutation does not fit the tree."""


@dataclass(frozen=True)
class Edit:
    """A text that is in a file once, and what it becomes."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True)
class Mutation:
    """A way to break the core."""

    name: str
    why: str
    edits: tuple[Edit, ...]

    def apply(self, tree: Path) -> None:
        """Changes the files in `tree`; MutationError if a text is not there exactly once."""
        for edit in self.edits:
            path = tree / edit.file
            text = path.read_text()
            if (count := text.count(edit.find)) != 1:
                raise MutationError(f"{self.name}: found {count} times in {edit.file}: {edit.find!r}")
            path.write_text(text.replace(edit.find, edit.replace))


UNCHANGED = Mutation("unchanged", "", ())


@dataclass
class Verdict:
    """What became of a mutation: for each range, how many seeds it took and what broke; None if nothing did."""

    mutation: Mutation
    ranges: list[tuple[int, str, str] | None] = field(default_factory=list)
    problem: str = ""

    @property
    def is_noticed(self) -> bool:
        return not self.problem and bool(self.ranges) and all(found is not None for found in self.ranges)

    def invariants(self) -> str:
        """The invariants that broke, those that broke most often first."""
        names = Counter(found[1] for found in self.ranges if found)
        return ", ".join(name for name, _ in names.most_common())

    def row(self, limit: int) -> str:
        """The line of the table."""
        if self.is_noticed and self.ranges[-1][0] == BY_SCENARIO:
            return f"| {self.mutation.name} | {self.mutation.why} | {self.invariants()} | over {limit} | a scenario |"
        # What took too long counts as the limit.
        seeds = [found[0] if found else limit for found in self.ranges] or [limit]
        worst = str(max(seeds)) if self.is_noticed else f"over {limit}"
        caught = self.problem or self.invariants() or "**nothing**"
        return f"| {self.mutation.name} | {self.mutation.why} | {caught} | {statistics.median(seeds):.0f} | {worst} |"


def load() -> list[Mutation]:
    """All mutations in the list."""
    listed = tomllib.loads(LIST.read_text())["mutation"]
    return [
        Mutation(
            entry["name"],
            entry["why"],
            tuple(Edit(each["file"], each["find"], each["replace"]) for each in [entry, *entry.get("also", [])]),
        )
        for entry in listed
    ]


class Workshop:
    """A copy of the tree, with a build directory that all mutations share."""

    def __init__(self, directory: Path) -> None:
        self.tree = directory / "tree"
        self.binaries = directory / "bin"
        self.target = directory / "target"
        self.binaries.mkdir(parents=True, exist_ok=True)
        manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
        for part in ["Cargo.toml", "Cargo.lock", "include", *manifest["workspace"]["members"]]:
            self._copy(part)

    def _copy(self, part: str) -> None:
        """Copies what has changed, so that only this is built again."""
        source, copy = ROOT / part, self.tree / part
        ignored = shutil.ignore_patterns("target", "__pycache__", ".venv", "corpus", "artifacts", "*.so")
        files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
        for path in files:
            if ignored(str(path.parent), [*path.relative_to(ROOT).parts]):
                continue
            to = self.tree / path.relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            if not to.exists() or to.read_bytes() != path.read_bytes():
                shutil.copyfile(path, to)
        wanted = {self.tree / path.relative_to(ROOT) for path in files}
        for path in [] if copy.is_file() else list(copy.rglob("*")):
            if path.is_file() and path not in wanted:
                path.unlink()

    def build(self, mutation: Mutation) -> Path:
        """Builds the simulator with the mutation; the way to the program. CalledProcessError if it does not compile."""
        originals = {edit.file: (self.tree / edit.file).read_text() for edit in mutation.edits}
        try:
            mutation.apply(self.tree)
            settings = [f"--config=profile.release.{setting}" for setting in PROFILE]
            command = ["cargo", "build", "--quiet", "--release", "--locked", "-p", "raftcore-testkit", "--bin", "sim"]
            environment = os.environ | {"CARGO_TARGET_DIR": str(self.target), "RUSTFLAGS": "-Awarnings"}
            subprocess.run(
                [*command, *settings], cwd=self.tree, env=environment, check=True, capture_output=True, text=True
            )
            program = self.binaries / mutation.name
            shutil.copy2(self.target / "release" / "sim", program)
            return program
        finally:
            for file, text in originals.items():
                (self.tree / file).write_text(text)


def options(program: Path) -> list[str]:
    """What makes the simulator run seeds in order and only say which fail; of that, what this one knows."""
    known = subprocess.run([str(program), "--help"], capture_output=True, text=True, check=True).stdout
    wanted = {"--story": ["0"], "--jobs": ["1"], "--no-shrink": []}
    return [word for option, values in wanted.items() if option in known for word in [option, *values]]


def hunt(program: Path, first: int, seeds: int, timeout: float) -> tuple[int, str, str] | None:
    """Runs seeds until an invariant breaks; after how many, which one, and the detail. Hanging counts as breaking."""
    command = [str(program), "--seeds", f"{first}..{first + seeds}", *options(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        is_too_long = threading.Event()

        def give_up() -> None:
            is_too_long.set()
            process.kill()

        timer = threading.Timer(timeout, give_up)
        timer.start()
        try:
            for line in process.stdout:
                if found := _BREACH.match(line):
                    return int(found["seed"]) - first + 1, found["invariant"], found["detail"]
        finally:
            timer.cancel()
            process.kill()
    if is_too_long.is_set():
        raise TimeoutError(f"no end after {timeout:.0f} s")
    return None


def rehearse(program: Path, timeout: float) -> tuple[int, str, str] | None:
    """Runs the scenarios until an invariant breaks; as above."""
    command = [str(program), *options(program), "--scenario", *map(str, sorted(SCENARIOS.glob("*.scenario")))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    for line in done.stdout.splitlines():
        if found := _SCENARIO_BREACH.match(line):
            return BY_SCENARIO, found["invariant"], f"{Path(found['file']).name}: {found['detail']}"
    return None


def examine(mutation: Mutation, program: Path, arguments: argparse.Namespace, ranges: int) -> Verdict:
    """Looks for the mutation in so many ranges; gives up with the first in which nothing breaks."""
    verdict = Verdict(mutation)
    try:
        for number in range(ranges):
            first = FIRST_SEED + number * RANGE_DISTANCE
            verdict.ranges.append(hunt(program, first, arguments.seeds, arguments.timeout))
            if verdict.ranges[-1] is None:
                # Then one of the scenarios that every build runs has to show it.
                verdict.ranges = [rehearse(program, arguments.timeout)]
                break
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        verdict.problem = str(error)
    finally:
        program.unlink(missing_ok=True)
    return verdict


class Record:
    """The verdicts so far in a file, so that a campaign that was interrupted can go on."""

    def __init__(self, path: Path, arguments: argparse.Namespace) -> None:
        self.path = path
        self._campaign = f"{arguments.seeds} seeds, {arguments.ranges} ranges"
        is_there = arguments.resume and path.exists()
        self._known: dict[str, list[list[int | str] | None]] = json.loads(path.read_text()) if is_there else {}
        self._lock = threading.Lock()

    def _key(self, mutation: Mutation) -> str:
        # Another text or another campaign is another verdict.
        return f"{mutation.name} {zlib.crc32(repr((mutation.edits, self._campaign)).encode()):08x}"

    def find(self, mutation: Mutation) -> Verdict | None:
        """What was found out about the mutation before."""
        ranges = self._known.get(self._key(mutation))
        if ranges is None:
            return None
        return Verdict(mutation, [(int(r[0]), str(r[1]), str(r[2])) if r else None for r in ranges])

    def keep(self, verdict: Verdict) -> None:
        """Saves a verdict, unless something went wrong: that is to be tried again."""
        if verdict.problem:
            return
        with self._lock:
            self._known[self._key(verdict.mutation)] = [list(found) if found else None for found in verdict.ranges]
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(self._known, indent=1))
            new.replace(self.path)


def run(mutations: list[Mutation], arguments: argparse.Namespace) -> list[Verdict]:
    """Builds one after the other, and meanwhile looks for those that are built."""
    workshop = Workshop(arguments.directory)
    start = time.monotonic()
    sound = examine(UNCHANGED, workshop.build(UNCHANGED), arguments, ranges=1)
    if sound.ranges != [None]:
        raise MutationError(f"the tree as it is fails: {sound.problem or sound.ranges}")
    print(f"nothing is noticed in {arguments.seeds} seeds of the tree as it is", flush=True)
    record = Record(arguments.directory / "verdicts.json", arguments)
    verdicts: list[Future[Verdict]] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for number, mutation in enumerate(mutations, 1):
            if known := record.find(mutation):
                verdicts.append(finished(known))
                continue
            try:
                program = workshop.build(mutation)
            except (MutationError, subprocess.CalledProcessError) as error:
                print(getattr(error, "stderr", "") or str(error), file=sys.stderr)
                verdicts.append(finished(Verdict(mutation, problem="does not build")))
                continue
            future = pool.submit(examine, mutation, program, arguments, arguments.ranges)
            future.add_done_callback(lambda done, number=number: report(done.result(), number, len(mutations), start))
            future.add_done_callback(lambda done: record.keep(done.result()))
            verdicts.append(future)
    return [future.result() for future in verdicts]


def finished(verdict: Verdict) -> Future[Verdict]:
    """A verdict for which nothing has to be done."""
    future: Future[Verdict] = Future()
    future.set_result(verdict)
    return future


def report(verdict: Verdict, number: int, count: int, start: float) -> None:
    """A line of progress."""
    seeds = [found[0] for found in verdict.ranges if found]
    outcome = verdict.problem or (f"{verdict.invariants()} after {seeds}" if verdict.is_noticed else "NOT NOTICED")
    if not verdict.is_noticed and seeds:
        outcome += f" (else {verdict.invariants()} after {seeds})"
    detail = next((found[2][:70] for found in verdict.ranges if found), "")
    minutes = (time.monotonic() - start) / 60
    print(f"[{number}/{count}, {minutes:.1f} min] {verdict.mutation.name}: {outcome}: {detail}", flush=True)


def table(verdicts: list[Verdict], limit: int, ranges: int) -> str:
    """The table in Markdown."""
    rows = [verdict.row(limit) for verdict in verdicts]
    noticed = sum(verdict.is_noticed for verdict in verdicts)
    machine = f"{os.cpu_count()}-core {platform.machine()} {platform.system()}"
    return "\n".join(
        [
            f"{noticed} of {len(verdicts)} noticed; seeds counted over {ranges} independent ranges of at most "
            f"{limit} seeds ({machine}, {date.today().isoformat()}).",
            "",
            "| mutation | what it breaks | noticed by | seeds, median | worst |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def write(text: str) -> None:
    """Puts the table between its marks in the page."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", action="append", help="only this mutation; may be repeated")
    parser.add_argument("--seeds", type=int, default=2000, help="most seeds of a range [%(default)s]")
    parser.add_argument("--ranges", type=int, default=5, help="independent ranges of seeds [%(default)s]")
    parser.add_argument("--timeout", type=float, default=300, help="most seconds for a range [%(default)s]")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="mutations to look for at a time [%(default)s]"
    )
    parser.add_argument(
        "--directory", type=Path, default=ROOT / "build" / "mutants", help="where to build [%(default)s]"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a campaign that was interrupted")
    parser.add_argument("--list", action="store_true", help="list the mutations and end")
    parser.add_argument("--check", action="store_true", help="only see whether all mutations fit the tree")
    parser.add_argument("--write", action="store_true", help="put the table into docs/verification.md")
    return parser.parse_args()


def misfits(mutations: list[Mutation]) -> list[str]:
    """What does not fit the tree."""
    texts: dict[str, str] = {}
    found = []
    for mutation in mutations:
        for edit in mutation.edits:
            if edit.file not in texts:
                texts[edit.file] = (ROOT / edit.file).read_text()
            if (count := texts[edit.file].count(edit.find)) != 1:
                found.append(f"{mutation.name}: found {count} times in {edit.file}: {edit.find!r}")
    return found


def main() -> int:
    arguments = parse()
    mutations = load()
    if arguments.only:
        if unknown := set(arguments.only) - {mutation.name for mutation in mutations}:
            print(f"no such mutation: {', '.join(sorted(unknown))}", file=sys.stderr)
            return 2
        mutations = [mutation for mutation in mutations if mutation.name in arguments.only]
    if arguments.list:
        for mutation in mutations:
            print(f"{mutation.name}: {mutation.why}")
        return 0
    if found := misfits(mutations):
        print("\n".join(found), file=sys.stderr)
        return 1
    if arguments.check:
        print(f"{len(mutations)} mutations fit the tree")
        return 0
    try:
        verdicts = run(mutations, arguments)
    except MutationError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return 1
    text = table(verdicts, arguments.seeds, arguments.ranges)
    print(f"\n{text}")
    if arguments.write:
        write(text)
    return 0 if all(verdict.is_noticed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
