# SPDX-License-Identifier: Apache-2.0
"""When a node ticks."""

import asyncio

__all__ = ["TickClock"]


class TickClock:
    """Counts ticks by deadlines on the loop's clock: what a busy loop misses is counted later, and
    a tick that is late does not delay the next one.

    ``limit`` bounds what is counted at once. Nothing more happens in a node that misses more than
    two election timeouts.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last = 0.0

    def start(self) -> None:
        """The first tick is one interval from now, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()

    def due(self) -> int:
        """How many ticks have become due since the last call; none before the start."""
        count = int((self._now() - self._last) / self._seconds)
        if count <= 0:
            return 0
        self._last += count * self._seconds
        return min(count, self._limit)

    def wait_seconds(self) -> float:
        """Seconds until the next tick is due."""
        return max(0.0, self._last + self._seconds - self._now())

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0
