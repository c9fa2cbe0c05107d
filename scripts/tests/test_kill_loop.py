# SPDX-License-Identifier: Apache-2.0
"""The kill loop passes a sound cluster and fails one with a planted bug, each with processes that are really killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1]


def kill_loop(tmp_path, bug, *options):
    return subprocess.run(
        [sys.executable, SCRIPTS / "kill_loop.py", "--seed", "1", "--kvd", SCRIPTS / "tests/fake_kvd.py", *options],
        env={**os.environ, "KVD_BUG": bug, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def test_a_sound_cluster_passes_whatever_is_done_to_it(tmp_path):
    result = kill_loop(tmp_path, "", "--rounds", "8")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "rounds: 8" in result.stdout
    assert "violations: 0" in result.stdout


@pytest.mark.parametrize(
    ("bug", "fault", "finding"),
    [
        ("lose", "kill_leader", "is lost"),
        # Whether the stale read is named or what it contradicts depends on which of them returned last.
        ("stale", "pause_leader", "impossible: "),
        ("twice", "kill_follower", "the counter ends at"),
    ],
)
def test_a_planted_bug_is_found(tmp_path, bug, fault, finding):
    result = kill_loop(tmp_path, bug, "--rounds", "3", "--only", fault)
    assert result.returncode == 1, result.stdout + result.stderr
    assert finding in result.stdout
