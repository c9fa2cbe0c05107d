# SPDX-License-Identifier: Apache-2.0
"""What a store goes on through: clients that take all it has, a log that nobody reads, a slow disk, its own end."""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest
import redis

from kvd_cluster import wait_until
from raw_bytes import connect, receive_all


def few_files(limit=256):
    def set_limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    return set_limit


def info(cluster, node):
    with cluster.client(node) as client:
        return client.info("everything")


def test_the_limit_of_open_files_is_raised(make_cluster):
    def low_soft_limit():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))

    with make_cluster(n=1, start=False) as cluster:
        cluster.start(1, preexec_fn=low_soft_limit)
        pid = cluster.processes[1].pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert soft == hard


def test_idle_clients_leave_files_for_everything_else(make_cluster):
    path = tempfile.mkdtemp(prefix="kvd-") + "/admin.sock"  # a socket's name is short
    with make_cluster("--compact-after", "50", "--admin-socket", path, n=1, start=False) as cluster:
        cluster.start(1, preexec_fn=few_files())
        cluster.leader()
        most = info(cluster, 1)["maxclients"]
        assert 1 < most < 256
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(cluster.client(1))
            first.ping()
            # As many as come: those beyond the limit are told so.
            others = [stack.enter_context(connect(cluster.addresses[1])) for _ in range(400)]
            assert b"max number of clients" in receive_all(others[-1])
            # Checkpoints, and with them files, go on.
            for i in range(300):
                first.set(f"k{i}", "x" * 1000)
            assert first.dbsize() == 300
            # An administrator comes in by another way.
            with redis.Redis(unix_socket_path=path, protocol=2) as admin:
                assert admin.info("clients")["connected_clients"] > most
        assert cluster.running(1)
    shutil.rmtree(pathlib.Path(path).parent)


def test_a_store_goes_on_when_nobody_takes_its_log(make_cluster):
    with make_cluster("--log-level", "debug", n=1, start=False) as cluster:
        reading, writing = os.pipe()
        command = cluster.command(1, bootstrap=True)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing)
        cluster.processes[1] = process
        os.close(writing)
        try:
            cluster.wait_for_ping(1)
            with cluster.client(1) as client:
                wait_until(lambda: cluster.status(1)["role"] == "leader", what="a leader")
                # Each of these is logged, or would be.
                for _ in range(3000):
                    with connect(cluster.peer_addresses[1]) as stranger:
                        stranger.sendall(b"x\n")
                    client.set("k", "v")
            assert process.poll() is None
            # Its last words come when somebody listens again, or not at all: it ends either way.
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            os.close(reading)


def test_a_leader_that_is_stopped_hands_over_first(make_cluster):
    with make_cluster("--election-ticks", "600") as cluster:
        # An election by timeout would take half a minute to a minute.
        for _ in range(2):
            old = cluster.leader()
            with cluster.leader_client() as client:
                client.set("k", "v")
            cluster.wait_applied()
            assert cluster.stop(old) == 0
            assert "became leader" not in cluster.log(old).splitlines()[-1]
            new = cluster.leader(timeout=20)
            assert new != old
            with cluster.leader_client() as client:
                assert client.get("k") == "v"
            cluster.start(old)
            cluster.wait_applied(nodes=[old])


def test_a_second_signal_ends_a_store_at_once(make_cluster):
    with make_cluster() as cluster:
        cluster.leader()
        for node in cluster.ids:
            cluster.processes[node].send_signal(signal.SIGTERM)
            cluster.processes[node].send_signal(signal.SIGINT)
        for node in cluster.ids:
            assert cluster.wait_for_exit(node) == 0


SLOW_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fdatasync(int file) {
  usleep(300000);
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_leader_with_a_slow_disk_hands_over(make_cluster, tmp_path):
    source, library = tmp_path / "slow.c", tmp_path / "slow.so"
    source.write_text(SLOW_SYNC)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    with make_cluster("--election-ticks", "200") as cluster:
        slow = cluster.leader()
        cluster.kill(slow)
        cluster.start(slow, env={**os.environ, "LD_PRELOAD": str(library)})
        cluster.make_leader(slow)
        ends = threading.Event()

        def write():
            with cluster.leader_client() as client:
                while not ends.is_set():
                    with contextlib.suppress(redis.RedisError):
                        client.incr("n")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            wait_until(lambda: "handing over to store" in cluster.log(slow), what="the handover")
            wait_until(lambda: cluster.leader() != slow, what="another leader")
        finally:
            ends.set()
            writer.join()


@pytest.mark.skipif(not pathlib.Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_the_kernel_asks_whether_the_other_end_is_still_there(make_cluster):
    """Connections of stores, both ends, and those of clients, this end: each has a timer for that."""
    established, keepalive, retransmission = "01", "02", "01"

    def timers(ports_here, ports_there):
        found = []
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, here, there, state, _, timer, *_ = line.split()
            ports = [int(end.split(":")[1], 16) for end in (here, there)]
            if state == established and (ports[0] in ports_here or ports[1] in ports_there):
                found.append(timer.split(":")[0])
        return found

    with make_cluster() as cluster, cluster.client(1) as client:
        cluster.leader()
        assert client.ping()
        stores = {port for _, port in cluster.peer_addresses.values()}
        clients = {cluster.addresses[1][1]}

        def all_are_watched():
            found = timers(stores | clients, stores)
            return len(found) >= 12 + 1 and all(timer in (keepalive, retransmission) for timer in found)

        wait_until(all_are_watched, what="a timer on each connection")
