# SPDX-License-Identifier: Apache-2.0
"""The programs of docs/tutorial-python.md run as they stand: three processes that survive kills."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raftcore import ConfState, HardState, Snapshot, StorageWrite
from raftcore.sqlite import SqliteStorage

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial-python.md").read_text()
PATIENCE = 60  # seconds


def free_base() -> int:
    """A port from which on those that three nodes need are free."""
    for base in range(21_000, 30_000, 20):
        try:
            for port in (base + offset + id for offset in (0, 10) for id in (1, 2, 3)):
                with socket.create_server(("127.0.0.1", port)):
                    pass
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")


class Group:
    """The tutorial's files in a folder, and its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = free_base()
        files = dict(re.findall(r"```python (\S+)\n(.*?)```", PAGE, re.DOTALL))
        assert set(files) == {"node.py", "client.py"}
        for name, text in files.items():
            (folder / name).write_text(text)
        self.nodes: dict[int, subprocess.Popen[str]] = {}

    def run(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, id: int) -> None:
        self.nodes[id] = self.run("node.py", id, self.base)
        stdout = self.nodes[id].stdout
        assert stdout is not None
        assert stdout.readline() == f"node {id} is up\n"

    def end(self, id: int, how: signal.Signals) -> int:
        node = self.nodes[id]
        node.send_signal(how)
        node.communicate(timeout=PATIENCE)
        del self.nodes[id]
        return node.returncode

    def client(self, *words: str) -> str:
        client = self.run("client.py", self.base, *words)
        output, errors = client.communicate(timeout=PATIENCE)
        assert client.returncode == 0, errors
        return output.strip()


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    # Where tests run in the background, interrupts are ignored, and the nodes would inherit that.
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    group = Group(tmp_path)
    for id in (1, 2, 3):
        group.start(id)
    yield group
    for id in list(group.nodes):
        group.end(id, signal.SIGKILL)
    signal.signal(signal.SIGINT, ours)


def test_the_tutorial_s_store_keeps_what_it_acknowledged(group: Group) -> None:
    expected = dict(re.findall(r"client\.py 7000 (.*?) +# (.*)", PAGE))
    assert list(expected) == ["set color blue", "get color", "set color red"]
    value = "None"
    for round, id in enumerate((1, 2, 3, 1)):
        for command in ("set color blue", "get color"):
            assert group.client(*command.split()) == expected[command]
        group.end(id, signal.SIGKILL if round < 3 else signal.SIGINT)
        assert group.client("set", "color", "red") == expected["set color red"]
        group.start(id)
        assert group.client("set", "color") == "error: a key and a value are needed"
        assert group.client("get", f"count-{round - 1}") == f"value {value}"
        value = f"r{round}"
        assert group.client("set", f"count-{round}", value) == "ok"


def test_a_node_that_was_killed_before_it_restored_a_snapshot_starts_again(group: Group) -> None:
    for id in (1, 2, 3):
        group.end(id, signal.SIGKILL)
        storage = SqliteStorage(group.folder / f"node-{id}.db")
        pairs = b'[["color", "green"]]'
        snapshot = Snapshot(9, 500, ConfState([1, 2, 3]), pairs)
        storage.persist(
            StorageWrite(snapshot=snapshot, hard_state=HardState(9, 0, 500), must_sync=True)
        )
        storage.close()
    for id in (1, 2, 3):
        group.start(id)
    assert group.client("get", "color") == "value green"


def test_a_second_process_and_another_group_are_refused(group: Group) -> None:
    second = group.run("node.py", 1, group.base)
    _, errors = second.communicate(timeout=PATIENCE)
    assert second.returncode != 0
    assert "StorageInUse: node-1.db is in use" in errors
    group.end(3, signal.SIGKILL)
    program = (group.folder / "node.py").read_text()
    (group.folder / "node.py").write_text(program.replace("GROUP_ID = 7100", "GROUP_ID = 7200"))
    group.start(3)
    stdout = group.nodes[3].stdout
    assert stdout is not None
    assert stdout.readline().startswith("refused a peer: ")


def test_an_interrupt_ends_a_node_in_good_order(group: Group) -> None:
    assert [group.end(id, signal.SIGINT) for id in (1, 2, 3)] == [0, 0, 0]
