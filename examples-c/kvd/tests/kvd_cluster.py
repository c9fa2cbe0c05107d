# SPDX-License-Identifier: Apache-2.0
"""A kvd cluster of real processes on loopback, for tests and demonstrations.

    from kvd_cluster import Cluster

    with Cluster(directory) as cluster:      # three nodes, started; closed (and killed) at the end
        leader = cluster.leader()
        cluster.client(leader).set("key", "value")
        cluster.kill(leader)                 # SIGKILL
        cluster.client(cluster.leader()).get("key")
        cluster.start(leader)

Node identities are 1..n. Each node keeps its data in `directory/node-<id>` and appends its log to
`directory/node-<id>.log`. The binary is `kvd=...`, or the environment variable KVD, or
build/examples-c/kvd/kvd in the source tree. Needs the Python package `redis`.
"""

import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import redis

DEFAULT_BINARY = pathlib.Path(__file__).resolve().parents[3] / "build/examples-c/kvd/kvd"
HOST = "127.0.0.1"


class ClusterError(Exception):
    """The cluster did not do in time what was waited for, or a node ended by itself."""


def kvd_binary():
    """The kvd to run: $KVD or the one in the default build directory."""
    return os.environ.get("KVD", str(DEFAULT_BINARY))


def free_ports(count):
    """`count` distinct ports of loopback that nobody listens on.

    They are below the range that the kernel takes client ports from, so that a node which is down
    for a while finds its port free when it comes back.
    """
    ports = set()
    while len(ports) < count:
        port = random.randrange(20000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        ports.add(port)
    return list(ports)


def wait_until(predicate, timeout=15.0, what="the condition", interval=0.05):
    """Calls `predicate` until it is true (its value is returned); ClusterError after `timeout`."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} did not come about within {timeout} s")
        time.sleep(interval)


class Cluster:
    """`n` kvd processes.

    directory  where data and logs go; made if missing
    kvd        the binary
    options    further command-line options of every node, e.g. ["--compact-after", "100"]
    start      whether to start all nodes now
    prefix     words before the command line, e.g. ["chrt", "-f", "10"]

    Attributes: `ids`; `addresses` {id: (host, client port)}; `peer_addresses` {id: (host, peer port)}.
    """

    def __init__(self, directory, n=3, kvd=None, options=(), start=True, prefix=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.kvd = str(kvd or kvd_binary())
        self.options = [str(option) for option in options]
        self.prefix = list(prefix)
        self.ids = list(range(1, n + 1))
        ports = free_ports(2 * n)
        self.peer_addresses = {node: (HOST, ports[node - 1]) for node in self.ids}
        self.addresses = {node: (HOST, ports[n + node - 1]) for node in self.ids}
        self.processes = {}
        if start:
            try:
                for node in self.ids:
                    self.start(node)
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- processes ---------------------------------------------------------------------------

    def data_directory(self, node):
        return self.directory / f"node-{node}"

    def log_path(self, node):
        return self.directory / f"node-{node}.log"

    def log(self, node):
        """What the node has logged so far, over all its lives."""
        return self.log_path(node).read_text(errors="replace")

    def cluster_argument(self):
        def address(pair):
            return f"{pair[0]}:{pair[1]}"

        return ",".join(
            f"{node}={address(self.peer_addresses[node])}/{address(self.addresses[node])}"
            for node in self.ids
        )

    def command(self, node):
        """The node's command line."""
        return [
            *self.prefix,
            self.kvd,
            "--id", str(node),
            "--data", str(self.data_directory(node)),
            "--cluster", self.cluster_argument(),
            *self.options,
        ]  # fmt: skip

    def running(self, node):
        process = self.processes.get(node)
        return process is not None and process.poll() is None

    def start(self, node, timeout=15.0, wait=True, **popen):
        """Starts the node and waits until it answers PING (unless `wait` is false)."""
        if self.running(node):
            raise ClusterError(f"node {node} runs already")
        with open(self.log_path(node), "ab") as log:
            self.processes[node] = subprocess.Popen(
                self.command(node), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen
            )
        if wait:
            self.wait_for_ping(node, timeout)

    def wait_for_ping(self, node, timeout=15.0):
        def answers():
            if not self.running(node):
                raise ClusterError(
                    f"node {node} ended with {self.processes[node].returncode}:\n"
                    + self.log(node)[-2000:]
                )
            try:
                with self.client(node, socket_timeout=1) as client:
                    return client.ping()
            except redis.RedisError:
                return False

        wait_until(answers, timeout, f"node {node} answering PING")

    def stop(self, node, timeout=15.0):
        """Ends the node in good order (SIGTERM); returns its exit code."""
        return self._end(node, signal.SIGTERM, timeout)

    def kill(self, node):
        """Ends the node at once (SIGKILL), as a crash does; returns its exit code."""
        return self._end(node, signal.SIGKILL, 15.0)

    def wait_for_exit(self, node, timeout=15.0):
        """Waits until the node ends by itself; returns its exit code."""
        try:
            return self.processes[node].wait(timeout)
        except subprocess.TimeoutExpired:
            raise ClusterError(f"node {node} is still running") from None

    def _end(self, node, number, timeout):
        process = self.processes[node]
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ClusterError(f"node {node} did not end within {timeout} s") from None

    def close(self):
        """Kills every node that still runs. Data and logs stay."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    # -- clients -----------------------------------------------------------------------------

    def client(self, node, **options):
        """A client of this one node: it does not follow MOVED."""
        host, port = self.addresses[node]
        options.setdefault("socket_timeout", 10)
        options.setdefault("socket_connect_timeout", 2)
        options.setdefault("decode_responses", True)
        options.setdefault("protocol", 2)
        return redis.Redis(host=host, port=port, **options)

    def status(self, node):
        """RAFT.STATUS of the node as a dict; numbers are ints."""
        with self.client(node, socket_timeout=5) as client:
            text = client.execute_command("RAFT.STATUS")
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return {key: int(value) if value.isdigit() else value for key, value in fields.items()}

    def statuses(self):
        """The status of every node that answers."""
        found = {}
        for node in self.ids:
            if self.running(node):
                try:
                    found[node] = self.status(node)
                except redis.RedisError:
                    pass
        return found

    def leader(self, timeout=15.0):
        """The node that leads, with a majority of the cluster following it."""

        def find():
            statuses = self.statuses()
            leaders = [node for node, status in statuses.items() if status["role"] == "leader"]
            leaders.sort(key=lambda node: statuses[node]["term"], reverse=True)
            for node in leaders[:1]:
                followers = [s for s in statuses.values() if s["leader"] == node]
                if 2 * len(followers) > len(self.ids):
                    return node
            return None

        return wait_until(find, timeout, "a leader")

    def followers(self, timeout=15.0):
        leader = self.leader(timeout)
        return [node for node in self.ids if node != leader]

    def wait_applied(self, index=None, nodes=None, timeout=30.0):
        """Waits until the nodes (default: all that run) have applied `index` (default: what the
        leader has committed now); returns the index."""
        if index is None:
            index = self.status(self.leader(timeout))["commit"]
        nodes = [node for node in (nodes or self.ids) if nodes or self.running(node)]

        def caught_up():
            statuses = self.statuses()
            return all(n in statuses and statuses[n]["applied"] >= index for n in nodes)

        wait_until(caught_up, timeout, f"nodes {nodes} applying index {index}")
        return index
