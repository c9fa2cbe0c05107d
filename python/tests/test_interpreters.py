# SPDX-License-Identifier: Apache-2.0
"""One interpreter of a process has the module; another one is refused when it imports it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import raftcore

PROGRAM = """
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
import raftcore
other = interpreters.create()
interpreters.run_string(other, '''
for _ in range(2):
    try:
        import raftcore
    except ImportError as error:
        print("refused:", error)
''')
interpreters.destroy(other)
assert raftcore.RawNode(
    raftcore.Config(1), raftcore.MemoryStorage(raftcore.ConfState([1]))
).soft_state.role is raftcore.Role.FOLLOWER
"""

OLD = """
import sys
sys.version_info = (3, 10, 12, "final", 0)
import raftcore
"""


def test_a_second_interpreter_is_refused_when_it_imports() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    refused = {
        "refused: raftcore is in use by another interpreter of this process",
        "refused: module raftcore._raftcore does not support loading in subinterpreters",
    }
    first, second = result.stdout.splitlines()
    assert first in refused
    assert second in refused


def test_an_old_python_is_named_when_it_imports() -> None:
    result = subprocess.run([sys.executable, "-c", OLD], capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert last == "ImportError: raftcore needs Python 3.11 or later, and this is 3.10"


def test_what_says_so_is_the_first_thing_that_an_old_python_reads() -> None:
    tree = ast.parse(Path(raftcore.__file__).read_text(), feature_version=(3, 8))
    statements = [type(statement).__name__ for statement in tree.body[:3]]
    assert statements == ["Expr", "Import", "If"]
