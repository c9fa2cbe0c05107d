# SPDX-License-Identifier: Apache-2.0
"""The configuration of a node."""

from dataclasses import dataclass, field
from typing import Literal

from raftcore import _raftcore
from raftcore._renamed import takes_old_names, warn_of_old_name
from raftcore.enums import ReadMode

__all__ = ["Config"]


@takes_old_names(eager_append="etcd_compat")
@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A node's configuration: ``Config(1)`` has good defaults for a tick of 10 to 100 ms.

    All but the id are keyword arguments. Immutable; ``dataclasses.replace`` makes a changed copy.

    Raises:
        ConfigError: if the values are not usable; it names the field.
        TypeError: if a value has the wrong type.
    """

    id: int = field(kw_only=False)
    """This node; not 0."""
    election_ticks: int = 10
    """Ticks without a leader before a follower campaigns; each time a random number from
    [this, 2 x this). More than ``heartbeat_ticks``."""
    heartbeat_ticks: int = 1
    """Ticks between heartbeats; at least 1."""
    group_id: int = 0
    """The group that the node belongs to, if the host has several; the same on all its members.
    With seed 0 it keeps groups from electing the same node in the same tick. Hosts can compare it
    when they connect; the library sends it nowhere."""
    seed: int = 0
    """Seed of the randomised election timeouts; the node's id is mixed in. 0 stands for a seed that
    follows from ``group_id``, by no clock and no address: the same one in all languages."""
    applied: int = 0
    """The last entry that the host's state machine has applied durably. 0 if it has none, or keeps
    none over restarts. A crash between storing a snapshot and restoring it leaves the state machine
    behind the log: restore the storage's snapshot first, if ``applied`` is before
    ``first_index() - 1``."""
    max_message_bytes: int = 1 << 20
    """Encoded bytes of entries in one Append; one entry is always allowed."""
    max_inflight_messages: int = 256
    """Appends on their way to one peer; at least 1."""
    max_inflight_bytes: int = 64 << 20
    """Payload bytes on their way to one peer. At least ``max_message_bytes``."""
    max_uncommitted_bytes: int = 1 << 30
    """Payload bytes in the leader's log that are not committed; proposals beyond are refused."""
    max_uncommitted_entries: int = 1 << 20
    """Entries in the leader's log that are not committed; proposals beyond are refused, empty ones
    too."""
    max_pending_reads: int = 1 << 16
    """Reads that a leader has not confirmed yet, its own and those of followers; reads beyond are
    refused. A context counts as one more read for each KiB in it."""
    max_waiting_messages: int = 1 << 16
    """Messages and confirmed reads that wait for the next ``Ready``. While so many wait, messages
    from peers are refused as a network loses them, heartbeats and candidacies are left out, and
    nothing is forwarded."""
    max_waiting_bytes: int = 1 << 30
    """Bytes from peers and clients that wait for the next ``Ready``: received entries, forwarded
    proposals, contexts. The same happens while so many wait."""
    max_committed_bytes_per_ready: int = 64 << 20
    """Encoded bytes of committed entries handed out and not yet applied; one entry is always
    allowed."""
    log_cache_bytes: int = 8 << 20
    """Bytes of recent entries kept in memory although the storage has them."""
    priority: int = 0
    """A voter refuses candidates of lower priority whose log is no newer than its own. Higher is
    preferred. It is no veto: a voter that has heard from no leader for two election timeouts
    refuses nobody for it. Leadership transfers do not look at it."""
    pre_vote: bool = True
    """Ask before campaigning (thesis section 9.6): a node that was cut off does not disturb the
    group."""
    check_quorum: bool = True
    """A leader that hears from no quorum for an election timeout steps down; a follower that hears
    from its leader ignores candidates."""
    read_mode: ReadMode = ReadMode.SAFE
    """How reads are confirmed."""
    forward_proposals: bool = True
    """Whether followers pass proposals on to their leader."""
    validate_conf_changes: bool = True
    """Whether a leader tries membership changes when they are proposed, and refuses one while
    another may be pending, that cannot be applied or that changes no member."""
    step_down_on_removal: bool = True
    """Whether a leader steps down when it applies its own removal or demotion."""
    async_storage_writes: bool = False
    """Storage work is handed out with acknowledgements to return, ``RawNode.acknowledge``, instead
    of one ``advance``: several Readys may be worked on at a time."""
    apply_before_persist: bool = False
    """With asynchronous writes: hand out committed entries for applying although this node has not
    stored them yet; others have. The state machine must then not be durable ahead of the log."""
    dialect: Literal["etcd", "tikv"] = "etcd"
    """Which family of peers the group is shared with: how membership changes are encoded."""
    etcd_compat: bool = False
    """Message for message as etcd/raft does it, without this library's own economies and
    precautions. For comparison, not for use."""

    @property
    def eager_append(self) -> bool:
        """The old name of ``etcd_compat``, until the next release."""
        warn_of_old_name("Config.eager_append", "etcd_compat")
        return self.etcd_compat

    def __post_init__(self) -> None:
        _raftcore.check_config(self)

    def handshake(self) -> bytes:
        """What a peer needs to know to tell whether it can be in one group with this node.

        Send it, with its length, when a connection is made, and give the peer's to
        :meth:`check_handshake`. It is no message of Raft.
        """
        return _raftcore.handshake(self)

    def check_handshake(self, peer: bytes) -> None:
        """Checks whether the peer that sent this :meth:`handshake` can be in one group with this
        node. Refuse the connection if it cannot.

        Raises:
            ConfigError: another ``group_id`` (if both have one), another ``dialect``, other
                ``election_ticks`` where both read by leases, ``election_ticks`` of one that are not
                more than the ``heartbeat_ticks`` of the other, or bytes that are no handshake. It
                names the field.
        """
        _raftcore.check_handshake(self, peer)
