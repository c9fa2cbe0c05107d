#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures raftcore beside its peers, prints one table with the targets, and writes it into docs/benchmarks.md.

All implementations of a row run in turns, several rounds; the table has the medians. The programs must be built:
`make bench` does that.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import readme_figures

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table: begin (make bench) -->", "<!-- table: end -->"
NAMES = {
    "core": "raftcore",
    "core-copying": "raftcore, lent payloads",
    "ffi": "raftcore from C",
    "raft-rs": "raft-rs 0.7",
    "raft-rs-merged": "raft-rs, `batch_append`",
    "raft-rs-prost": "raft-rs, prost codec",
    "etcd": "etcd/raft v3.7",
    "limit": "limit",
}

# What may be absent: the variable that names its program, where `make bench` puts it, and why it may be absent.
OPTIONAL = {
    "etcd": ("RAFTCORE_BENCH_GO", "build/bench-etcd", "Go is not installed here"),
    "raft-rs-prost": (
        "RAFTCORE_BENCH_PROST",
        "build/bench-raft-rs-prost",
        "protoc is not installed here (Debian: protobuf-compiler)",
    ),
}

Result = dict[str, object]


@dataclass(frozen=True)
class Row:
    """Replication with some settings, by some implementations."""

    nodes: int
    batch: int
    encode: bool
    impls: tuple[str, ...]

    def title(self) -> str:
        return f"{self.nodes} nodes, batch {self.batch}{', encoded' if self.encode else ''}"


_MEMORY = ("core", "raft-rs", "raft-rs-merged", "raft-rs-prost", "etcd", "limit")
_ENCODED = ("core", "core-copying", "ffi", "raft-rs", "raft-rs-merged", "raft-rs-prost", "etcd")
ROWS = (
    *(Row(3, batch, False, _MEMORY) for batch in (1, 16, 64, 256)),
    Row(5, 64, False, _MEMORY),
    Row(3, 1, True, _ENCODED),
    Row(3, 64, True, _ENCODED),
)


# A shorter run prints its figures without a verdict.
LEAST_ROUNDS, LEAST_PROPOSALS = 3, 100_000


@dataclass(frozen=True)
class Target:
    """A figure that has to be reached."""

    what: str
    wanted: float
    at_least: bool
    figure: Callable[[Figures], float]
    unit: str = ""
    # What measures it: arguments of `raftcore-bench`.
    command: str = ""
    # Another figure to see beside it, and what it is.
    beside: tuple[str, Callable[[Figures], float]] | None = None
    # What may be absent and is needed.
    requires: str = "core"

    def line(self, figures: Figures, verdicts: bool = True) -> str:
        """The target as a line of a table; without `verdicts` it does not say whether the target is met."""
        if not figures.have(self.requires):
            return f"| {self.what} | | not measured: {OPTIONAL[self.requires][2]} | | `{self.command}` |"
        value = self.figure(figures)
        met = value >= self.wanted if self.at_least else value <= self.wanted
        sign = "≥" if self.at_least else "≤"
        wanted, measured = f"{sign} {self.wanted:g}{self.unit}", f"{value:.3g}{self.unit}"
        if self.beside is not None:
            what, figure = self.beside
            measured += f" ({what}: {figure(figures):.3g}{self.unit})"
        verdict = ("yes" if met else "**no**") if verdicts else "too short to tell"
        return f"| {self.what} | {wanted} | {measured} | {verdict} | `{self.command}` |"


class Figures:
    """All that was measured."""

    def __init__(self) -> None:
        self.rows: dict[Row, dict[str, Result]] = {}
        self.others: dict[str, list[Result]] = {}

    def have(self, impl: str) -> bool:
        return any(impl in results for results in self.rows.values())

    def of(self, nodes: int, batch: int, encode: bool, impl: str, field: str = "proposals_per_second") -> float:
        for row, results in self.rows.items():
            if (row.nodes, row.batch, row.encode) == (nodes, batch, encode):
                return float(results[impl][field])  # type: ignore[arg-type]
        raise KeyError((nodes, batch, encode))

    def ratio(self, nodes: int, batch: int, encode: bool, impl: str = "core", to: str = "raft-rs") -> float:
        return self.of(nodes, batch, encode, impl) / self.of(nodes, batch, encode, to)

    def other(self, command: str, field: str, impl: str = "core", case: str | None = None) -> float:
        for result in self.others[command]:
            if result["impl"] == impl and (case is None or result["case"] == case):
                return float(result[field])  # type: ignore[arg-type]
        raise KeyError((command, field, impl))

    def snapshot_share(self, impl: str) -> float:
        return self.other("snapshot", "allocated_bytes", impl) / self.other("snapshot", "snapshot_bytes", impl)


