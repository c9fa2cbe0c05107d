#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures kvd beside etcd (three nodes each) and redis (one node, every write synced), in one run.

All servers and the load run on this machine, on loopback and one disk. Each round measures each
workload on each server in turn, and the disk before each; the tables have the medians of the rounds,
and the least and the most. Servers that are not installed are left out, with a word (`make
setup-bench` installs them).
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import machine_probe
import readme_figures
from kvd_harness import Cluster, free_ports, kvd_binary, wait_until

ROOT = Path(__file__).resolve().parents[1]
LOAD = Path(kvd_binary()).parent / "kvd_load"
ETCD_LOAD = ROOT / "build/etcd-load"
DOCUMENT = ROOT / "docs/benchmarks.md"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Workload:
    """What clients do."""

    name: str
    op: str  # set or get
    clients: int
    pipeline: int
    target: str  # of kvd
    etcd_ratio: float = 0  # kvd is to have that many times etcd's
    at_least: float = 0  # or so many operations a second


WORKLOADS = [
    Workload("writes, 1 client", "set", 1, 1, "2 x etcd", etcd_ratio=2),
    Workload("writes, 64 clients", "set", 64, 1, "3 x etcd", etcd_ratio=3),
    Workload("writes, 256 clients", "set", 256, 1, "3 x etcd", etcd_ratio=3),
    Workload("writes, 64 clients, 16 pipelined", "set", 64, 16, "150,000/s", at_least=150_000),
    Workload("linearizable reads, 64 clients", "get", 64, 1, "5 x etcd", etcd_ratio=5),
]
BUSY_LOAD = 0.9  # cores
# A shorter run prints its figures without a verdict.
LEAST_ROUNDS, LEAST_SECONDS = 3, 2
CURVE = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


@dataclass
class Server:
    """A system under load: its processes, and how to load it."""

    name: str
    pids: list
    load: object  # (op, clients, pipeline, seconds) -> the words of a command, or None
    results: dict = field(default_factory=dict)
    curve: dict = field(default_factory=dict)

    def cpu_seconds(self):
        """What its processes have used since they began."""
        total = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / CLOCK_TICKS


def say(text):
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def resp_load(host, port):
    """The load for a server that speaks RESP there."""

    def command(op, clients, pipeline, seconds):
        words = [LOAD, "--host", host, "--port", port, "--op", op, "--clients", clients, "--pipeline", pipeline]
        return [str(word) for word in [*words, "--seconds", seconds]]

    return command


def etcd_load(endpoints):
    """The load for etcd."""

    def command(op, clients, pipeline, seconds):
        if pipeline > 1:
            return None
        op = "put" if op == "set" else "get"
        words = [ETCD_LOAD, "-endpoints", endpoints, "-op", op, "-clients", clients]
        return [str(word) for word in [*words, "-seconds", seconds]]

    return command


def start_kvd(stack, folder, prefix):
    cluster = stack.enter_context(Cluster(folder / "kvd", prefix=prefix))
    leader = cluster.leader()
    pids = [process.pid for process in cluster.processes.values()]
    return Server("kvd", pids, resp_load(*cluster.addresses[leader]))


def spawn(stack, command, log):
    """A process that ends with `stack`."""
    output = os.open(log, os.O_CREAT | os.O_WRONLY)
    stack.callback(os.close, output)
    process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output)
    stack.callback(lambda: (process.kill(), process.wait()))
    return process


