# SPDX-License-Identifier: Apache-2.0
"""One owner for a database."""

from __future__ import annotations

import errno
import fcntl
import os
from weakref import WeakSet

from raftcore.errors import StorageInUse

__all__ = ["DatabaseLock"]


class DatabaseLock:
    """Held on a file beside the database, ``<database>-lock``, by one process and one storage.

    SQLite's own locks would keep readers out, which do no harm. The file stays: to delete it would
    race with the next owner. A child process has no part in the lock.
    """

    def __init__(self, path: str) -> None:
        self._file: int | None = None
        self._owner = os.getpid()
        if path in ("", ":memory:"):
            return  # nobody else can open these
        file = os.open(os.path.realpath(path) + "-lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            text = f"{path} is in use by another process, or another SqliteStorage of this one"
            raise StorageInUse(text) from None
        self._file = file
        _held.add(self)

    def release(self) -> None:
        """Gives the lock up, also if a child has the file open that did not drop it yet."""
        file, self._file = self._file, None
        if file is None:
            return
        if os.getpid() == self._owner:
            fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)

    def __del__(self) -> None:
        self.release()


_held: WeakSet[DatabaseLock] = WeakSet()


def _drop_inherited() -> None:
    """Else a child would hold what its parent has given up."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_drop_inherited)
