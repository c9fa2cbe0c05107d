# SPDX-License-Identifier: Apache-2.0
# The signatures are written by hand, the docstrings are the module's own: tools/stub_docs.py.
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, Literal, TypeAlias, final

from typing_extensions import Buffer, disjoint_base

from raftcore.check import StorageWrite
from raftcore.config import Config
from raftcore.enums import EntryKind, MessageType, Role
from raftcore.errors import StorageError
from raftcore.membership import ConfChange
from raftcore.rpc import Body
from raftcore.status import BasicStatus, Forwarded, Status, TransferOutcome
from raftcore.storage import Storage

__all__ = [
    "Ack",
    "ConfState",
    "Entry",
    "EntryId",
    "HardState",
    "MemoryStorage",
    "Message",
    "RawNode",
    "ReadState",
    "Ready",
    "Snapshot",
    "SoftState",
    "__version__",
    "check_config",
    "check_handshake",
    "check_storage",
    "config_defaults",
    "decode_backup",
    "decode_conf_change",
    "encode_backup",
    "encode_conf_change",
    "encode_conf_change_v1",
    "handshake",
    "log_position",
    "recover",
    "restore",
]

__version__: Final[str]

_Dialect: TypeAlias = Literal["etcd", "tikv"]

@final
class EntryId:
    """Term and index of a log entry. They identify its content and everything before it.

    Ordered as elections compare logs: by term, then by index.
    """

    __match_args__: ClassVar[tuple[Literal["term"], Literal["index"]]]
    def __new__(cls, term: int, index: int) -> EntryId: ...
    @property
    def term(self) -> int:
        """Term in which the entry was created."""
    @property
    def index(self) -> int:
        """Position in the log."""
    def __lt__(self, other: EntryId, /) -> bool: ...
    def __le__(self, other: EntryId, /) -> bool: ...
    def __gt__(self, other: EntryId, /) -> bool: ...
    def __ge__(self, other: EntryId, /) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[int, int]: ...

@final
class HardState:
    """What a node must find again after a restart, besides its log (thesis section 3.8)."""

    __match_args__: ClassVar[tuple[Literal["term"], Literal["vote"], Literal["commit"]]]
    def __new__(cls, term: int = 0, vote: int = 0, commit: int = 0) -> HardState: ...
    @property
    def term(self) -> int:
        """Latest term the node has seen."""
    @property
    def vote(self) -> int:
        """Candidate that got the node's vote in `term`; 0 if nobody did."""
    @property
    def commit(self) -> int:
        """Highest index known to be committed."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[int, int, int]: ...

@final
class SoftState:
    """What a node knows of the group right now; not persisted, good for logs and routing."""

    __match_args__: ClassVar[tuple[Literal["leader"], Literal["role"]]]
    def __new__(cls, leader: int | None, role: Role) -> SoftState: ...
    @property
    def leader(self) -> int | None:
        """Leader of the current term, or None while unknown."""
    @property
    def role(self) -> Role:
        """The node's own role."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[int | None, Role]: ...