def start_etcd(stack, folder, prefix):
    free = free_ports(6)
    ports = {node: (free[node - 1], free[node + 2]) for node in (1, 2, 3)}
    members = ",".join(f"n{node}=http://127.0.0.1:{peer}" for node, (_, peer) in ports.items())
    pids = []
    for node, (client, peer) in ports.items():
        urls = f"http://127.0.0.1:{client}"
        peer_urls = f"http://127.0.0.1:{peer}"
        command = [*prefix, "etcd", "--name", f"n{node}", "--data-dir", folder / f"etcd-{node}"]
        command += ["--listen-client-urls", urls, "--advertise-client-urls", urls]
        command += ["--listen-peer-urls", peer_urls, "--initial-advertise-peer-urls", peer_urls]
        command += ["--initial-cluster", members, "--initial-cluster-state", "new"]
        command += ["--log-level", "error"]
        pids.append(spawn(stack, command, folder / f"etcd-{node}.log").pid)
    endpoints = ",".join(f"127.0.0.1:{client}" for client, _ in ports.values())
    probe = [str(ETCD_LOAD), "-endpoints", endpoints, "-clients", "1", "-seconds", "0.1"]

    def answers():
        return subprocess.run(probe, capture_output=True, timeout=30).returncode == 0

    wait_until(answers, 60, "etcd answering")
    return Server("etcd", pids, etcd_load(endpoints))


