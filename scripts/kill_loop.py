#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills, pauses and restarts the nodes of a kvd cluster while clients write and read, then checks what they saw.

Checked at the end: no acknowledged write is lost, no read is stale (the history of every key is linearizable), no
increment is lost or executed twice, and every node has applied the same data. The faults follow from the seed; their
timing, and so the interleaving, is the machine's.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import redis

from kvd_harness import Cluster, ClusterError
from linearizability import READ, WRITE, TooConcurrent, check_register
from node_reads import read_from
from oracles import check_counter, check_set
from workload import COUNTER, Ambush, History, Workload

# Short ticks make short elections; early compaction makes restarted nodes need snapshots.
NODE_OPTIONS = ["--tick-ms", "20", "--compact-after", "300"]
ROUNDS_PER_GENERATION = 4


class Nemesis:
    """Does harm to the cluster, one fault a round, and undoes it within the round."""

    WEIGHTS: ClassVar[dict[str, int]] = {
        "kill_leader": 8,
        "kill_follower": 3,
        "kill_while_starting": 3,
        "kill_two": 3,
        "kill_all": 3,
        "pause_leader": 4,
        "pause_follower": 1,
    }

    def __init__(self, cluster: Cluster, workload: Workload, rng: random.Random, faults: list[str]) -> None:
        self.cluster = cluster
        self.workload = workload
        self.rng = rng
        self.faults = faults
        self.moments: list[int] = []
        self.ambushed = 0

    def round(self) -> str:
        """One fault at a random moment; returns what was done."""
        time.sleep(self.rng.uniform(0.0, 0.3))
        fault = self.rng.choices(self.faults, [self.WEIGHTS[name] for name in self.faults])[0]
        self.moments.append(time.monotonic_ns())
        return getattr(self, fault)()

    def kill_leader(self) -> str:
        return self._kill([self._leader()], "leader")

    def kill_follower(self) -> str:
        leader = self._leader()
        return self._kill([self.rng.choice([node for node in self.cluster.ids if node != leader])], "follower")

    def kill_two(self) -> str:
        return self._kill(self.rng.sample(self.cluster.ids, 2), "majority")

    def kill_all(self) -> str:
        return self._kill(list(self.cluster.ids), "all nodes")

    def kill_while_starting(self) -> str:
        node = self.rng.choice(self.cluster.ids)
        self.cluster.kill(node)
        self.cluster.start(node, wait=False)
        time.sleep(self.rng.uniform(0.0, 0.25))
        self.cluster.kill(node)
        self._start([node])
        return f"killed node {node}, and again while it started"

    def pause_leader(self) -> str:
        leader = self.cluster.leader()
        process = self.cluster.processes[leader]
        process.send_signal(signal.SIGSTOP)
        try:
            self.workload.wait_for_acknowledgements(50)
            time.sleep(self.rng.uniform(0.0, 0.4))
            ambush = Ambush(self.workload, self.cluster.addresses[leader])
        finally:
            process.send_signal(signal.SIGCONT)
        answered = ambush.collect()
        self.ambushed += len(ambush.pending)
        return f"paused leader {leader} until it had a successor, it answered {answered} of {len(ambush.pending)} reads"

    def pause_follower(self) -> str:
        leader = self._leader()
        node = self.rng.choice([node for node in self.cluster.ids if node != leader])
        process = self.cluster.processes[node]
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.1, 0.6))
        process.send_signal(signal.SIGCONT)
        return f"paused follower {node}"

    def _leader(self) -> int:
        """The leader; while there is none, any node: killing at any moment is the point."""
        with contextlib.suppress(ClusterError):
            return self.cluster.leader(timeout=1.0)
        return self.rng.choice(self.cluster.ids)

    def _kill(self, nodes: list[int], what: str) -> str:
        for node in nodes:
            self.cluster.kill(node)
        time.sleep(self.rng.choice([0.0, self.rng.uniform(0.0, 0.6)]))
        self._start(nodes)
        return f"killed {what} {', '.join(map(str, nodes))}"

    def _start(self, nodes: list[int]) -> None:
        for node in nodes:
            self.cluster.start(node, wait=False)
        for node in nodes:
            self.cluster.wait_for_ping(node)


def run_rounds(nemesis: Nemesis, rounds: int, until: float) -> None:
    """Rounds of faults until `rounds` are done or the time is up."""
    for number in range(1, rounds + 1):
        if time.monotonic() >= until:
            break
        print(f"round {number}/{rounds}: {nemesis.round()}", flush=True)
        # After every other round the next fault comes before the cluster has recovered from this one.
        if number % 2 == 0:
            nemesis.workload.wait_for_acknowledgements()
        if number % ROUNDS_PER_GENERATION == 0:
            nemesis.workload.generation += 1
        nemesis.workload.raise_errors()