@final
class ReadState:
    """A read that is linearizable once the state machine has applied `index` (thesis section 6.4)."""

    __match_args__: ClassVar[tuple[Literal["index"], Literal["context"]]]
    def __new__(cls, index: int, context: Buffer) -> ReadState: ...
    @property
    def index(self) -> int:
        """Serve the read when this index is applied."""
    @property
    def context(self) -> bytes:
        """The token that the read was requested with."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[int, bytes]: ...

@final
class ConfState:
    """A group's membership in the form that snapshots and storages keep.

    Equal if the same ids come in the same order; what the library hands out is ascending.
    """

    __match_args__: ClassVar[
        tuple[
            Literal["voters"],
            Literal["learners"],
            Literal["voters_outgoing"],
            Literal["learners_next"],
            Literal["auto_leave"],
        ]
    ]
    def __new__(
        cls,
        voters: Iterable[int] = (),
        learners: Iterable[int] = (),
        voters_outgoing: Iterable[int] = (),
        learners_next: Iterable[int] = (),
        auto_leave: bool = False,
    ) -> ConfState: ...
    @staticmethod
    def decode(data: Buffer) -> ConfState:
        """Reads what `encode` wrote. Raises DecodeError."""
    def encode(self) -> bytes:
        """The protobuf encoding: a form to store, the same as inside snapshots."""
    @property
    def voters(self) -> tuple[int, ...]:
        """Voters; while joint, those of the incoming half."""
    @property
    def learners(self) -> tuple[int, ...]:
        """Members that get the log and do not count."""
    @property
    def voters_outgoing(self) -> tuple[int, ...]:
        """Voters of the outgoing half; empty unless joint."""
    @property
    def learners_next(self) -> tuple[int, ...]:
        """Voters of the outgoing half that become learners when it is left."""
    @property
    def auto_leave(self) -> bool:
        """Whether the leader leaves the joint configuration by itself."""
    def __contains__(self, node: int, /) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[list[int], list[int], list[int], list[int], bool]: ...

@final
class Entry:
    """One entry of the log."""

    __match_args__: ClassVar[
        tuple[Literal["term"], Literal["index"], Literal["data"], Literal["kind"]]
    ]
    def __new__(
        cls,
        term: int,
        index: int,
        data: Buffer = b"",
        kind: EntryKind = ...,
        *,
        kind_stated: bool | None = None,
    ) -> Entry: ...
    @staticmethod
    def decode(data: Buffer) -> Entry:
        """Reads what `encode` wrote. Raises DecodeError."""
    def encode(self) -> bytes:
        """The entry's protobuf encoding: a form to store, the same as inside messages."""
    @property
    def id(self) -> EntryId:
        """Term and index of the entry."""
    @property
    def term(self) -> int:
        """Term of the entry."""
    @property
    def index(self) -> int:
        """Index of the entry."""
    @property
    def data(self) -> bytes:
        """The payload, as a new object each time."""
    @property
    def kind(self) -> EntryKind:
        """What the payload means."""
    @property
    def kind_stated(self) -> bool:
        """Whether the encoding states the kind even where it is the default. A storage that keeps the fields of
        an entry instead of its encoding keeps this one too: peers of the etcd family count encoded bytes.
        It says how the bytes were, and nothing about the entry: peers of the TiKV family never state a
        default kind, and an entry that went through one of them comes without it.
        """
    @property
    def is_conf_change(self) -> bool:
        """Whether the entry changes the membership."""
    @property
    def encoded_len(self) -> int:
        """Bytes of the encoding, the unit of all limits on log data."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[int, int, bytes, EntryKind], dict[str, bool]]: ...

@final
class Snapshot:
    """State of the replicated state machine at a point of the log."""

    __match_args__: ClassVar[
        tuple[Literal["term"], Literal["index"], Literal["conf_state"], Literal["data"]]
    ]
    def __new__(
        cls, term: int, index: int, conf_state: ConfState, data: Buffer = b""
    ) -> Snapshot: ...
    @staticmethod
    def decode(data: Buffer) -> Snapshot:
        """Reads what `encode` wrote. Raises DecodeError."""
    def encode(self) -> bytes:
        """The snapshot's protobuf encoding, data included: a form to store."""
    @property
    def id(self) -> EntryId:
        """The last entry that the snapshot covers."""
    @property
    def term(self) -> int:
        """Term of the last entry that the snapshot covers."""
    @property
    def index(self) -> int:
        """Index of the last entry that the snapshot covers."""
    @property
    def conf_state(self) -> ConfState:
        """The membership at that point."""
    @property
    def data(self) -> bytes:
        """The host's data, as a new object each time."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[int, int, ConfState, bytes]: ...

@final
class Message:
    """A message between two nodes of a group."""

    __match_args__: ClassVar[
        tuple[Literal["from_"], Literal["to"], Literal["term"], Literal["body"]]
    ]
    def __new__(cls, from_: int, to: int, term: int, body: Body) -> Message: ...
    @staticmethod
    def decode(data: Buffer) -> Message:
        """Reads what a peer encoded. Big payloads share the memory of `data`. Raises DecodeError,
        whatever the bytes are.
        """
    def encode(self) -> bytes:
        """The protobuf encoding: etcd's `raftpb.Message`, which TiKV's peers read as well."""
    @property
    def from_(self) -> int:
        """Who sends it."""
    @property
    def to(self) -> int:
        """Who shall get it."""
    @property
    def term(self) -> int:
        """The sender's term; 0 in messages that are independent of terms; in a vote request, the term
        that is campaigned for.
        """
    @property
    def type(self) -> MessageType:
        """Which RPC it is."""
    @property
    def body(self) -> Body:
        """The RPC's own fields: an object of a class in `raftcore.rpc`, or a Snapshot. Made anew each
        time.
        """
    @property
    def requires_persistence(self) -> bool:
        """Whether the message promises something that must be on disk before it is sent."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[int, int, int, Body]: ...

