# SPDX-License-Identifier: Apache-2.0
"""A durable storage in an SQLite database, with the standard library alone.

    storage = SqliteStorage("node-1.db", ConfState([1, 2, 3]))
    node = RawNode(Config(1, applied=...), storage)

``persist`` is one transaction, synced if the ``Ready`` says so. The state machine is not in here: a
host that keeps it in the same database writes it within :meth:`SqliteStorage.transaction`.
"""

from raftcore.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
