# SPDX-License-Identifier: Apache-2.0
"""The kill loop passes a sound cluster and fails one with a planted bug, each with processes that are really killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1]
ROUNDS = 8
SEED = 3  # its rounds kill leaders and pause one


def kill_loop(tmp_path, bug):
    command = [sys.executable, SCRIPTS / "kill_loop.py", "--rounds", str(ROUNDS), "--seed", str(SEED)]
    return subprocess.run(
        [*command, "--kvd", SCRIPTS / "tests/fake_kvd.py"],
        env={**os.environ, "KVD_BUG": bug, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_sound_cluster_passes(tmp_path):
    result = kill_loop(tmp_path, bug="")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"rounds: {ROUNDS}" in result.stdout
    assert "violations: 0" in result.stdout


@pytest.mark.parametrize(
    ("bug", "finding"),
    [
        ("lose", "is lost"),
        ("stale", "impossible: read"),
        ("twice", "the counter ends at"),
    ],
)
def test_a_planted_bug_is_found(tmp_path, bug, finding):
    result = kill_loop(tmp_path, bug)
    assert result.returncode == 1, result.stdout + result.stderr
    assert finding in result.stdout
