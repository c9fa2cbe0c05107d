# SPDX-License-Identifier: Apache-2.0
"""What a node reads from its host's storage."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from raftcore._raftcore import ConfState, Entry, HardState, Snapshot

__all__ = ["Storage", "fitting"]


@runtime_checkable
class Storage(Protocol):
    """The host's durable log, as the node reads it. Subclass it, or have the same methods.

    The node never writes: all that must be stored is in a ``Ready``, and the host stores it.

    The log holds consecutive entries ``first_index() .. last_index()``, preceded by a compacted
    prefix that a snapshot covers. An empty log has ``last_index() == first_index() - 1``.

    A group starts from a snapshot: the first members' storages hold the membership, and a log that
    is compacted up to index 1 of term 1 (``MemoryStorage(conf_state)`` is such a storage). A node
    that joins later starts with an empty storage and is sent a snapshot. It refuses one that does
    not know it as a member: a host makes a new snapshot when it has applied an addition.

    The snapshot may have any index and any term; the hard state's term is at least the snapshot's.
    A log and no hard state, or one of an earlier term, is a storage that lost what the node
    promised: ``RawNode`` raises ``InconsistentStorage``. Only a snapshot of term 1, with nothing
    behind it, needs no hard state.

    Contract:

    - What a ``Ready`` handed out is visible here from the moment the host advances it, and is not
      lost by a restart.
    - Entries stored at an index replace what was stored there and everything after it.
    - The answers change only by what the host stores, by compaction, and by installing a snapshot.
    - A snapshot that is older than the one that is there is refused: installing it would take back
      what this node has acknowledged. The same one once more changes nothing.
    - Compaction forgets only entries that a snapshot of this storage covers and that were applied
      by a ``Ready`` that was advanced. An ``aio.Host`` may also forget, in ``apply``, what it has
      just applied: its node reads none of it before it advances. Never compact in these methods.
    - An exception reaches whoever called the node as a ``StorageError`` with it as ``__cause__``;
      the node stays usable and asks again later. ``Compacted``, ``Unavailable`` and
      ``SnapshotUnavailable`` are answers of the protocol, which the node may deal with by itself.
    - A storage that keeps several memberships may also have ``initial_state_at(applied)``: a node
      calls it in place of ``initial_state``, with its ``Config.applied``.
    - The methods are called from within calls on the node: calling that node here raises
      ``Reentrant``.
    """

    @abstractmethod
    def initial_state(self) -> tuple[HardState, ConfState]:
        """What was saved: the hard state, and the membership as it was after entry
        ``Config.applied`` (after ``first_index() - 1`` if that is 0)."""
        raise NotImplementedError

    @abstractmethod
    def entries(self, low: int, high: int, max_bytes: int) -> Iterable[Entry]:
        """Entries ``low .. high - 1``: a prefix of them with an encoded size of at most
        ``max_bytes``, and at least one (:func:`fitting` does that).

        Raises ``Compacted`` if ``low`` is below the first index, ``Unavailable`` if ``high - 1`` is
        beyond the last.
        """
        raise NotImplementedError

    @abstractmethod
    def term(self, index: int) -> int:
        """Term of the entry at ``index``. Known for ``first_index() - 1`` too.

        Raises ``Compacted`` below that, ``Unavailable`` beyond the last index.
        """
        raise NotImplementedError

    @abstractmethod
    def first_index(self) -> int:
        """Index of the first entry that is there; 1 for an empty storage."""
        raise NotImplementedError

    @abstractmethod
    def last_index(self) -> int:
        """Index of the last entry; 0 for an empty storage."""
        raise NotImplementedError

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The latest snapshot, for a peer that needs compacted entries. Its index is at least
        ``first_index() - 1``, and its membership lists the peer. Raises ``SnapshotUnavailable`` to
        be asked again later. (A snapshot that does not help the peer is not sent, and logged as a
        warning.)

        A storage that makes snapshots on demand may also have ``snapshot_for(peer)``, which is
        called instead: the same for this peer, by its id. Its membership lists the peer,
        as the host's own does by then. Its data may be made when it is sent, together with an index
        and a membership that are newer: the leader goes on from the index that the peer reports."""
        raise NotImplementedError


def fitting(entries: Sequence[Entry], max_bytes: int) -> Sequence[Entry]:
    """The longest prefix of ``entries`` with an encoded size of at most ``max_bytes``; at least
    one entry if there is one."""
    size = 0
    for count, entry in enumerate(entries):
        size += entry.encoded_len
        if size > max_bytes and count > 0:
            return entries[:count]
    return entries
