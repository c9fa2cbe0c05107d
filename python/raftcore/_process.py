# SPDX-License-Identifier: Apache-2.0
"""Which process an object was made in, without a system call for each look."""

import os

from raftcore.errors import InheritedByFork

__all__ = ["Origin"]


class Origin:
    """The process that made this object."""

    _forks = 0
    """How often this process and those before it have forked."""

    __slots__ = ("_made_after",)

    def __init__(self) -> None:
        self._made_after = Origin._forks

    def check(self) -> None:
        """Raises InheritedByFork in any other process."""
        if self._made_after != Origin._forks:
            raise InheritedByFork("it was made in another process, before a fork")


def _count_fork() -> None:
    Origin._forks += 1


os.register_at_fork(after_in_child=_count_fork)
