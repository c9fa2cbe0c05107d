#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copies the figures in README.md from docs/benchmarks.md, into which `make bench` and `make bench-kvd` write."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "docs" / "benchmarks.md"
README = REPOSITORY / "README.md"
BEGIN, END = "<!-- figures: begin (scripts/readme_figures.py) -->", "<!-- figures: end -->"

LIBRARIES = ["raftcore", "raft-rs 0.7", "etcd/raft v3.7"]
LIBRARY_ROWS = ["3 nodes, batch 1", "3 nodes, batch 64", "3 nodes, batch 64, encoded"]
SERVERS = ["kvd", "etcd", "redis"]
SERVER_ROWS = ["writes, 1 client", "writes, 64 clients", "linearizable reads, 64 clients"]


def table(document: str, corner: str) -> dict[str, dict[str, str]]:
    """The table whose first cell is `corner`: cells by row and column."""
    lines = document[document.index(f"| {corner} |") :].splitlines()
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines if line[:1] in "|"]
    found = {}
    for row in rows:
        if len(row) != len(header):
            break
        found[row[0]] = dict(zip(header, row, strict=True))
    return found


def measured_on(document: str, begin: str) -> str:
    """Where, when and how the table behind a marker was measured, as the document says it."""
    line = re.search(r"^Measured on.*$", document[document.index(begin) :], re.MULTILINE)
    if line is None:
        raise SystemExit(f"readme_figures: no line behind {begin} says where it was measured")
    return line[0].split(". Medians")[0].rstrip(".")


def figure(cell: str) -> str:
    """The rate in a cell: what is bold in it, or all of it without its spread."""
    bold = re.search(r"\*\*(.*?)\*\*", cell)
    return bold[1] if bold else cell.split(" ±")[0]


def block(document: str) -> str:
    """What stands between the markers in README.md."""
    library, server = table(document, "proposals/s"), table(document, "workload")
    library_where = measured_on(document, "<!-- table: begin")
    server_where = measured_on(document, "<!-- kvd: begin")
    lines = [f"| proposals/s | {' | '.join(LIBRARIES)} |", "|---|---:|---:|---:|"]
    lines += [
        f"| {row} | {' | '.join(figure(library[row].get(name, '-')) for name in LIBRARIES)} |" for row in LIBRARY_ROWS
    ]
    lines += ["", f"`make bench`: one thread, logs in memory. {library_where}.", ""]
    lines += ["| operations/s, 256 bytes, synced | kvd | etcd | redis (one node) |", "|---|---:|---:|---:|"]
    lines += [
        f"| {row} | {' | '.join(figure(server[row].get(name, '-')) for name in SERVERS)} |" for row in SERVER_ROWS
    ]
    lines += ["", f"`make bench-kvd`: three servers and their load on one machine. {server_where}."]
    return "\n".join(lines)


def renewed(readme: str, document: str) -> str:
    """README.md with the figures of the document."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"readme_figures: README.md has no place for the figures ({BEGIN} ... {END})")
    return f"{head}{BEGIN}\n{block(document)}\n{END}{tail}"


def renew() -> None:
    """Writes README.md anew."""
    README.write_text(renewed(README.read_text(), SOURCE.read_text()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if README.md is stale")
    if not parser.parse_args().check:
        renew()
    elif renewed(README.read_text(), SOURCE.read_text()) != README.read_text():
        print("README.md has other figures than docs/benchmarks.md: scripts/readme_figures.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
