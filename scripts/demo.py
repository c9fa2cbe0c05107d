#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three kvd servers, a leader that is killed in the middle of the writes, and the proof that nothing was lost.

Stores the license texts of this system, one line a key, with several clients at once; kills the leader (SIGKILL) while
they write; restarts it; and at the end reads every key back from each of the three servers. Everything runs on loopback
and is stopped and removed at the end. Exits with 0 only if no acknowledged key was lost.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import redis

from kv_client import Client, NotExecuted, Unknown
from kvd_harness import Cluster, ClusterError, wait_until
from node_reads import read_from

REPOSITORY = Path(__file__).resolve().parents[1]
TEXTS = Path("/usr/share/common-licenses")
CLIENTS = 8
KILL_AFTER_SHARE = 0.4
CATCH_UP_SECONDS = 60.0


def load_texts() -> dict[str, str]:
    """Every line of every text, by key: {"GPL-3:17": "..."}."""
    files = sorted(path for path in TEXTS.glob("*") if path.is_file() and not path.is_symlink())
    lines = {}
    for file in files or [REPOSITORY / "LICENSE"]:
        for number, line in enumerate(file.read_text(errors="replace").split("\n"), start=1):
            lines[f"{file.name}:{number}"] = line
    return lines


class Writers:
    """Clients that share the work: each key is written until it is acknowledged.

    A write without an answer is simply repeated, which is safe because it sets the same value again.
    """

    def __init__(self, cluster: Cluster, data: dict[str, str]) -> None:
        self.data = data
        self.todo = iter(list(data))
        self.lock = threading.Lock()
        self.acknowledged: list[tuple[float, str]] = []
        self.repeated = 0
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self._write, args=(Client(cluster.addresses, 1.0, random.Random(number)),))
            for number in range(CLIENTS)
        ]

    def __enter__(self) -> Writers:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def wait_for(self, count: int) -> None:
        """Waits until `count` keys are acknowledged."""
        wait_until(lambda: len(self.acknowledged) >= count, 90.0, f"{count} acknowledged keys", interval=0.001)

    def first_after(self, moment: float) -> float:
        """Seconds from `moment` to the end of the longest pause without an acknowledgement after it."""
        moments = [moment, *sorted(at for at, _ in self.acknowledged if at > moment)]
        _, resumed = max((after - before, after) for before, after in pairwise(moments))
        return resumed - moment

    def _write(self, client: Client) -> None:
        try:
            while not self.stopping.is_set():
                with self.lock:
                    key = next(self.todo, None)
                if key is None:
                    return
                self._set(client, key)
        finally:
            client.close()

    def _set(self, client: Client, key: str) -> None:
        while not self.stopping.is_set():
            try:
                client.attempt("SET", key, self.data[key])
            except NotExecuted:
                time.sleep(0.005)
            except Unknown:
                with self.lock:
                    self.repeated += 1
            else:
                with self.lock:
                    self.acknowledged.append((time.monotonic(), key))
                return


def show(cluster: Cluster) -> None:
    """The state of every node, as a table."""
    statuses = cluster.statuses()
    print("    node  address            pid      role      term   commit  applied")
    for node in cluster.ids:
        address = "{}:{}".format(*cluster.addresses[node])
        status = statuses.get(node)
        if status is None:
            print(f"    {node:<5} {address:<18} -        down")
            continue
        pid = cluster.processes[node].pid
        print(
            f"    {node:<5} {address:<18} {pid:<8} {status['role']:<9} {status['term']:<6} "
            f"{status['commit']:<7} {status['applied']}"
        )
    print(flush=True)


def kill_leader(cluster: Cluster) -> tuple[int, float]:
    """Kills the leader; returns (its identity, the moment)."""
    leader = cluster.leader()
    term = cluster.status(leader)["term"]
    pid = cluster.processes[leader].pid
    moment = time.monotonic()
    cluster.kill(leader)
    print(f"    killed the leader, node {leader} of term {term} (SIGKILL to pid {pid})")
    return leader, moment


def write_and_kill(cluster: Cluster, data: dict[str, str]) -> tuple[int, list[str], float]:
    """Writes all and kills the leader in between: (the killed node, the acknowledged keys, outage in seconds)."""
    with Writers(cluster, data) as writers:
        writers.wait_for(int(len(data) * KILL_AFTER_SHARE))
        killed, moment = kill_leader(cluster)
        writers.wait_for(int(len(data) * KILL_AFTER_SHARE) + 10 * CLIENTS)
        leader = cluster.leader()
        print(f"    new leader: node {leader}, term {cluster.status(leader)['term']}")
        writers.wait_for(len(data))
    outage = writers.first_after(moment)
    print(f"    all {len(data)} keys are acknowledged; {writers.repeated} writes had no answer and were repeated")
    return killed, [key for _, key in writers.acknowledged], outage


def count_lost(cluster: Cluster, data: dict[str, str], acknowledged: list[str]) -> int:
    """Reads every acknowledged key from each node while it leads; returns how many were wrong or missing."""
    lost = 0
    for node in cluster.ids:
        found = read_from(cluster, node, acknowledged)
        wrong = [key for key in acknowledged if found[key] != data[key].encode()]
        print(f"    node {node}: {len(acknowledged) - len(wrong)} of {len(acknowledged)} keys right", flush=True)
        lost += len(wrong)
    return lost


def show_redis_cli(cluster: Cluster, key: str) -> None:
    """Reads one key as a user would, with redis-cli, from a node that has to redirect it."""
    port = str(cluster.addresses[cluster.followers()[0]][1])
    command = ["redis-cli", "-c", "-p", port, "GET", key]
    if shutil.which(command[0]) is None:
        return
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    print(f"    $ {' '.join(command)}\n    {result.stdout.strip() or result.stderr.strip()}\n")


def run(directory: Path, kvd: str | None) -> int:
    """The whole demonstration; returns how many acknowledged keys were lost."""
    data = load_texts()
    print("== three servers ==")
    with Cluster(directory, kvd=kvd, host="127.0.0.1") as cluster:
        cluster.leader()
        show(cluster)
        print(f"== {CLIENTS} clients write {len(data)} lines of text, one a key; the leader is killed meanwhile ==")
        killed, acknowledged, outage = write_and_kill(cluster, data)
        show(cluster)
        print(f"== node {killed} comes back ==")
        began = time.monotonic()
        cluster.start(killed)
        index = cluster.wait_applied(nodes=[killed], timeout=CATCH_UP_SECONDS)
        print(f"    caught up with index {index} after {time.monotonic() - began:.1f} s")
        show(cluster)
        show_redis_cli(cluster, next(key for key in acknowledged if len(data[key]) > 40))
        print("== every key is read back from each node in turn ==")
        lost = count_lost(cluster, data, acknowledged)
    print(f"\nacknowledged: {len(acknowledged)}")
    print(f"lost: {lost}")
    print(f"without leader: {outage * 1000:.0f} ms")
    return lost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvd", help="the kvd to run (default: $KVD, or the one that `make build` built)")
    parser.add_argument("--keep", action="store_true", help="keep the servers' data and logs")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(tempfile.mkdtemp(prefix="kvd-demo-"))
    failed = True
    try:
        failed = run(directory, arguments.kvd) > 0
    except (ClusterError, redis.RedisError) as error:
        print(f"failed: {error}", file=sys.stderr)
    finally:
        if failed or arguments.keep:
            print(f"the servers' data and logs: {directory}")
        else:
            shutil.rmtree(directory)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
