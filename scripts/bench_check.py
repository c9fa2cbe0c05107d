#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions of raftcore's hot paths under valgrind and compares them with the committed figures.

A path is walked twice, once longer than the other time: the difference is what one more repetition costs, so neither
the program's start nor what else the machine does counts. A growth of more than 5% is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASELINE = ROOT / "bench" / "instructions.json"
PATHS = ("propose", "append", "append-reply", "heartbeat", "ready", "encode", "decode", "tick")
ALLOWED_GROWTH = 0.05
# Multiples of a batch; what is done once in many repetitions (buffers that grow) is small against them.
FEW, MANY = 1024, 5120


def instructions(program: pathlib.Path, path: str, count: int) -> int:
    """Instructions of a whole run."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "path", path]
    done = subprocess.run([*command, "--count", str(count)], stderr=subprocess.PIPE, text=True)
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise SystemExit(f"bench_check: {path} failed:\n{done.stderr}")
    return int(found[1])


def per_repetition(program: pathlib.Path, path: str) -> float:
    cost = instructions(program, path, MANY) - instructions(program, path, FEW)
    return round(cost / (MANY - FEW), 1)


def compare(baseline: dict[str, float], counted: dict[str, float]) -> bool:
    """Prints a table; whether nothing has grown too much."""
    fine = True
    print(f"{'instructions of':<16}{'committed':>12}{'now':>12}{'change':>9}")
    for path, now in counted.items():
        before = baseline.get(path)
        if before is None:
            print(f"{path:<16}{'-':>12}{now:>12,.0f}{'new':>9}")
            continue
        change = now / before - 1
        too_much = change > ALLOWED_GROWTH
        fine = fine and not too_much
        note = "  grown too much" if too_much else "  make bench-baseline?" if change < -ALLOWED_GROWTH else ""
        print(f"{path:<16}{before:>12,.0f}{now:>12,.0f}{change:>+9.1%}{note}")
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cargo = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--program", type=pathlib.Path, default=cargo / "release" / "raftcore-bench")
    parser.add_argument("--renew", action="store_true", help="make what is counted now the committed figures")
    options = parser.parse_args()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = pool.map(lambda path: per_repetition(options.program, path), PATHS)
        counted = dict(zip(PATHS, counts, strict=True))
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    fine = compare(baseline, counted)
    if options.renew:
        BASELINE.write_text(json.dumps(counted, indent=2) + "\n")
        print(f"written: {BASELINE.relative_to(ROOT)}")
        return 0
    missing = [path for path in counted if path not in baseline]
    if missing:
        print(f"no committed figure for: {', '.join(missing)}; make bench-baseline writes them")
    return 0 if fine and not missing else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
