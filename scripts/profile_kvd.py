#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows where a kvd cluster's time goes: microseconds of CPU per command, by layer.

Three nodes and the load run on this machine, as in bench_kvd.py; `perf` samples the leader and a
follower by the CPU clock, and each sample is put down to a layer by the innermost function that
tells. Needs `perf` (Debian: linux-perf) and the right to use it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench_kvd import DOCUMENT, ROOT, Server, resp_load, write_between
from kvd_harness import Cluster

# The first pattern that matches a frame (function and object) decides; frames from the inside out.
LAYERS = [
    ("sync", r"fsync|fdatasync|sync_file_range"),
    ("network", r"sys_(sendto|sendmsg|recvfrom|recvmsg|epoll)|^tcp_|net_rx|sock_(send|recv)msg"),
    ("RocksDB: writing the log file", r"sys_p?write|ksys_write|vfs_write"),
    ("RocksDB", r"librocksdb|liblz4|libsnappy|libzstd"),
    ("Raft", r"libraftcore"),
    ("parsing and replies", r"RequestParser|ClientSession|StreamWriter|check_arguments|find_command|kvd::append_"),
    ("encoding", r"kvd::(put_|encode|decode|frame|parse_frame|crc32c|WriteReader|ByteReader|.*extend_sse42)"),
    ("applying", r"kvd::(apply|KeySpace|KeyTable|Changes|make_data_key)"),
    ("kvd's loop", r"kvd::|asio::"),
]  # fmt: skip
WORKLOADS = [("writes, 64 clients", "set", 64, 1), ("writes, 64 clients, 16 pipelined", "set", 64, 16),
             ("linearizable reads, 64 clients", "get", 64, 1)]  # fmt: skip


def layer_of(frames):
    """The layer of a sample; frames are 'function (object)', the innermost first."""
    for frame in frames:
        for name, pattern in LAYERS:
            if re.search(pattern, frame):
                return name
    return "other (libc, kernel)"


def samples(path):
    """The samples' frames in a recording of perf."""
    words = ["perf", "script", "-i", str(path), "-F", "ip,sym,dso"]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for block in text.split("\n\n"):
        # Each line: address, function, (object).
        frames = [line.split(None, 1)[1] for line in block.splitlines() if len(line.split()) > 1]
        if frames:
            yield frames


def record(pid, path, seconds, prefix):
    # What samples must not wait for what it samples.
    above = ["chrt", "-r", "20"] if prefix else []
    words = [*above, "perf", "record", "-q", "-e", "cpu-clock", "-F", "999", "-g", "-o", str(path)]
    return subprocess.Popen(
        [*words, "-p", str(pid), "--", "sleep", str(seconds)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def profile(folder, workload, seconds, prefix):
    """Microseconds per command by layer, for the leader and a follower; and the rate."""
    _, op, clients, pipeline = workload
    with Cluster(folder, prefix=prefix) as cluster:
        leader = cluster.leader()
        follower = next(node for node in cluster.ids if node != leader)
        load = resp_load(*cluster.addresses[leader])(op, clients, pipeline, seconds)
        done = subprocess.Popen([*prefix, *load], stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        nodes = {"leader": leader, "follower": follower}
        pids = {role: cluster.processes[node].pid for role, node in nodes.items()}
        watched = {role: Server(role, [pid], None) for role, pid in pids.items()}
        before = {role: server.cpu_seconds() for role, server in watched.items()}
        start = time.monotonic()
        runs = [record(pid, folder / role, seconds - 1, prefix) for role, pid in pids.items()]
        for run in runs:
            run.wait()
        elapsed = time.monotonic() - start
        cpu = {role: server.cpu_seconds() - before[role] for role, server in watched.items()}
        rate = json.loads(done.communicate()[0])["ops_per_second"]
    found = {}
    for role in pids:
        counts = Counter(layer_of(frames) for frames in samples(folder / role))
        per_sample = cpu[role] / max(1, counts.total()) * 1e6 / (rate * elapsed)
        found[role] = {name: count * per_sample for name, count in counts.items()}
    return rate, found


def table(results):
    lines = []
    names = [name for name, _ in LAYERS] + ["other (libc, kernel)"]
    heads = [f"{workload}: {role}" for workload, (_, found) in results.items() for role in found]
    lines += ["| us of CPU per command | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    columns = [found for _, by_role in results.values() for found in by_role.values()]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(f"{c.get(name, 0):.2f}" for c in columns) + " |")
    lines.append("| all | " + " | ".join(f"**{sum(c.values()):.2f}**" for c in columns) + " |")
    rates = ", ".join(f"{name} {rate:,.0f}/s" for name, (rate, _) in results.items())
    lines += ["", f"While this was sampled: {rates}. A sample counts for the innermost function that "
              "tells its layer; memory copies that no caller explains are under other."]  # fmt: skip
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4, help="of each (default: %(default)s)")
    parser.add_argument("--realtime", action="store_true", help="run all under SCHED_RR (needs root)")
    parser.add_argument("--write", action="store_true", help=f"write into {DOCUMENT}")
    arguments = parser.parse_args()
    prefix = ["chrt", "-r", "10"] if arguments.realtime else []
    results = {}
    for workload in WORKLOADS:
        with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="profile-") as folder:
            results[workload[0]] = profile(Path(folder), workload, arguments.seconds, prefix)
            print(f"{workload[0]}: {results[workload[0]][0]:,.0f}/s", file=sys.stderr, flush=True)
    text = table(results)
    print(text)
    if arguments.write:
        write_between(DOCUMENT, "kvd-cpu", text)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
