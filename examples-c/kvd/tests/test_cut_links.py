# SPDX-License-Identifier: Apache-2.0
"""A cable that is pulled: nothing arrives, and no connection is told so.

Each store has a network namespace and a link to a bridge, all of them in a namespace of this test. That takes
root, and `ip`, `unshare` and `nsenter`; without these the tests are skipped and say so.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys

import pytest

from kvd_cluster import Cluster, wait_until

TOOLS = ("ip", "unshare", "nsenter")
CLONE_NEWNET = 0x40000000

# A store gives a connection up after `peer_patience` (src/transport.cc), at most 10 s.
LONGEST_CUT = 20.0


def what_is_missing():
    if sys.platform != "linux":
        return "Linux"
    if os.geteuid() != 0:
        return "root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return ", ".join(missing)
    works = subprocess.run(["unshare", "-n", "ip", "link", "add", "type", "bridge"], capture_output=True)
    return "" if works.returncode == 0 else "network namespaces: " + works.stderr.decode(errors="replace")


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def call_libc(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def network_restored():
    """Brings this thread back to the network namespace that it has now."""
    with open("/proc/thread-self/ns/net") as before:
        try:
            yield
        finally:
            call_libc("setns", before.fileno(), CLONE_NEWNET)


@contextlib.contextmanager
def own_network():
    """This thread, and what it starts, in a network namespace with nothing in it."""
    with network_restored():
        call_libc("unshare", CLONE_NEWNET)
        ip("link", "set", "lo", "up")
        yield


class Switched(Cluster):
    """A cluster whose stores are hosts on a switch; its clients' host is 10.0.0.254."""

    def __init__(self, directory, **named):
        super().__init__(directory, start=False, host="127.0.0.1", **named)
        ip("link", "add", "switch", "type", "bridge")
        ip("addr", "add", "10.0.0.254/24", "dev", "switch")
        ip("link", "set", "switch", "up")
        self.hosts = {}
        for node in self.ids:
            self.hosts[node] = self.make_host(node)
            for addresses in (self.addresses, self.peer_addresses):
                addresses[node] = (f"10.0.0.{node}", addresses[node][1])

    def make_host(self, node):
        """A process whose network namespace is the host's: it ends with this one's end of the pipe."""
        host = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        host.stdout.readline()  # it has its namespace
        ip("link", "add", f"port{node}", "type", "veth", "peer", "name", "eth0", "netns", str(host.pid))
        ip("link", "set", f"port{node}", "master", "switch", "up")
        inside = ["nsenter", "-t", str(host.pid), "-n", "ip"]
        subprocess.run([*inside, "link", "set", "lo", "up"], check=True)
        subprocess.run([*inside, "addr", "add", f"10.0.0.{node}/24", "dev", "eth0"], check=True)
        subprocess.run([*inside, "link", "set", "eth0", "up"], check=True)
        return host

    def command(self, node, bootstrap=False):
        return ["nsenter", "-t", str(self.hosts[node].pid), "-n", *super().command(node, bootstrap)]

    def cut(self, node):
        ip("link", "set", f"port{node}", "nomaster")

    def heal(self, node):
        ip("link", "set", f"port{node}", "master", "switch")

    def connected_stores(self, node):
        """How many stores the node's messages go to. It is asked on its own host, cut off or not."""
        with network_restored(), open(f"/proc/{self.hosts[node].pid}/ns/net") as inside:
            call_libc("setns", inside.fileno(), CLONE_NEWNET)
            with self.client(node) as client:
                return client.info("raft")["connected_stores"]

    def close(self):
        super().close()
        for host in self.hosts.values():
            host.communicate()


@pytest.fixture
def switched(tmp_path):
    missing = what_is_missing()
    if missing:
        pytest.skip(f"a cut between stores is NOT tested: it needs {missing}")
    with own_network(), Switched(tmp_path, options=["--request-timeout-ms", "60000"]) as cluster:
        for node in cluster.ids:
            cluster.start(node)
        yield cluster


def cut_until_noticed(cluster, node):
    """Cuts the store off until all stores have given up the connections that go over its link."""

    def connected():
        return [cluster.connected_stores(one) for one in cluster.ids]

    wait_until(lambda: connected() == [2, 2, 2], what="connections between all")
    cluster.cut(node)
    try:
        noticed = [0 if one == node else 1 for one in cluster.ids]
        wait_until(lambda: connected() == noticed, LONGEST_CUT, "giving up the connections over the link that is cut")
    finally:
        cluster.heal(node)


def test_stores_give_up_connections_over_a_cut_link_and_make_new_ones(switched):
    """What the kernel does on its own takes minutes: a write that needs the store that was cut off waits that long."""
    away, dead = switched.followers()
    with switched.leader_client() as client:
        client.set("k", "before")
        cut_until_noticed(switched, away)
        switched.kill(dead)
        # Only with the store that was away is there a majority.
        client.set("k", "after")
        assert client.get("k") == "after"
    switched.wait_applied(nodes=[away])
