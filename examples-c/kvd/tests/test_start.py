# SPDX-License-Identifier: Apache-2.0
"""What a store refuses to start with, and its command line."""

import shutil
import socket
import subprocess

from kvd_cluster import kvd_binary


def test_data_of_another_store_is_refused(make_cluster):
    with make_cluster(start=False) as cluster:
        cluster.start(1)
        cluster.stop(1)
        shutil.move(cluster.data_directory(1), cluster.data_directory(2))
        cluster.start(2, wait=False)
        assert cluster.wait_for_exit(2) == 1
        assert "belongs to store 1" in cluster.log(2)


def test_two_processes_on_one_directory(make_cluster):
    with make_cluster(start=False) as cluster:
        cluster.start(1)
        second = subprocess.run(cluster.command(1), capture_output=True, text=True, timeout=30)
        assert second.returncode == 1
        assert "fatal" in second.stderr


def test_port_in_use(make_cluster):
    with make_cluster(start=False) as cluster, socket.socket() as taken:
        taken.bind(cluster.addresses[1])
        taken.listen()
        cluster.start(1, wait=False)
        assert cluster.wait_for_exit(1) == 1
        assert "cannot listen" in cluster.log(1)


def test_command_line():
    for option in ("--help", "--version"):
        assert subprocess.run([kvd_binary(), option], capture_output=True).returncode == 0
    for words in ([], ["--id", "1"], ["--id", "9", "--data", "x", "--cluster", "1=a:1/b:2"]):
        result = subprocess.run([kvd_binary(), *words], capture_output=True, text=True)
        assert result.returncode != 0 and result.stderr
