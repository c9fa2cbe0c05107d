#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the wheel in a folder: one for the stable ABI of Python 3.11, for every Linux with the glibc of the tag that
auditwheel finds by the symbols used, and that is 2.28 or before; an older Python is refused by its metadata."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

NEWEST_GLIBC = (2, 28)


def fail(text: str) -> None:
    sys.exit(f"check_wheel: {text}")


def main(folder: Path) -> None:
    [wheel] = folder.glob("*.whl")
    if re.fullmatch(r"raftcore-[^-]+-cp311-abi3-manylinux_\d+_\d+_\w+\.whl", wheel.name) is None:
        fail(f"not a manylinux wheel of the stable ABI: {wheel.name}")
    shown = subprocess.run([sys.executable, "-m", "auditwheel", "show", wheel], capture_output=True, text=True)
    text = " ".join(shown.stdout.split())
    found = re.search(r'consistent with the following platform tag: "manylinux_(\d+)_(\d+)_\w+"', text)
    if shown.returncode != 0 or found is None:
        fail(f"auditwheel says: {shown.stdout}{shown.stderr}")
    needed = tuple(map(int, found.groups()))
    promised = tuple(map(int, re.search(r"manylinux_(\d+)_(\d+)_", wheel.name).groups()))
    if not needed <= promised <= NEWEST_GLIBC:
        fail(f"{wheel.name} needs glibc {needed}, and should run with {NEWEST_GLIBC}")
    with zipfile.ZipFile(wheel) as files:
        [name] = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        if "\nRequires-Python: >=3.11\n" not in files.read(name).decode():
            fail("the metadata do not say which Python is needed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
