# SPDX-License-Identifier: Apache-2.0
"""What a process inherits by fork is refused, also while a thread of the parent was inside; what it
makes itself works."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HEAD = """
import asyncio, os, sys, threading
from raftcore import *
from raftcore import aio

def in_child(test):
    child = os.fork()
    if child == 0:
        try:
            test()
        except BaseException as error:
            print("child:", type(error).__name__, error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

def refused(call, *arguments, **more):
    try:
        call(*arguments, **more)
    except InheritedByFork:
        return
    raise AssertionError(f"{call} was not refused")
"""


def run(program: str, directory: Path) -> None:
    """Runs a program of its own, for a fork copies all threads' locks."""
    path = directory / "program.py"
    path.write_text(HEAD + textwrap.dedent(program))
    result = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr


def test_a_node_and_a_storage_are_refused_in_a_child(tmp_path: Path) -> None:
    program = """
    storage = MemoryStorage(ConfState([1]))
    node = RawNode(Config(1), storage)
    node.campaign()
    ready = node.ready()

    def child():
        for call in (node.tick, node.has_ready, node.ready, node.campaign, node.status,
                     node.check_invariants, node.take_storage_error, node.take_transfer_outcome,
                     node.set_observer, storage.last_index, storage.initial_state):
            refused(call)
        refused(node.step, Message(1, 2, 3, rpc.Heartbeat(0)))
        refused(node.propose, b"x")
        refused(node.advance, ready)
        refused(node.give_back, ready)
        refused(node.basic_status)
        refused(node.propose_entry, EntryKind.NORMAL, b"x")
        refused(node.read_index, b"x")
        refused(storage.persist, ready)
        refused(storage.set_conf_state, ConfState([2]))
        refused(getattr, node, "soft_state")
        repr(node), repr(storage)
        own = RawNode(Config(1), MemoryStorage(ConfState([1])))
        own.campaign()
        in_child(lambda: refused(own.tick))
        assert own.has_ready()

    in_child(child)
    storage.persist(ready)
    node.advance(ready)
    """
    run(program, tmp_path)


@pytest.mark.parametrize("call", ["node.tick()", "node.status()", "node.has_ready()", "repr(node)"])
def test_a_child_does_not_wait_for_a_thread_that_it_does_not_have(
    tmp_path: Path, call: str
) -> None:
    program = f"""
    inside, leave = threading.Event(), threading.Event()

    class Slow(Storage):
        memory = MemoryStorage(ConfState([1]))
        def initial_state(self): return self.memory.initial_state()
        def entries(self, *range): return self.memory.entries(*range)
        def term(self, index): return self.memory.term(index)
        def first_index(self): return self.memory.first_index()
        def last_index(self): return self.memory.last_index()
        def snapshot(self): return self.memory.snapshot()

    node = RawNode(Config(1), Slow())

    def hold(*_):
        inside.set()
        leave.wait()

    node.set_observer(log=hold)
    thread = threading.Thread(target=node.campaign)
    thread.start()
    inside.wait()
    in_child(lambda: refused(lambda: {call}) if {call!r} != "repr(node)" else repr(node))
    leave.set()
    thread.join()
    """
    run(program, tmp_path)
