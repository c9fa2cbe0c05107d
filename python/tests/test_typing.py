# SPDX-License-Identifier: Apache-2.0
"""The types that the package declares are those that it has."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]

SAMPLE = """
from raftcore import ConfState, Config, EntryId, Forwarded, MemoryStorage, Message, RawNode, rpc

node = RawNode(Config(1, election_ticks=20), MemoryStorage(ConfState({1, 2})))
place: EntryId | Forwarded = node.propose(memoryview(b"x"))
match place:
    case EntryId(term, index):
        total: int = term + index
    case Forwarded(leader):
        total = leader

def describe(message: Message) -> str:
    match message.body:
        case rpc.Append(prev, _, entries):
            return f"{prev.index} {[entry.data.hex() for entry in entries]}"
        case rpc.Heartbeat(commit=commit):
            return str(commit)
    return message.type.name
"""

MISTAKES = """
from raftcore import Config, EntryId, MemoryStorage, RawNode, rpc

node = RawNode(Config(1), object())
node.propose("text")
Config("1")
EntryId(1, 2).term = 3
rpc.Heartbeat(commit="1")
index: int = node.propose(b"x").index
"""


def mypy(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=PACKAGE, capture_output=True, text=True, check=False
    )


def test_the_stub_describes_the_module() -> None:
    result = mypy("mypy.stubtest", "raftcore")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_docstrings_of_the_stub_are_the_module_s() -> None:
    spec = importlib.util.spec_from_file_location("stub_docs", PACKAGE / "tools" / "stub_docs.py")
    assert spec is not None
    assert spec.loader is not None
    stub_docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stub_docs)
    text = stub_docs.STUB.read_text()
    assert stub_docs.differences(text) == []
    assert stub_docs.differences(text.replace("Leader and role.", "Something else."))
    assert stub_docs.with_docs(text) == text


def test_the_package_and_its_tests_pass_strict_checking() -> None:
    result = mypy("mypy", "raftcore", "tests", "examples", "tools")
    assert result.returncode == 0, result.stdout


def test_a_user_s_program_passes_strict_checking(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SAMPLE)
    result = mypy("mypy", "--strict", str(program))
    assert result.returncode == 0, result.stdout


def test_a_user_s_mistakes_are_found(tmp_path: Path) -> None:
    program = tmp_path / "mistakes.py"
    program.write_text(MISTAKES)
    result = mypy("mypy", "--strict", str(program))
    lines = MISTAKES.splitlines()
    wrong = [number for number, line in enumerate(lines, 1) if line and "import" not in line]
    found = {int(line.split(":")[1]) for line in result.stdout.splitlines() if ": error:" in line}
    assert found == set(wrong) - {lines.index("") + 1}, result.stdout


@pytest.mark.parametrize("name", ["raftcore/py.typed", "raftcore/_raftcore.pyi"])
def test_type_checkers_find_the_types(name: str) -> None:
    assert (PACKAGE / name).is_file()
