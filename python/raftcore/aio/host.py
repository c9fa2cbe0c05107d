# SPDX-License-Identifier: Apache-2.0
"""What a node needs of its program."""

from typing import Protocol

from raftcore._raftcore import ConfState, Entry, Message, Ready, Snapshot

__all__ = ["Host"]


class Host(Protocol):
    """What a node needs of its program.

    An exception raised in here, or by the storage, stops the node, for what is stored or applied is
    in doubt then; only ``Rejected`` is an answer of ``apply``. It comes out of ``Node.stopped`` and
    of the ``async with``, and is the cause of every ``NodeStopped``. A new node can be started from
    the storage. An interrupt (KeyboardInterrupt, SystemExit) ends the loop, as in every task.
    """

    async def persist(self, ready: Ready) -> None:
        """Stores ``ready.snapshot``, ``ready.entries`` and ``ready.hard_state`` in one batch, which
        is durable on return if ``ready.must_sync``. Leaving the node waits for it, and does not
        cancel it; nor does a program that cancels all tasks of its loop, as ``asyncio.run`` does at
        its end. Tasks that ``persist`` itself makes are the program's: one that is cancelled must
        not leave a write behind that goes on in a thread."""

    def send(self, message: Message) -> None:
        """Passes a message on to the transport; it may be lost. What becomes of one whose body is a
        Snapshot must be reported: ``Node.report_snapshot``."""

    def apply(self, entry: Entry) -> object:
        """Applies a committed entry of the host's own to the state machine. The result is for who
        proposed it. The first entry of each term has no data. Calls of ``apply`` and
        ``apply_conf_change`` come in the order of the log.

        Raises Rejected for an entry that every node refuses. Any other exception stops the node,
        and a node that starts again gets the same entry again: a ValueError about bad input would
        end every node of the group, one after the other. So check input before it is proposed, and
        turn what can still be wrong with it into Rejected."""

    def apply_conf_change(self, entry: Entry, conf_state: ConfState) -> None:
        """Saves the membership that is in force from this entry on: with the applied index, in one
        transaction. A change that is impossible when its turn comes changes nothing, here as on
        every other node: then ``conf_state`` is what it was. When a node was added it needs
        a snapshot that knows it: this is the place to make one."""

    def restore(self, snapshot: Snapshot) -> None:
        """Replaces the state machine by a snapshot, which is persisted already. A crash may come
        between the two: a program whose applied index is before ``storage.first_index() - 1`` when
        it starts restores ``storage.snapshot()`` first, and starts the node with its index."""