def start_redis(stack, folder, prefix):
    (port,) = free_ports(1)
    (folder / "redis").mkdir()
    command = [*prefix, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--dir", folder / "redis"]
    process = spawn(stack, command, folder / "redis.log")

    def answers():
        words = ["redis-cli", "-p", str(port), "ping"]
        return subprocess.run(words, capture_output=True).stdout == b"PONG\n"

    wait_until(answers, 15, "redis answering")
    return Server("redis", [process.pid], resp_load("127.0.0.1", port))


def start_all(stack, folder, prefix):
    """All servers that are installed."""
    servers = [start_kvd(stack, folder, prefix)]
    for program, needs, start in (
        ("etcd", ETCD_LOAD, start_etcd),
        ("redis-server", LOAD, start_redis),
    ):
        if shutil.which(program) and needs.exists():
            servers.append(start(stack, folder, prefix))
        else:
            say(f"{program} is left out: `make setup-bench` installs it (etcd's load needs Go)")
    return servers


def probe_disk(folder):
    """How long the disk takes now: medians of a moment, in ms."""
    path = folder / "probe"
    return {
        "sync_small_ms": statistics.median(machine_probe.syncs(path, machine_probe.SMALL, times=100)),
        "sync_large_ms": statistics.median(machine_probe.syncs(path, machine_probe.LARGE, times=20)),
    }


def probe_disk_together(folder, prefix):
    """Syncs per second of each of three processes that do nothing else, by size."""
    sizes = (machine_probe.SMALL, machine_probe.LARGE)
    return {size: machine_probe.syncs_together(folder, size, 3, 1, prefix) for size in sizes}


def measure(server, op, clients, pipeline, seconds, prefix):
    """One measurement, or None if the server cannot do that."""
    command = server.load(op, clients, pipeline, seconds)
    if command is None:
        return None
    before, machine_before, start = server.cpu_seconds(), machine_probe.processor_seconds(), time.monotonic()
    done = subprocess.run([*prefix, *command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{server.name}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    elapsed = time.monotonic() - start
    result["server_cpu"] = (server.cpu_seconds() - before) / elapsed
    for name, value in machine_probe.processor_seconds().items():
        result[name] = (value - machine_before[name]) / elapsed
    return result


def summary(results):
    """Of each figure the median, the least and the most."""
    figures = [key for key, value in results[0].items() if isinstance(value, (int, float))]
    found = {}
    for name, choose in (("median", statistics.median), ("least", min), ("most", max)):
        found[name] = {key: choose([result[key] for result in results]) for key in figures}
    return found


def run_workloads(servers, arguments, prefix, folder):
    """Fills in the servers' results. Answers how often three processes could sync, by size."""
    found = {server.name: {} for server in servers}
    together = []
    for round_ in range(arguments.rounds):
        together.append(probe_disk_together(folder, prefix))
        for workload in WORKLOADS:
            for server in servers:
                disk = probe_disk(folder)
                result = measure(server, workload.op, workload.clients, workload.pipeline, arguments.seconds, prefix)
                if result is None:
                    continue
                found[server.name].setdefault(workload.name, []).append(result | disk)
                rate = f"{result['ops_per_second']:,.0f}/s, p50 {result['p50_ms']:.2f} ms"
                disk_now = f"a sync before: {disk['sync_small_ms']:.2f} ms; stolen: {result['stolen']:.2f} cores"
                say(f"round {round_ + 1}: {workload.name}: {server.name}: {rate} ({disk_now})")
    for server in servers:
        server.results = {name: summary(each) for name, each in found[server.name].items()}
    return {size: statistics.median(each[size] for each in together) for size in together[0]}


def run_curve(servers, seconds, prefix):
    """Latency against load: more and more clients, each with one write on its way."""
    for clients in CURVE:
        for server in servers:
            result = measure(server, "set", clients, 1, seconds, prefix)
            server.curve[clients] = result
            say(f"{clients} clients: {server.name}: {result['ops_per_second']:,.0f}/s")


def is_long_enough(rounds, seconds):
    """Whether a run can say that a target is met: single rounds differ by more than targets are missed by."""
    return rounds >= LEAST_ROUNDS and seconds >= LEAST_SECONDS


def verdict(workload, kvd, etcd):
    rate = kvd["median"]["ops_per_second"]
    if workload.at_least:
        return "met" if rate >= workload.at_least else "not met"
    if etcd is None:
        return "etcd is not here"
    ratio = rate / etcd["median"]["ops_per_second"]
    return f"{ratio:.1f} x: {'met' if ratio >= workload.etcd_ratio else 'not met'}"


def machine():
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores ({model}), Linux {platform.release()}"


def version(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[0].strip()


def machine_table(kvd, together):
    """What the machine did while kvd was measured."""
    lines = [
        "While kvd was measured:",
        "",
        "| workload | a sync of 4 KiB, ms | a sync of 256 KiB, ms | idle cores | cores the host took |",
        "|---|---|---|---|---|",
    ]
    for workload in WORKLOADS:
        found = kvd.results[workload.name]
        figures = (spread(found, name, "{:.2f}") for name in ("sync_small_ms", "sync_large_ms", "idle", "stolen"))
        lines.append(f"| {workload.name} | " + " | ".join(figures) + " |")
    small, large = (together[size] for size in (machine_probe.SMALL, machine_probe.LARGE))
    lines += [
        "",
        "Medians, least to most. The disk was asked right before each measurement: a write at the end of a file and "
        "its fdatasync, by one process that has the disk for itself. Three processes that do nothing else at the "
        f"same time, as three logs on one disk: {small:,.0f} syncs/s each of 4 KiB, {large:,.0f}/s each of 256 KiB "
        f"({large * machine_probe.LARGE / 1e6:,.0f} MB/s each).",
    ]
    return lines


def table(servers, arguments, load_average, together):
    by_name = {server.name: server for server in servers}
    today = datetime.date.today().isoformat()
    names = list(by_name)
    lines = [
        f"Measured on {today}: {machine()}; load average before the run {load_average:.1f}"
        f"{'; realtime priority' if arguments.realtime else ''}.",
        f"Medians of {arguments.rounds} rounds of {arguments.seconds:g} s, least to most. "
        + " ".join(f"{version([program, '--version'])}." for program in arguments.programs),
        "",
        "| workload | " + " | ".join(names) + " | target of kvd | |",
        "|---|" + "---|" * (len(names) + 2),
    ]
    for workload in WORKLOADS:
        cells = []
        for name in names:
            result = by_name[name].results.get(workload.name)
            cells.append("-" if result is None else cell(result))
        kvd = by_name["kvd"].results[workload.name]
        etcd = by_name["etcd"].results.get(workload.name) if "etcd" in by_name else None
        tells = is_long_enough(arguments.rounds, arguments.seconds)
        row = [workload.name, *cells, workload.target, verdict(workload, kvd, etcd) if tells else "too short to tell"]
        lines.append("| " + " | ".join(row) + " |")
    lines += [
        "",
        "Each cell: operations per second (of the slowest round to the fastest); p50 / p99 / p99.9 in ms; cores "
        f"that the servers and the load used. A load that uses {BUSY_LOAD} cores or more is said to be the limit: "
        "the server could do more. Where both together come near the number of cores, the load takes part of what "
        "the servers could have used.",
        "",
        *machine_table(by_name["kvd"], together),
    ]
    return "\n".join(lines)


def spread(found, name, form):
    least, most = form.format(found["least"][name]), form.format(found["most"][name])
    return f"{form.format(found['median'][name])} ({least} to {most})"


def cell(found):
    result = found["median"]
    rates = [f"{found[name]['ops_per_second']:,.0f}" for name in ("median", "least", "most")]
    latency = " / ".join(f"{result[key]:.2f}" for key in ("p50_ms", "p99_ms", "p999_ms"))
    cores = f"{result['server_cpu']:.2f} + {result['client_cpu']:.2f}"
    # The load is one thread (etcd's is several): near a whole core it can do no more.
    limit = "; the load is the limit" if result["client_cpu"] >= BUSY_LOAD else ""
    return f"**{rates[0]}** ({rates[1]} to {rates[2]}); {latency}; {cores}{limit}"


def plot(servers, path):
    """Latency against load as SVG and PNG. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    styles = {"p50_ms": "-", "p99_ms": "--", "p999_ms": ":"}
    for color, server in enumerate(servers):
        points = list(server.curve.values())
        for key, style in styles.items():
            axes.plot(
                [point["ops_per_second"] for point in points],
                [point[key] for point in points],
                style,
                color=f"C{color}",
                marker=".",
                label=f"{server.name} {key.removesuffix('_ms').replace('p999', 'p99.9')}",
            )
    axes.set(xscale="log", yscale="log", xlabel="writes per second", ylabel="latency, ms")
    today = datetime.date.today().isoformat()
    axes.set_title(f"256-byte writes, 1 to {CURVE[-1]} clients; {os.cpu_count()} cores, {today}")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    for suffix in (".svg", ".png"):
        figure.savefig(path.with_suffix(suffix), dpi=120)


def write_between(path, name, text):
    """Replaces what is between the markers of `name`, or adds it at the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    document = path.read_text() if path.exists() else "# Benchmarks\n"
    if begin in document:
        head, rest = document.split(begin, 1)
        tail = rest.split(end, 1)[1]
    else:
        head, tail = document.rstrip("\n") + "\n\n", "\n"
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement (default: %(default)s)")
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="run servers and load under SCHED_RR (needs root): for machines that are not quiet",
    )
    parser.add_argument("--no-curve", action="store_true", help="leave out latency against load")
    parser.add_argument("--write", action="store_true", help=f"write into {DOCUMENT}, and the plot")
    parser.add_argument("--folder", type=Path, help="where data goes (default: below build/)")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    prefix = ["chrt", "-r", "10"] if arguments.realtime else []
    load_average = os.getloadavg()[0]
    parent = arguments.folder or ROOT / "build"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix="bench-")))
        servers = start_all(stack, folder, prefix)
        arguments.programs = [program for program in ("etcd", "redis-server") if shutil.which(program)]
        together = run_workloads(servers, arguments, prefix, folder)
        if not arguments.no_curve:
            run_curve(servers, arguments.seconds, prefix)
    text = table(servers, arguments, load_average, together)
    print(text)
    if not arguments.write:
        return
    if not is_long_enough(arguments.rounds, arguments.seconds):
        raise SystemExit(f"not written: fewer than {LEAST_ROUNDS} rounds of {LEAST_SECONDS} s are too short to tell")
    if not arguments.no_curve:
        plot(servers, ROOT / "docs/kvd-latency")
    write_between(DOCUMENT, "kvd", text)
    readme_figures.renew()


if __name__ == "__main__":
    main()