@final
class Ack:
    """Notice that storage work is done, with `Config.async_storage_writes`: it comes with a Ready and
    goes back with `RawNode.acknowledge`. What is in it is the library's own.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Ready:
    """Work for the host, in this order:

    1. send the messages for which `requires_persistence` is false (now or later);
    2. store `snapshot`, `entries` and `hard_state` (one batch; synced if `must_sync`);
    3. send the other messages, and apply `committed_entries`;
    4. hand it back: `RawNode.advance`.

    With `Config.async_storage_writes`, `storage_append` and `storage_apply` take the place of steps 2
    to 4: each is done in the order in which it was handed out, independently of the other, and further
    Readys may be taken meanwhile. `messages` may leave at once.

    It owns its data: another thread may store it while the node goes on, and it can be read after
    `advance` too.
    """
    @property
    def soft_state(self) -> SoftState | None:
        """Leader and role, if one of them changed."""
    @property
    def hard_state(self) -> HardState | None:
        """The hard state to store, if it changed."""
    @property
    def read_states(self) -> tuple[ReadState, ...]:
        """Reads that may be served."""
    @property
    def entries(self) -> tuple[Entry, ...]:
        """Entries to store. They replace stored ones at their indexes and after."""
    @property
    def snapshot(self) -> Snapshot | None:
        """A snapshot to install in log and state machine."""
    @property
    def committed_entries(self) -> tuple[Entry, ...]:
        """Entries to apply."""
    @property
    def messages(self) -> tuple[Message, ...]:
        """Messages to send."""
    @property
    def must_sync(self) -> bool:
        """Whether what is stored must be durable before going on. A commit index alone may be lost."""
    @property
    def storage_append(self) -> tuple[Message | Ack, ...] | None:
        """With asynchronous writes: what to do once `snapshot`, `entries` and `hard_state` are stored, in
        this order: messages to send, and notices to give back with `RawNode.acknowledge`. None if there
        is nothing to store.
        """
    @property
    def storage_apply(self) -> Ack | None:
        """With asynchronous writes: the notice to give back once `committed_entries` are applied. None
        if there are none.
        """

@disjoint_base
class MemoryStorage:
    """A storage in memory: for tests, and for groups that need not survive their process.

    An empty one is for a node that has yet to join a group. With `conf_state`, it is that of a
    member of a group that starts: an empty state, snapshotted at index 1 of term 1. With `snapshot`,
    it starts from that.

    Threads: every method may be called from any thread. A storage that a process has inherited by
    `fork` raises InheritedByFork.
    """
    def __new__(
        cls, conf_state: ConfState | None = None, *, snapshot: Snapshot | None = None
    ) -> MemoryStorage: ...
    def persist(self, ready: Ready | StorageWrite) -> None:
        """Stores what a Ready (or a StorageWrite) asks to store: its snapshot, its entries and its hard
        state. Raises SnapshotOutOfDate and Unavailable as `apply_snapshot` and `append` do; but the
        snapshot that is there already, of a Ready that was given back, changes nothing.
        """
    def append(self, entries: Iterable[Entry]) -> None:
        """Stores entries: they replace what is stored at their indexes and after. Those already
        compacted are passed over. Raises Unavailable if they leave a gap.
        """
    def set_hard_state(self, hard_state: HardState) -> None:
        """Saves the hard state."""
    def set_conf_state(self, conf_state: ConfState) -> None:
        """Saves the membership that applying a change led to."""
    def apply_snapshot(self, snapshot: Snapshot) -> None:
        """Installs a snapshot received from a leader: it replaces the log.
        Raises SnapshotOutOfDate if the storage has one at least as new.
        """
    def create_snapshot(self, index: int, conf_state: ConfState, data: Buffer) -> Snapshot:
        """Makes a snapshot of the state after `index`, which must be stored and applied.
        Raises SnapshotOutOfDate, Compacted or Unavailable.
        """
    def compact(self, index: int) -> None:
        """Forgets the entries up to and including `index`, which the snapshot covers. Raises Compacted if
        they are gone already, Unavailable if they are not there yet, StorageError if the snapshot does
        not cover them: nobody could be sent what is in them.
        """
    def initial_state(self) -> tuple[HardState, ConfState]:
        """The hard state and the membership saved last."""
    def entries(
        self, low: int, high: int, max_bytes: int = 18446744073709551615
    ) -> tuple[Entry, ...]:
        """Entries `low .. high - 1`: a prefix of at most `max_bytes` encoded bytes, and at least one
        entry. Raises Compacted or Unavailable.
        """
    def term(self, index: int) -> int:
        """Term of the entry at `index`, `first_index() - 1` included. Raises Compacted or Unavailable."""
    def first_index(self) -> int:
        """Index of the first entry that is there; 1 for an empty storage."""
    def last_index(self) -> int:
        """Index of the last entry; 0 for an empty storage."""
    def snapshot(self) -> Snapshot:
        """The latest snapshot."""

@final
class RawNode:
    """One node of a Raft group: a state machine that its host drives.

    The host calls `tick` at a steady pace, `step` with every message that arrives, `propose` and
    the like; and while `has_ready` it takes a Ready, does what that asks for, and hands it back
    with `advance`.

    The storage is read from within these calls. What it raises, the caller gets as a StorageError
    with the exception as `__cause__`. A storage that calls its own node gets Reentrant. An
    interrupt (what is no Exception: KeyboardInterrupt, SystemExit) always comes out of the call that
    it was raised in, as it is. What the call had to do is done then, or has failed and is tried again.

    Threads: every method may be called from any thread; calls wait for each other. A node that a
    process has inherited by `fork` raises InheritedByFork.

    Errors: every method raises Poisoned once a defect of the library was caught inside the node.
    Otherwise a node is, after an exception, as it was before the call.

    Raises ConfigError, StorageError, or InconsistentStorage if the storage holds what does not fit
    together; TypeError if `storage` lacks a method.
    """
    def __new__(cls, config: Config, storage: Storage) -> RawNode: ...
    @property
    def id(self) -> int:
        """This node's id."""
    @property
    def config(self) -> Config:
        """The configuration that the node was made with."""
    @property
    def storage(self) -> Storage:
        """The storage that the node was made with."""
    @property
    def hard_state(self) -> HardState:
        """Term, vote and commit index; perhaps not stored yet."""
    @property
    def soft_state(self) -> SoftState:
        """Leader and role."""
    def tick(self, count: int = 1) -> None:
        """Lets time pass: elections and heartbeats are counted in ticks. For a host that was late,
        `count` of them. An exception does not stop the clock: all ticks count.

        Raises ValueError if `count` is not from 0 to 1048576; then none was counted.
        """
    def step(self, message: Message | Buffer) -> None:
        """Takes a message from a peer: a Message, or its bytes.

        The bytes may come from anybody. An exception changes nothing, neither term nor leader nor log.
        Raises DecodeError, PeerNotFound, InvalidMessage, ProposalDropped, ConfChangeError, LimitReached
        or StorageError: log it and go on. Raises CommitBeyondLog or CommittedConflict if a member says
        that data was lost: stop the node.

        Messages are not authenticated: the transport knows who speaks, and of which group
        (Config.handshake).
        """
    def propose(self, data: Buffer) -> EntryId | Forwarded:
        """Proposes an entry. On the leader, returns the EntryId that it got: it is committed once an
        entry with this very id is handed out as committed, and lost once another one is at its
        index. On a follower, returns Forwarded.

        Raises ProposalDropped or LimitReached.
        """
    def propose_batch(self, payloads: Iterable[Buffer]) -> EntryId | Forwarded:
        """Proposes entries that get consecutive places in the log. Returns the EntryId of the first,
        or Forwarded.

        Raises ProposalDropped or LimitReached: then none of them was taken.
        """
    def propose_conf_change(self, change: ConfChange) -> EntryId | Forwarded:
        """Proposes a change of the membership. It is in force where it is applied. Returns as
        `propose` does.

        Raises ConfChangeError if the leader knows that the change would come to nothing: another
        may be pending, it cannot be applied, or it changes no member. It never enters the log then
        (with `etcd_compat` an empty entry of kind NORMAL takes its place). Raises ProposalDropped or
        LimitReached.
        """
    def propose_conf_change_v1(self, change: ConfChange, *, id: int = 0) -> EntryId | Forwarded:
        """Proposes a change of the membership in the encoding of the first version, for groups with
        members that know no other. `id` is the host's own number for it, which travels in the entry; 0:
        none. Otherwise as `propose_conf_change`.

        Raises ProposalDropped, LimitReached; ValueError if the change has not exactly one operation, or a
        transition.
        """
    def propose_entry(self, kind: EntryKind, data: Buffer) -> EntryId | Forwarded:
        """Proposes an entry of a kind with a payload that the host has encoded itself:
        `ConfChange.encode`, or bytes of another implementation. Returns as `propose` does.

        Raises LimitReached; ProposalDropped, also if the payload of a membership change is none.
        """
    def apply_conf_change(self, change: ConfChange | Entry) -> ConfState:
        """Brings a committed change of the membership in force: to be called when its entry is
        applied. Takes the entry, or the change that it carries. Returns the new membership, which
        the host stores.

        At any time from when the entry is handed out until it counts as applied: that is until `advance`,
        or until the notice of `Ready.storage_apply` goes back. The node may be ticked and stepped in
        between, by the old membership. Later would be too late, and is not noticed: with two changes that
        count as applied and are not in force, majorities need not overlap any more.

        Raises DecodeError or ConfChangeError if the entry cannot be carried out: it changes nothing,
        here and on every other node; go on with the next entry.
        """
    def campaign(self) -> None:
        """Campaigns without waiting for the election timeout. Without effect on a leader, on a node
        that does not vote, and while a snapshot or a membership change waits to be applied; with
        lease-based reads also while a lease may run that this node has granted.
        """
    def transfer_leader(self, to: int) -> None:
        """Hands leadership to a voter; a follower passes the wish on. `take_transfer_outcome` of the node that
        led has the outcome. Given up after an election timeout; proposals are refused meanwhile. The same
        target once more gets no more time, another one replaces it, and this node itself ends it.

        Raises InvalidTransferee, NoLeader or LimitReached.
        """
    def forget_leader(self) -> None:
        """Makes a follower forget its leader, so that it votes for others at once. Without effect on
        other roles, and with lease-based reads.
        """
    def read_index(self, context: Buffer) -> None:
        """Asks for the index at which a linearizable read may be served. The answer comes in
        `Ready.read_states` with the same context, or never: ask again after a while. Use contexts
        that no earlier life of the node has used: an answer to it may still arrive.

        Raises NoLeader or LimitReached.
        """
    def report_unreachable(self, id: int) -> None:
        """Reports that a message to the given node was lost, as far as the host knows. Call it on every
        node for every loss, as soon as it is known, whatever the message was: a leader sends again at
        once what may be lost, and a follower makes its leader ask for acknowledgements that may be. Both
        only a few times until they hear from that node: one that is dead may be reported, too.
        """
    def report_snapshot(self, id: int, delivered: bool) -> None:
        """Reports how the delivery of a snapshot to the given node ended. It is delivered when the
        receiver has handed it to its node; a transport that cannot know reports every failure that
        it sees, and True otherwise. A host must do so: until then the leader sends that node nothing
        else. A report that is wrong costs time only.
        """
    def has_ready(self) -> bool:
        """Whether there is work: then `ready` returns it."""
    def ready(self) -> Ready:
        """Takes the work that has gathered; perhaps there is none. Keep it until it is advanced: work
        that was dropped is not handed out again, and then only a new node, made from the storage,
        goes on. When an interrupt comes out of this call, the next one returns the work.

        Raises ReadyOutstanding if the last one was not advanced (not with asynchronous writes), and
        StorageError.
        """
    def advance(self, ready: Ready) -> None:
        """Takes note that the work is done: all of it is stored, and the committed entries are
        applied.

        Raises ForeignReady if it is another node's, or was advanced before, and WrongWriteMode with
        asynchronous writes. Any other exception
        reports what went wrong in consequence; the work counts as done all the same.
        """
    def give_back(self, ready: Ready) -> None:
        """Takes back a Ready that was not begun: nothing of it was applied. The work is not lost; the next
        `ready` has it, with what has come since. Messages that were sent are sent again, and what was stored
        is handed out again; both do no harm if the storage passes over a snapshot that it has already.

        Raises ForeignReady if it is another node's, or was advanced or given back before, and
        WrongWriteMode with asynchronous writes.
        """
    def acknowledge(self, ack: Ack) -> None:
        """Takes note that a part of the work is done, with `Config.async_storage_writes`: takes the
        notices of a Ready back.

        Raises WrongWriteMode with synchronous writes, UnknownAck if the work was never handed out, and
        PeerNotFound if the node is no member any more and what it stored does not count.
        """
    def take_storage_error(self) -> StorageError | None:
        """The last StorageError that made no call fail, once; None if there was none. It kept the
        leader from sending a member what it needs, and the leader tries again by itself. The observer's
        `log`, or else the logger "raftcore", gets a warning too: once for each member and cause, and again
        if the cause went away and came back.
        """
    def take_transfer_outcome(self) -> TransferOutcome | None:
        """How the last leadership transfer that this node began as a leader ended, once; None if there is
        nothing to report. To be asked after `tick` and `advance` while a transfer is pending; if the node
        lost its leadership meanwhile, there is an outcome when it knows the next leader.
        """
    def basic_status(self) -> BasicStatus:
        """The node's state as far as it knows it by itself: without membership and progress, and without
        a look into the storage. For hosts that look often.
        """
    def status(self) -> Status:
        """The node's state, for people and for metrics."""
    def set_observer(
        self,
        *,
        log: Callable[[int, str], object] | None = None,
        trace: Callable[[dict[str, Any]], object] | None = None,
        etcd_trace: Callable[[str], object] | None = None,
        etcd_time: Callable[[], int] | None = None,
        log_level: int = 20,
    ) -> None:
        """Has the node watched from now on, by these instead of whom there was; by nobody if there is none.

        `log` gets a level of `logging` and words for people: INFO when role, leader or membership
        change, WARNING when the storage fails, ERROR when data was lost, DEBUG when a call is refused;
        nothing below `log_level`. The method `log` of a `logging.Logger` is one. `trace` gets a dict
        for each thing that happens, which json can write: docs/abi.md lists them. It costs time.

        `etcd_trace` gets lines in the format of etcd/raft's own tracer, for its TLA+ specification:
        docs/trace.md says what that knows, and how the host has to work. `etcd_time` tells the time of
        a line, by which lines of several processes are brought in order: `time.time_ns`, say.

        All are called from within the calls of the node, in order. They cannot make those fail: an
        Exception goes to `sys.unraisablehook`, and only what is none (KeyboardInterrupt, SystemExit)
        comes out of the call, whose work is done. What calls the node from within gets Reentrant.

        Raises TypeError for what is not callable.
        """
    def check_invariants(self) -> None:
        """Checks that what must hold within every node does. For tests of programs, and of this library.

        Raises BrokenInvariant, which names the condition, if not: a defect of the library.
        """