def check(cluster: Cluster, history: History) -> list[str]:
    """Reads everything back from each node in turn and checks the whole history; returns the violations."""
    violations = []
    counters = set()
    keys = [*history.registers, *history.added, COUNTER]
    for node in cluster.ids:
        invoked = time.monotonic_ns()
        found = read_from(cluster, node, keys)
        returned = time.monotonic_ns()
        for key in history.registers:
            history.add_read(key, invoked, returned, found[key], f"the last read of node {node}")
        violations += [f"on node {node}: {violation}" for violation in check_set(history.added, found)]
        counters.add(int(found[COUNTER] or b"0"))
    for counter in counters:
        violations += check_counter(history.increments, counter)
    if len(counters) > 1:
        violations.append(f"the nodes disagree about the counter: {sorted(counters)}")
    # First what clients saw while it happened: what is read back at the end may only be its echo.
    return check_registers(history) + violations


def check_registers(history: History) -> list[str]:
    """The keys whose history is not linearizable, or could not be decided."""
    violations = []
    for key, operations in history.registers.items():
        try:
            verdict = check_register(operations)
        except TooConcurrent as error:
            violations.append(f"{key}: not decided, {error}")
        else:
            if not verdict:
                violations.append(f"{key}: {verdict.reason}")
    return violations


def outages(history: History, faults: list[int]) -> list[int]:
    """The longest time without an acknowledgement after each fault and before the next one, in milliseconds, sorted."""
    returned = [operation.returned for operations in history.registers.values() for operation in operations]
    returned += [increment.returned for increment in history.increments]
    moments = sorted(moment for moment in returned if moment is not None)
    longest = dict.fromkeys(faults, 0)
    for before, after in pairwise(moments):
        fault = bisect_right(faults, after) - 1
        if fault >= 0:
            longest[faults[fault]] = max(longest[faults[fault]], after - before)
    return sorted(gap // 1_000_000 for gap in longest.values())


def run(directory: Path, seed: int, arguments: argparse.Namespace) -> bool:
    """The whole run; True if nothing was violated."""
    with Cluster(directory, kvd=arguments.kvd, options=NODE_OPTIONS) as cluster:
        cluster.leader()
        workload = Workload(cluster.addresses, seed)
        nemesis = Nemesis(cluster, workload, random.Random(seed), arguments.only or list(Nemesis.WEIGHTS))
        workload.start()
        try:
            run_rounds(nemesis, arguments.rounds, time.monotonic() + 60 * arguments.minutes)
            workload.wait_for_acknowledgements()
        finally:
            history = workload.stop()
        print(f"checking {history.operations} operations", flush=True)
        violations = check(cluster, history)
    report(history, nemesis, violations)
    return not violations


def report(history: History, nemesis: Nemesis, violations: list[str]) -> None:
    """Prints what was done and what was found."""
    kinds = Counter(operation.kind for operations in history.registers.values() for operation in operations)
    gaps = outages(history, nemesis.moments) or [0]
    print(f"rounds: {len(nemesis.moments)}")
    print(f"operations: {history.operations}")
    print(f"register histories: {len(history.registers)} with {kinds[WRITE]} writes and {kinds[READ]} reads")
    print(f"reads sent to a paused leader: {nemesis.ambushed}")
    print(f"longest time without an acknowledgement: {gaps[-1]} ms (median of the rounds: {gaps[len(gaps) // 2]} ms)")
    print(f"violations: {len(violations)}")
    for violation in violations[:20]:
        print(f"  {violation}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="faults to cause (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=15.0, help="stop causing faults after this time (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="the choice of faults (default: a new one)")
    parser.add_argument(
        "--only", action="append", choices=list(Nemesis.WEIGHTS), help="only faults of this kind (may be repeated)"
    )
    parser.add_argument("--kvd", help="the kvd to run (default: $KVD, or the one that `make build` built)")
    parser.add_argument("--keep", action="store_true", help="keep the nodes' data and logs even if all is well")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(1_000_000)
    directory = Path(tempfile.mkdtemp(prefix="kvd-kill-loop-"))
    print(f"seed {seed}, data and logs in {directory}", flush=True)
    sound = False
    try:
        sound = run(directory, seed, arguments)
    except (ClusterError, TimeoutError, redis.RedisError) as error:
        print(f"failed: {error}")
    if sound and not arguments.keep:
        shutil.rmtree(directory)
    else:
        print(f"data and logs are kept in {directory}; --seed {seed} repeats these faults")
    return 0 if sound else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
