# SPDX-License-Identifier: Apache-2.0
"""The programs that are shown do what they are shown to do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
EXAMPLE = PACKAGE / "examples" / "three_nodes.py"
README = (PACKAGE / "README.md").read_text()


def test_the_example_applies_the_command_everywhere() -> None:
    result = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("node 1 leads")
    applied = {f"node {id} applies hello as entry {{}}" for id in (1, 2, 3)}
    assert {re.sub(r"\d+$", "{}", line) for line in lines[1:]} == applied


def test_the_readme_shows_the_example_and_what_it_prints() -> None:
    program = EXAMPLE.read_text().split('"""\n\n', 1)[1]
    assert f"```python\n{program}```" in README
    result = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=True)
    assert f"```text\n{result.stdout}```" in README