PEERS = "replicate --impl core,raft-rs,raft-rs-prost"
C = "replicate --impl core,core-copying,ffi --encode"


def against(nodes: int, batch: int, encode: bool, impl: str, peer: str) -> Callable[[Figures], float]:
    return lambda figures: figures.ratio(nodes, batch, encode, impl, peer)


def peer_target(what: str, wanted: float, row: tuple[int, int, bool], arguments: str = "") -> Target:
    """Against raft-rs with the codec that the target was set for; for comparison, with its faster one."""
    return Target(
        what,
        wanted,
        True,
        against(*row, "core", "raft-rs-prost"),
        " x",
        f"{PEERS}{arguments}",
        ("with its protobuf codec", against(*row, "core", "raft-rs")),
        requires="raft-rs-prost",
    )


def c_target(batch: int, wanted: float, arguments: str = "") -> Target:
    """Against Rust doing the same, which is to propose what is only lent; for comparison, what is shared."""
    return Target(
        f"C against Rust, encoded, payloads lent, batch {batch}",
        wanted,
        True,
        against(3, batch, True, "ffi", "core-copying"),
        " x",
        f"{C}{arguments}",
        ("against payloads that Rust shares", against(3, batch, True, "ffi", "core")),
    )


TARGETS = (
    peer_target("proposals/s against raft-rs, prost codec, 3 nodes, batch 1", 5, (3, 1, False), " --batch 1"),
    peer_target("the same, batch 64", 20, (3, 64, False)),
    peer_target("the same, 5 nodes, batch 64", 20, (5, 64, False), " --nodes 5"),
    peer_target("the same, 3 nodes, batch 64, messages encoded", 5, (3, 64, True), " --encode"),
    c_target(64, 0.9),
    c_target(1, 0.7, " --batch 1"),
    Target(
        "messages per proposal, 3 nodes, batch 64",
        0.15,
        False,
        lambda f: f.of(3, 64, False, "core", "messages_per_proposal"),
        command="replicate --impl core",
    ),
    Target(
        "allocations per proposal, batch 64, payload excluded",
        0.1,
        False,
        lambda f: f.of(3, 64, False, "core", "allocations_per_proposal"),
        command="replicate --impl core",
    ),
    Target("bytes of an idle follower", 512, False, lambda f: f.other("idle", "bytes_per_group"), command="idle"),
    Target("tick of an idle follower", 10, False, lambda f: f.other("idle", "tick_ns"), " ns", "idle"),
    Target(
        "entries read at a restart",
        0,
        False,
        lambda f: f.other("restart", "entries_read", case="restart and lead"),
        command="restart",
    ),
    Target(
        "catch-up against raft-rs",
        10,
        True,
        lambda f: f.other("catch-up", "entries_per_second") / f.other("catch-up", "entries_per_second", "raft-rs"),
        " x",
        "catch-up",
    ),
    *(
        Target(
            f"snapshot hand-over, {where}: bytes allocated per byte of data (a copy: 1)",
            0.001,
            False,
            lambda f, impl=impl: f.snapshot_share(impl),  # type: ignore[misc]
            command=f"snapshot --impl {impl}",
        )
        for impl, where in (("core", "Rust"), ("ffi", "C"))
    ),
)


def program(variable: str, usual: str) -> pathlib.Path:
    return pathlib.Path(os.environ.get(variable, ROOT / usual))


