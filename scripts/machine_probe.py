# SPDX-License-Identifier: Apache-2.0
"""What a machine does for a measurement: how long its disk takes to sync, and who has its processors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SMALL, LARGE = 4 << 10, 256 << 10  # bytes: a log's write by one client, and by many
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def syncs(path: Path, size: int, times: int = 0, seconds: float = 0) -> list[float]:
    """Appends `size` bytes and syncs them, so many times or for so long. Milliseconds of each."""
    block = os.urandom(size)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    took, end = [], time.monotonic() + seconds
    while len(took) < times or time.monotonic() < end:
        start = time.perf_counter()
        os.write(file, block)
        os.fdatasync(file)
        took.append((time.perf_counter() - start) * 1e3)
    os.close(file)
    path.unlink()
    return took


def syncs_together(folder: Path, size: int, processes: int, seconds: float, prefix: list[str]) -> float:
    """The same by several processes at a time, a file each. Syncs per second of one of them."""
    words = [*prefix, sys.executable, __file__, str(folder), str(size), str(seconds)]
    running = [subprocess.Popen([*words, str(number)], stdout=subprocess.PIPE) for number in range(processes)]
    return sum(float(process.communicate()[0]) for process in running) / processes


def processor_seconds() -> dict[str, float]:
    """Since the machine began: what its processors did nothing in, and what its host took from them."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    idle, waits_for_disk, stolen = (int(fields[place]) / CLOCK_TICKS for place in (3, 4, 7))
    return {"idle": idle + waits_for_disk, "stolen": stolen}


if __name__ == "__main__":
    folder_, size_, seconds_, number_ = sys.argv[1:]
    path_ = Path(folder_) / f"sync-{number_}"
    print(len(syncs(path_, int(size_), seconds=float(seconds_))) / float(seconds_))
