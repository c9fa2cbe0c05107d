# SPDX-License-Identifier: Apache-2.0
"""The examples in README.md compile, run, and print what the README says they print."""

import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()
LIBRARY = Path(os.environ.get("RAFTCORE_LIBRARY_DIR", REPOSITORY / "build/lib"))


def example(language):
    """The first block in the language, and the block of text that follows it: what it prints."""
    found = re.search(rf"```{language}\n(.*?)```\n.*?```text\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no {language} example"
    return found.groups()


def run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_c_example_prints_what_is_written_below_it(tmp_path):
    source, printed = example("c")
    program = tmp_path / "example"
    (tmp_path / "example.c").write_text(source)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", f"-I{REPOSITORY / 'include'}"]
    link = [f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lraftcore"]
    run([os.environ.get("CC", "cc"), *flags, tmp_path / "example.c", "-o", program, *link])
    assert run([program]) == printed


def test_the_python_example_prints_what_is_written_below_it(tmp_path):
    source, printed = example("python")
    (tmp_path / "example.py").write_text(source)
    assert run([sys.executable, tmp_path / "example.py"]) == printed