def run(program: pathlib.Path, arguments: list[str], what: str) -> list[Result]:
    """One command of the benchmark; its progress goes to the terminal."""
    print(f"  {what} ...", file=sys.stderr, flush=True)
    done = subprocess.run([program, *arguments, "--json"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench: failed: {what}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def measure(options: argparse.Namespace, absent: set[str]) -> Figures:
    figures = Figures()
    quick = options.quick
    common = ["--rounds", str(options.rounds), "--clock", options.clock]
    for row in ROWS:
        impls = [impl for impl in row.impls if impl not in absent]
        arguments = ["replicate", "--impl", ",".join(impls), "--nodes", str(row.nodes), "--batch", str(row.batch)]
        arguments += ["--proposals", str(options.proposals), *common]
        results = run(options.program, arguments + ["--encode"] * row.encode, f"replicate, {row.title()}")
        figures.rows[row] = {str(result["impl"]): result for result in results}
    groups, entries = ("20000", "50000") if quick else ("200000", "1000000")
    figures.others["idle"] = run(options.program, ["idle", "--groups", groups, *common], "idle")
    arguments = ["catch-up", "--entries", entries, "--impl", "core,raft-rs", *common]
    figures.others["catch-up"] = run(options.program, arguments, "catch-up")
    figures.others["restart"] = run(options.program, ["restart", "--entries", entries, *common], "restart")
    figures.others["snapshot"] = run(options.program, ["snapshot", *common], "snapshot")
    return figures


def machine(options: argparse.Namespace) -> str:
    """What it was measured on, and when."""
    model = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    date = datetime.datetime.now(tz=datetime.UTC).date()
    kind = "virtual machine" if "hypervisor" in pathlib.Path("/proc/cpuinfo").read_text() else "machine"
    clock = "processor time" if options.clock == "cpu" else "wall time"
    return f"{model}, {os.cpu_count()}-core {kind}, {date}, {clock}, load {os.getloadavg()[1]:.1f}"


def speeds(figures: Figures) -> list[str]:
    """The table of proposals per second."""
    shown = [impl for impl in NAMES if any(impl in results for results in figures.rows.values())]
    lines = ["| proposals/s | " + " | ".join(NAMES[impl] for impl in shown) + " | raftcore : raft-rs | : limit |"]
    lines.append("|---" + "|---:" * (len(shown) + 2) + "|")
    for row, results in figures.rows.items():
        cells = []
        for impl in shown:
            result = results.get(impl)
            rate = f"{float(result['proposals_per_second']):,.0f}" if result else ""  # type: ignore[arg-type]
            cells.append(f"{rate} ±{float(result['spread']) * 50:.0f}%" if result else "")  # type: ignore[arg-type]
        to_limit = f"{figures.ratio(row.nodes, row.batch, row.encode, to='limit'):.2f} x" if "limit" in results else ""
        ratio = figures.ratio(row.nodes, row.batch, row.encode)
        lines.append(f"| {row.title()} | " + " | ".join(cells) + f" | {ratio:.1f} x | {to_limit} |")
    return lines


def others(figures: Figures) -> list[str]:
    """The table of everything else."""
    lines = ["| | raftcore | raft-rs 0.7 |", "|---|---:|---:|"]

    def line(what: str, command: str, field: str, form: str) -> None:
        values = [figures.other(command, field, impl) for impl in ("core", "raft-rs")]
        lines.append(f"| {what} | " + " | ".join(format(value, form) for value in values) + " |")

    line("bytes of an idle follower, 3 voters, storage excluded", "idle", "bytes_per_group", ",.0f")
    line("ns per tick of an idle follower", "idle", "tick_ns", ".1f")
    line("entries/s of a follower that catches up", "catch-up", "entries_per_second", ",.0f")
    for what, field in (("messages", "messages_per_proposal"), ("allocations", "allocations_per_proposal")):
        values = (f"{figures.of(3, 64, False, impl, field):.3f}" for impl in ("core", "raft-rs"))
        lines.append(f"| {what} per proposal, 3 nodes, batch 64 | " + " | ".join(values) + " |")
    for result in figures.others["restart"]:
        lines.append(f"| entries read: {result['case']} | {result['entries_read']:,} | |")
    for result in figures.others["snapshot"]:
        mib, name = int(result["snapshot_bytes"]) >> 20, NAMES[str(result["impl"])]  # type: ignore[call-overload]
        what = f"bytes allocated while a snapshot of {mib} MiB is handed over: {name}"
        lines.append(f"| {what} | {result['allocated_bytes']:,} | |")
    return lines


def is_long_enough(rounds: int, proposals: int) -> bool:
    """Whether a run can say that a target is met: single or short rounds differ by more than targets are missed by."""
    return rounds >= LEAST_ROUNDS and proposals >= LEAST_PROPOSALS


def report(figures: Figures, where: str, options: argparse.Namespace, absent: set[str]) -> str:
    """Everything, as Markdown."""
    rounds = f"{options.rounds} rounds of {options.proposals:,} proposals"
    lines = [f"Measured on: {where}. Medians of {rounds}; ± is half the distance from the slowest to the fastest.", ""]
    for impl in sorted(absent):
        lines += [f"{NAMES[impl]} was left out: {OPTIONAL[impl][2]}.", ""]
    lines += [*speeds(figures), "", *others(figures), ""]
    lines += ["Each target, and what to give to `raftcore-bench` to measure it alone (see above):", ""]
    lines += ["| target | wanted | measured | met | command |", "|---|---:|---:|---|---|"]
    verdicts = is_long_enough(options.rounds, options.proposals)
    lines += [target.line(figures, verdicts) for target in TARGETS]
    return "\n".join(lines)


def plot(figures: Figures, where: str) -> None:
    """Proposals per second by batch size, into docs/benchmarks.svg and .png."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "raftcore"
    from matplotlib import pyplot

    rows = [row for row in figures.rows if row.nodes == 3 and not row.encode]
    shown = [impl for impl in _MEMORY if impl in figures.rows[rows[0]]]
    figure, axes = pyplot.subplots(figsize=(9.5, 4.5))
    for impl in shown:
        rates = [figures.of(3, row.batch, False, impl) for row in rows]
        style = "--" if impl == "limit" else "-"
        axes.plot([row.batch for row in rows], rates, style, marker="o", label=NAMES[impl].replace("`", ""))
        if impl == "limit":
            continue  # its figure would hide that of raftcore
        axes.annotate(
            f"{rates[2]:,.0f}", (rows[2].batch, rates[2]), textcoords="offset points", xytext=(0, 6), fontsize=7
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([row.batch for row in rows], [str(row.batch) for row in rows])
    axes.set_xlabel("proposals per batch")
    axes.set_ylabel("proposals per second (log)")
    axes.set_title("Three nodes in one thread, 256-byte payloads, storage in memory", fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    figure.text(0.01, 0.01, where, fontsize=6)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(DOCUMENT.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(DOCUMENT.with_suffix(".png"), dpi=120)


def write_document(text: str) -> None:
    document = DOCUMENT.read_text()
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench: {DOCUMENT} has no place for the table ({BEGIN} ... {END})")
    DOCUMENT.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")
    readme_figures.renew()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cargo = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--program", type=pathlib.Path, default=cargo / "release" / "raftcore-bench")
    parser.add_argument("--rounds", type=int, default=None, help="rounds of each measurement (5; quick: 1)")
    parser.add_argument("--proposals", type=int, default=None, help="proposals of a round (400000; quick: 20000)")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: steadier on a busy machine")
    parser.add_argument("--quick", action="store_true", help="small numbers: no verdicts, and no file is written")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.proposals = options.proposals or (20_000 if options.quick else 400_000)
    absent = {impl for impl, (variable, usual, _) in OPTIONAL.items() if not program(variable, usual).exists()}
    for impl in sorted(absent):
        print(f"{NAMES[impl]} is left out: {OPTIONAL[impl][2]}.", file=sys.stderr)
    where = machine(options)
    figures = measure(options, absent)
    text = report(figures, where, options, absent)
    print(text)
    if not is_long_enough(options.rounds, options.proposals):
        least = f"{LEAST_ROUNDS} rounds of {LEAST_PROPOSALS:,} proposals"
        print(f"\nnothing is written, and no verdict given: fewer than {least} are too short to tell", file=sys.stderr)
    else:
        write_document(text)
        plot(figures, where)
        print(f"\nwritten: {DOCUMENT.relative_to(ROOT)}, its .svg and its .png", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