def check_storage(
    make: Callable[[], Any], write: type[StorageWrite]
) -> list[tuple[str, str, str, str, str]]:
    """Tries the storages that `make` gives; `write` is the class of what they are asked to store. What
    `raftcore.storage_check` makes its findings of.
    """

def check_config(config: Config) -> None:
    """Raises ConfigError if the configuration is not usable."""

def handshake(config: Config) -> bytes:
    """What a peer needs to know of a node of this configuration."""

def check_handshake(config: Config, peer: bytes) -> None:
    """Raises ConfigError if the peer that sent this handshake does not fit the configuration."""

def log_position(storage: Storage, node: int) -> tuple[int, int, EntryId, int]:
    """How far the log of a node reaches: what `raftcore.recovery.log_position` returns."""

def recover(
    storage: Storage,
    node: int,
    applied: int,
    members: ConfState,
    survivors: list[tuple[int, int, EntryId, int]],
    dialect: _Dialect,
) -> tuple[tuple[Entry, ...], HardState, ConfState, EntryId, int, int, bool]:
    """What `raftcore.recovery.recover` makes its answer of."""

def encode_backup(snapshot: Snapshot) -> bytes:
    """The bytes of a backup of the snapshot."""

def decode_backup(backup: Buffer) -> Snapshot:
    """What a backup holds. Raises DecodeError."""

def restore(backup: Buffer, members: ConfState) -> tuple[Snapshot, HardState]:
    """Snapshot and hard state of each first member of a new group. Raises DecodeError, RecoveryRefused or
    ConfChangeError.
    """

def config_defaults() -> dict[str, Any]:
    """The core's own defaults, by name of the field."""

def encode_conf_change(change: ConfChange, dialect: _Dialect) -> bytes:
    """The payload of an entry that carries the change."""

def encode_conf_change_v1(change: ConfChange, dialect: _Dialect, id: int) -> bytes:
    """The payload of an entry that carries the change in its first version."""

def decode_conf_change(
    entry: Entry, dialect: _Dialect
) -> tuple[Sequence[tuple[int, int]], int, bytes]:
    """Operations, transition and context of the change that the entry carries. Raises DecodeError."""
