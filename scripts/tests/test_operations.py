# SPDX-License-Identifier: Apache-2.0
"""docs/operations.md shows the program that is compiled and run, and says of each drill where it is."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/operations.md").read_text()
PROGRAM = (REPOSITORY / "examples-c/operations/operations.c").read_text()


def test_the_page_shows_the_program_as_it_is():
    shown = re.findall(r"```c\n(.*?)```", PAGE, re.DOTALL)
    marked = re.findall(r"^// \[(?!end\])\w+\]\n(.*?)^// \[end\]\n", PROGRAM, re.DOTALL | re.MULTILINE)
    assert len(marked) >= 7
    assert shown == marked


def test_each_drill_that_the_page_names_exists():
    named = re.findall(r"`([\w./-]+\.(?:rs|py|c))`: `(\w+)`", PAGE)
    assert len(named) >= 8
    for path, test in named:
        assert re.search(rf"\b{test}\(", (REPOSITORY / path).read_text()), f"{test} is not in {path}"
