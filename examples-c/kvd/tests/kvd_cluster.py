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
import secrets
import signal
import socket
import subprocess
import sys
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

DEFAULT_BINARY = pathlib.Path(__file__).resolve().parents[3] / "build/examples-c/kvd/kvd"

# How long to wait for what a healthy cluster does at once. Only a failure takes that long: a machine
# that does much else makes nodes slow, and that is none.
PATIENCE = 90.0

# The error replies that say that a command had no effect, as the client library presents them.
REFUSALS = (
    redis.exceptions.MovedError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)


class ClusterError(Exception):
    """The cluster did not do in time what was waited for, or a node ended by itself."""


def kvd_binary():
    """The kvd to run: $KVD or the one in the default build directory."""
    return os.environ.get("KVD", str(DEFAULT_BINARY))


def own_host():
    """An address of loopback that nobody else uses, so that a node that is down for a while finds its
    port free when it comes back, however many clusters are tested at once."""
    if sys.platform != "linux":  # elsewhere there is only one
        return "127.0.0.1"
    return f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


def free_ports(count, host="127.0.0.1"):
    """`count` distinct ports of the host that nobody listens on, below the range that the kernel takes
    client ports from."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(20000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
        ports.add(port)
    return list(ports)


def wait_until(predicate, timeout=PATIENCE, what="the condition", interval=0.05):
    """Calls `predicate` until it is true (its value is returned); ClusterError after `timeout`."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} did not come about within {timeout} s")
        time.sleep(interval)


class LeaderClient(redis.Redis):
    """A client of whoever leads: what a node refuses is asked of the leader, until `PATIENCE` ends.

    Only what certainly had no effect is asked again; any other error is the caller's. Pipelines do not
    follow.
    """

    def __init__(self, cluster, **options):
        super().__init__(**cluster.client_options(cluster.leader(), options))
        self.cluster = cluster

    def execute_command(self, *words, **options):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return super().execute_command(*words, **options)
            except REFUSALS:
                if time.monotonic() > deadline:
                    raise
            host, port = self.cluster.addresses[self.cluster.leader()]
            self.connection_pool.disconnect()
            self.connection_pool.connection_kwargs.update(host=host, port=port)
            self.connection_pool.reset()


class Cluster:
    """`n` kvd processes.

    directory  where data and logs go; made if missing
    kvd        the binary
    options    further command-line options of every node, e.g. ["--compact-after", "100"]
    start      whether to start all nodes now
    host       the address of all nodes; one that no other cluster has, if nothing is said
    prefix     words before the command line, e.g. ["chrt", "-f", "10"]

    Attributes: `ids`; `addresses` {id: (host, client port)}; `peer_addresses` {id: (host, peer port)}.
    """

    def __init__(self, directory, n=3, kvd=None, options=(), start=True, prefix=(), host=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.kvd = str(kvd or kvd_binary())
        self.options = [str(option) for option in options]
        self.prefix = list(prefix)
        self.ids = list(range(1, n + 1))
        host = host or own_host()
        ports = free_ports(2 * n, host)
        self.peer_addresses = {node: (host, ports[node - 1]) for node in self.ids}
        self.addresses = {node: (host, ports[n + node - 1]) for node in self.ids}
        self.processes = {}
        self.begun = set()  # nodes that were started once: only the first start may begin a new cluster
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

    def command(self, node, bootstrap=False):
        """The node's command line; `bootstrap` lets its empty directory become one of a new cluster."""
        return [
            *self.prefix,
            self.kvd,
            "--id", str(node),
            "--data", str(self.data_directory(node)),
            "--cluster", self.cluster_argument(),
            *(["--bootstrap"] if bootstrap else []),
            *self.options,
        ]  # fmt: skip

    def running(self, node):
        process = self.processes.get(node)
        return process is not None and process.poll() is None

    def start(self, node, timeout=PATIENCE, wait=True, bootstrap=None, **popen):
        """Starts the node and waits until it answers PING (unless `wait` is false). The cluster begins when
        all nodes were started once; `bootstrap` is whether the node may begin one, by default at its first
        start."""
        if self.running(node):
            raise ClusterError(f"node {node} runs already")
        bootstrap = node not in self.begun if bootstrap is None else bootstrap
        self.begun.add(node)
        with open(self.log_path(node), "ab") as log:
            self.processes[node] = subprocess.Popen(
                self.command(node, bootstrap), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen
            )
        if wait:
            self.wait_for_ping(node, timeout)

    def wait_for_ping(self, node, timeout=PATIENCE):
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

    def stop(self, node, timeout=PATIENCE):
        """Ends the node in good order (SIGTERM); returns its exit code."""
        return self._end(node, signal.SIGTERM, timeout)

    def kill(self, node):
        """Ends the node at once (SIGKILL), as a crash does; returns its exit code."""
        return self._end(node, signal.SIGKILL, PATIENCE)

    def wait_for_exit(self, node, timeout=PATIENCE):
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

    def client_options(self, node, options):
        """The arguments of a client of `node`: `options`, and what they do not say. Nothing is tried twice
        behind the caller's back, who then would not know how often it was executed."""
        host, port = self.addresses[node]
        defaults = {
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": 10,
            "decode_responses": True,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
        }
        return {"host": host, "port": port, **defaults, **options}

    def client(self, node, **options):
        """A client of this one node: it does not follow MOVED."""
        return redis.Redis(**self.client_options(node, options))

    def leader_client(self, **options):
        """A client that goes to the leader, whoever that is by then."""
        return LeaderClient(self, **options)

    def status(self, node, **options):
        """RAFT.STATUS of the node as a dict; numbers are ints."""
        with self.client(node, **options) as client:
            text = client.execute_command("RAFT.STATUS")
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return {key: int(value) if value.isdigit() else value for key, value in fields.items()}

    def statuses(self):
        """The status of every node that answers soon."""
        found = {}
        for node in self.ids:
            if self.running(node):
                try:
                    found[node] = self.status(node, socket_timeout=5)
                except redis.RedisError:
                    pass
        return found

    def leader(self, timeout=PATIENCE):
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

    def followers(self, timeout=PATIENCE):
        leader = self.leader(timeout)
        return [node for node in self.ids if node != leader]

    def make_leader(self, node, timeout=PATIENCE):
        """Hands the leadership to `node`, again and again until it leads."""

        def leads():
            leader = self.leader(timeout)
            if leader == node:
                return True
            try:
                with self.client(leader) as client:
                    client.execute_command("RAFT.TRANSFER", node)
            except redis.RedisError:
                pass
            return False

        wait_until(leads, timeout, f"node {node} leading", interval=0.1)

    def wait_applied(self, index=None, nodes=None, timeout=PATIENCE):
        """Waits until the nodes (default: all that run) have applied `index` (default: what the
        leader has committed now); returns the index."""
        if index is None:
            index = wait_until(
                lambda: self.statuses().get(self.leader(timeout), {}).get("commit"),
                timeout,
                "the leader's commit index",
            )
        nodes = [node for node in (nodes or self.ids) if nodes or self.running(node)]

        def caught_up():
            statuses = self.statuses()
            return all(n in statuses and statuses[n]["applied"] >= index for n in nodes)

        wait_until(caught_up, timeout, f"nodes {nodes} applying index {index}")
        return index
