# SPDX-License-Identifier: Apache-2.0
"""The programs in docs/embedding.md compile, run, and do what the page says."""

import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/embedding.md").read_text()
COMMAND = re.search(r"^c\+\+ .*one\.cc -o one .*$", PAGE, re.MULTILINE)[0]
COMPILE_STORAGE = re.search(r"^cc .*-c file_storage\.c .*$", PAGE, re.MULTILINE)[0]
LINK_STORAGE = re.search(r"^c\+\+ .*server\.cc file_storage\.o -o server .*$", PAGE, re.MULTILINE)[0]
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """What a shell has set after the library was installed in a folder of its own."""
    prefix = tmp_path_factory.mktemp("installed")
    command = ["cmake", "--install", REPOSITORY / "build", "--prefix", prefix]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    [package] = prefix.glob("lib*/**/pkgconfig")
    return os.environ | {"PKG_CONFIG_PATH": str(package), "LD_LIBRARY_PATH": str(package.parent)}


@pytest.fixture(scope="module")
def programs(tmp_path_factory, environment):
    """A folder with the page's files, compiled by the page's command."""
    folder = tmp_path_factory.mktemp("embedding")
    files = dict(re.findall(r"```cpp (\S+)\n(.*?)```", PAGE, re.DOTALL))
    assert set(files) == {"one.cc", "file_storage.hpp", "check.cc", "server.cc"}
    assert len(re.findall("```cpp", PAGE)) == len(files), "a block without a file's name is not tested"
    for name, text in files.items():
        (folder / name).write_text(text)
    for name in ("file_storage.c", "file_storage.h"):
        shutil.copy(REPOSITORY / "examples-c/storage" / name, folder)
    subprocess.run(COMPILE_STORAGE, shell=True, cwd=folder, env=environment, check=True, timeout=300)
    compiler = os.environ.get("CXX", "c++") + " -Wall -Wextra -Werror"
    compiling = []
    for command in (COMMAND, LINK_STORAGE, LINK_STORAGE.replace("server", "check")):
        command = command.replace("c++", compiler, 1)
        compiling.append(
            subprocess.Popen(command, shell=True, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        )
    for process in compiling:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    return folder


@pytest.mark.parametrize("name", ["one", "check"])
def test_a_program_prints_what_is_written_below_it(programs, environment, name):
    printed = re.search(rf"```cpp {name}\.cc\n.*?```\n\n```text\n(.*?)```", PAGE, re.DOTALL)[1]
    result = subprocess.run(
        [programs / name],
        cwd=programs,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (result.stdout, result.returncode) == (printed, 0), result.stderr


def first_port():
    """A port in front of three that nobody uses."""
    while True:
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        try:
            sockets[0].bind(("127.0.0.1", 0))
            first = sockets[0].getsockname()[1] - 1
            for offset in (2, 3):
                sockets[offset - 1].bind(("127.0.0.1", first + offset))
            return first
        except (OSError, OverflowError):
            continue
        finally:
            for each in sockets:
                each.close()


class Server:
    def __init__(self, folder, environment, number, port):
        self.environment = environment
        self.command = [folder / "server", str(number), str(port), folder / f"{number}.log"]
        self.start()

    def start(self):
        self.printed = []
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout,))
        self.reader.start()

    def read(self, output):
        for line in output:
            self.printed.append(line.rstrip("\n"))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()

    def propose(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def lines(self):
        """What its state machine holds, as far as it told."""
        held = []
        inside = False
        for line in list(self.printed):
            if line == "snapshot":
                held, inside = [], True
            elif line == "end of snapshot":
                inside = False
            elif inside:
                held.append(line)
            elif line.startswith("applied "):
                held.append(line.removeprefix("applied "))
        return held


def wait_for(condition, servers):
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, [server.printed[-5:] for server in servers]
        time.sleep(0.02)


def agree_on(line, by, servers):
    """Has a server propose the line until all have applied it: it may be lost while there is no leader."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not all(line in server.lines() for server in servers):
        assert time.monotonic() < end, [server.printed[-5:] for server in servers]
        by.propose(line)
        time.sleep(0.3)


def test_three_servers_lose_nothing(programs, environment):
    port = first_port()
    servers = [Server(programs, environment, number, port) for number in (1, 2, 3)]
    try:
        agree_on("first", servers[0], servers)
        leader = next(s for s in servers if f"leader {servers.index(s) + 1}" in " ".join(s.printed[-200:]))
        leader.kill()
        alive = [server for server in servers if server is not leader]
        agree_on("without one", alive[0], alive)
        # More than the log that is kept: the one that was away is sent a snapshot.
        enough = len(alive[0].lines()) + 250
        number = 0
        end = time.monotonic() + PATIENCE_SECONDS
        while len(alive[0].lines()) < enough:
            assert time.monotonic() < end, [server.printed[-5:] for server in alive]
            alive[1].propose(f"line {number}")
            number += 1
            time.sleep(0.002)
        agree_on("last", alive[1], alive)
        held = alive[0].lines()
        leader.start()
        wait_for(lambda: leader.lines()[-1:] == ["last"], servers)
        assert leader.printed.count("snapshot") > 1, "its own, and one that it was sent"
        assert leader.lines() == held == alive[1].lines()
        # All of them are killed at once, and find everything again.
        for server in servers:
            server.kill()
        for server in servers:
            server.start()
        agree_on("after all", servers[0], servers)
        for server in servers:
            lines = server.lines()
            assert lines[: lines.index("after all")][: len(held)] == held
    finally:
        for server in servers:
            server.kill()


def handshake(group):
    """What each datagram begins with: of a node with the page's configuration, in this group."""
    return struct.pack("<BBBBIIIQ", 1, 0, 0, 0, 10, 1, 0, group)


def varint(number):
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def heartbeat(sender, receiver, term, commit):
    """A raftpb.Message."""
    fields = {1: 8, 2: receiver, 3: sender, 4: term, 8: commit}
    return b"".join(varint(number << 3) + varint(value) for number, value in fields.items())


def test_no_stranger_and_no_other_group_stops_a_server(programs, environment):
    group = int(re.search(r"group_id = (0x[0-9a-f]+);", PAGE)[1], 16)
    port = first_port()
    servers = [Server(programs, environment, number, port) for number in (1, 2, 3)]
    try:
        agree_on("before", servers[0], servers)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in (1, 2, 3):
                for datagram in (
                    b"",
                    b"x",
                    b"no handshake, and no message",
                    handshake(group),
                    handshake(group) + b"no message",
                    # Of no member: commits what nobody has, or uses up all terms.
                    handshake(group) + heartbeat(77, number, 1000, 1 << 30),
                    handshake(group) + heartbeat(77, number, (1 << 64) - 1, 0),
                    # Of a member of another group, whose ids are the same.
                    handshake(group + 1) + heartbeat(number % 3 + 1, number, 1000, 1 << 30),
                    handshake(group + 1) + heartbeat(number % 3 + 1, number, 1000, 0),
                ):
                    stranger.sendto(datagram, ("127.0.0.1", port + number))
        agree_on("after", servers[0], servers)
        terms = [int(line.split()[1]) for server in servers for line in server.printed if line.startswith("term ")]
        assert all(server.process.poll() is None for server in servers)
        assert max(terms) < 1000, "a refused message changed the term"
    finally:
        for server in servers:
            server.kill()


def test_a_server_that_lost_data_stops_and_says_so(programs, environment):
    group = int(re.search(r"group_id = (0x[0-9a-f]+);", PAGE)[1], 16)
    port = first_port()
    server = Server(programs, environment, 1, port)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member:
            wait_for(lambda: server.printed.count("end of snapshot") == 1, [server])
            member.sendto(handshake(group) + heartbeat(2, 1, 1 << 20, 1 << 30), ("127.0.0.1", port + 1))
        assert server.process.wait(timeout=PATIENCE_SECONDS) == 1
    finally:
        server.kill()
