# SPDX-License-Identifier: Apache-2.0
"""What scripts/abi.py says of headers that have changed: programs break, or the baseline is to be renewed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADER = (ROOT / "include" / "raftcore.h").read_text()
SAME, BREAKS, RENEW = 0, 1, 2

pytestmark = pytest.mark.skipif(shutil.which("abidiff") is None, reason="abidiff is not installed")


def compare(folder: Path, header: str) -> int:
    file = folder / "changed" / "raftcore.h"
    file.parent.mkdir()
    file.write_text(header)
    command = [sys.executable, ROOT / "scripts" / "abi.py", "--header", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done.returncode


def changed(pattern: str, replacement: str) -> str:
    header, count = re.subn(pattern, replacement, HEADER, count=1, flags=re.S)
    assert count == 1, pattern
    return header


FUNCTION = r"(RAFT_API RAFT_NODISCARD raft_status raft_tick\()"
CHANGES = {
    "nothing": (SAME, r"\Z", ""),
    "words": (SAME, "/// Frees a node.", "/// Frees the node."),
    "a function more": (RENEW, FUNCTION, r"RAFT_API raft_status raft_new(raft_node *node);\n\n\1"),
    "a field at the end of a struct with its size": (RENEW, r"(\n\} raft_config;)", r"\n  uint64_t further;\1"),
    "a field at the end of a view": (RENEW, r"(\n\} raft_ready_view;)", r"\n  uint64_t further;\1"),
    "a constant more": (RENEW, r"(#define RAFT_OK 0)", r"\1\n#define RAFT_NEW 7"),
    "a function less": (BREAKS, FUNCTION + r"[^;]*;", ""),
    "an argument more": (BREAKS, FUNCTION, r"\1int32_t more, "),
    "another type of an argument": (BREAKS, r"(raft_tick_n\(raft_node \*node, )uint32_t", r"\1uint64_t"),
    "another type of the result": (BREAKS, r"uint64_t (raft_node_id\()", r"uint32_t \1"),
    "a field in the middle of a struct": (BREAKS, r"(\n  /// This node; not 0)", r"\n  uint64_t first;\1"),
    "a field at the end of a struct without its size": (BREAKS, r"(\n\} raft_entry;)", r"\n  uint64_t further;\1"),
    "a smaller field": (BREAKS, r"uint64_t (seed;)", r"uint32_t \1"),
    "a field with another name": (BREAKS, r"uint64_t seed;", "uint64_t grain;"),
    "a callback with another argument": (BREAKS, r"(\(\*term\)\(void \*context, )uint64_t", r"\1uint32_t"),
    "a constant with another value": (BREAKS, r"(RAFT_ROLE_LEADER) 3", r"\1 4"),
    "a constant less": (BREAKS, r"#define RAFT_ROLE_LEADER 3", ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_judged(change: str, tmp_path: Path) -> None:
    verdict, pattern, replacement = CHANGES[change]
    assert compare(tmp_path, changed(pattern, replacement)) == verdict
