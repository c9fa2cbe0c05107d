//! Status codes, and how the library's errors become them.

use std::borrow::Cow;
use std::ffi::{CStr, c_char};
use std::fmt;

use raftcore::{DecodeError, Error, StorageError};

/// What a call answers: RAFT_OK or one of the negative RAFT_ERR_ codes.
///
/// Unless a function says otherwise, a call that fails has changed nothing and written to none of
/// its output arguments.
pub type raft_status = i32;

/// Success.
pub const RAFT_OK: i32 = 0;
/// An argument is NULL, misaligned, of an unknown struct_size, or no known integer.
/// raft_node_last_error names it.
pub const RAFT_ERR_INVALID_ARGUMENT: i32 = -1;
/// The configuration is not usable. raft_node_last_error names the field.
pub const RAFT_ERR_CONFIG: i32 = -2;
/// A storage callback failed, or its answer broke the contract of raft_storage.
pub const RAFT_ERR_STORAGE: i32 = -3;
/// What the storage holds does not fit together; the node cannot start from it.
pub const RAFT_ERR_INCONSISTENT_STORAGE: i32 = -4;
/// The proposal was not taken and will not take effect. Most often: no leader is known.
pub const RAFT_ERR_PROPOSAL_DROPPED: i32 = -5;
/// A reply came from a node that is not a member. It was ignored.
pub const RAFT_ERR_PEER_NOT_FOUND: i32 = -6;
/// A message breaks the protocol, is of a term or an index that no honest group reaches, or comes from a
/// node that is no member and contradicts what is committed here. It was refused, and changed nothing.
pub const RAFT_ERR_INVALID_MESSAGE: i32 = -7;
/// A member that leads says that an entry is committed which this node acknowledged and no longer has: its
/// storage lost data. Nothing was changed. Stop the node, keep its storage to look for the cause, and
/// replace it by a member with a new id (docs/abi.md). No message of another node causes this.
pub const RAFT_ERR_COMMIT_BEYOND_LOG: i32 = -8;
/// A member that leads lacks an entry that is committed here: two groups whose members have the same ids were
/// mixed up, or a storage lost data. Nothing was changed. Stop the node and find out which before it goes on
/// (docs/abi.md). No message of another node causes this.
pub const RAFT_ERR_COMMITTED_CONFLICT: i32 = -9;
/// A membership change cannot be carried out. Proposed, it was not taken; committed, it changes nothing,
/// here and on every other node. raft_node_last_error has the reason.
pub const RAFT_ERR_CONF_CHANGE: i32 = -10;
/// Bytes are not the encoding of what they should be.
pub const RAFT_ERR_DECODE: i32 = -11;
/// A ready view (or an unfinished raft_drive) is outstanding: finish it first.
pub const RAFT_ERR_READY_OUTSTANDING: i32 = -12;
/// The ready view is not the outstanding one of this node.
pub const RAFT_ERR_FOREIGN_READY: i32 = -13;
/// The call is for the other mode of storage writes.
pub const RAFT_ERR_WRONG_WRITE_MODE: i32 = -14;
/// An acknowledgement of work that was never handed out.
pub const RAFT_ERR_UNKNOWN_ACK: i32 = -15;
/// The node knows no leader to pass the request to.
pub const RAFT_ERR_NO_LEADER: i32 = -16;
/// A callback of this node called the node back where it may not.
pub const RAFT_ERR_REENTRANT: i32 = -17;
/// A defect in the library was caught (a panic). The node may only be freed: every other call on it
/// answers this, and nothing it was about to say may be relied on.
pub const RAFT_ERR_POISONED: i32 = -18;
/// A callback of raft_host failed. raft_node_last_error has its name and status.
pub const RAFT_ERR_CALLBACK: i32 = -19;
/// The caller's buffer is too small, or (raft_entry_sink_push) enough was pushed.
pub const RAFT_ERR_TOO_LARGE: i32 = -20;
/// Another thread is inside raft_drive of this node.
pub const RAFT_ERR_BUSY: i32 = -21;
/// Leadership cannot go to this node: it is not a voter of the group.
pub const RAFT_ERR_INVALID_TRANSFEREE: i32 = -22;
/// There is no memory for what a caller asked to have copied.
pub const RAFT_ERR_NO_MEMORY: i32 = -23;
/// The node's state contradicts itself: a defect of the library, or damaged memory.
pub const RAFT_ERR_INVARIANT: i32 = -24;
/// The node (or memory storage) belongs to the process that this one was forked from, and cannot be
/// used here. Make one of this process' own.
pub const RAFT_ERR_FORKED: i32 = -25;
/// A limit of raft_config is reached (raft_node_last_error names it): the message or request was not taken,
/// and nothing has changed. Take a ready view, or try again later. docs/limits.md has all of them.
pub const RAFT_ERR_LIMIT: i32 = -26;
/// A recovery or a restore would be unsafe or makes no sense (raft_node_last_error(NULL, ..) says why).
pub const RAFT_ERR_RECOVERY: i32 = -27;
/// An error for which this version of the interface has no code. raft_node_last_error explains it.
pub const RAFT_ERR_OTHER: i32 = -39;

/// For storage callbacks: the entry is covered by a snapshot and gone.
pub const RAFT_ERR_COMPACTED: i32 = -40;
/// For storage callbacks: the entry is beyond the end of the log.
pub const RAFT_ERR_UNAVAILABLE: i32 = -41;
/// For storage callbacks: a snapshot is being made; ask again later.
pub const RAFT_ERR_SNAPSHOT_UNAVAILABLE: i32 = -42;
/// For callbacks: reading, writing or sending failed. Any other negative value that the library
/// does not use itself says the same; raft_node_last_error repeats it.
pub const RAFT_ERR_IO: i32 = -43;

/// Says in English what `status` means. Any integer is allowed. Never NULL; the text is static.
/// Any thread.
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn raft_status_message(status: raft_status) -> *const c_char {
    message(status).as_ptr()
}

pub(crate) fn message(status: raft_status) -> &'static CStr {
    match status {
        RAFT_OK => c"success",
        RAFT_ERR_INVALID_ARGUMENT => c"invalid argument",
        RAFT_ERR_CONFIG => c"invalid configuration",
        RAFT_ERR_STORAGE => c"the storage could not answer",
        RAFT_ERR_INCONSISTENT_STORAGE => c"the stored state does not fit together",
        RAFT_ERR_PROPOSAL_DROPPED => c"the proposal was dropped",
        RAFT_ERR_PEER_NOT_FOUND => c"the sender is not a member of the group",
        RAFT_ERR_INVALID_MESSAGE => c"the message breaks the protocol",
        RAFT_ERR_COMMIT_BEYOND_LOG => c"the log lost committed entries",
        RAFT_ERR_COMMITTED_CONFLICT => c"an entry contradicts a committed one",
        RAFT_ERR_CONF_CHANGE => c"the membership change cannot be carried out",
        RAFT_ERR_DECODE => c"the bytes cannot be decoded",
        RAFT_ERR_READY_OUTSTANDING => c"a ready view is outstanding",
        RAFT_ERR_FOREIGN_READY => c"not the outstanding ready view of this node",
        RAFT_ERR_WRONG_WRITE_MODE => c"not in this mode of storage writes",
        RAFT_ERR_UNKNOWN_ACK => c"acknowledgement of work that was not handed out",
        RAFT_ERR_NO_LEADER => c"no leader is known",
        RAFT_ERR_REENTRANT => c"a callback called its own node",
        RAFT_ERR_POISONED => c"the node met an internal error and may only be freed",
        RAFT_ERR_CALLBACK => c"a callback of the host failed",
        RAFT_ERR_TOO_LARGE => c"too large",
        RAFT_ERR_BUSY => c"another thread is driving this node",
        RAFT_ERR_INVALID_TRANSFEREE => c"the node is not a voter and cannot lead",
        RAFT_ERR_NO_MEMORY => c"there is not enough memory",
        RAFT_ERR_INVARIANT => c"the node's state contradicts itself",
        RAFT_ERR_FORKED => c"it was inherited from another process by fork",
        RAFT_ERR_LIMIT => c"a limit of the configuration is reached",
        RAFT_ERR_RECOVERY => c"the recovery is refused",
        RAFT_ERR_OTHER => c"an error without a code of its own",
        RAFT_ERR_COMPACTED => c"the entry was compacted",
        RAFT_ERR_UNAVAILABLE => c"the entry is not there",
        RAFT_ERR_SNAPSHOT_UNAVAILABLE => c"the snapshot is not available right now",
        RAFT_ERR_IO => c"input or output failed",
        _ => c"a status of the host's own",
    }
}

/// Why a call fails: becomes a status, and the text of `raft_node_last_error`.
#[derive(Debug)]
pub(crate) enum Failure {
    Core(Error),
    Argument { name: Cow<'static, str>, problem: Cow<'static, str> },
    ReadyOutstanding,
    ForeignReady,
    Reentrant,
    Poisoned,
    Panic(String),
    Callback { name: &'static str, status: raft_status },
    TooLarge { needed: usize },
    NoMemory { needed: usize },
    Invariant(&'static str),
    Busy,
    Forked,
}

impl Failure {
    pub(crate) fn argument(
        name: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Argument { name: name.into(), problem: problem.into() }
    }

    pub(crate) fn status(&self) -> raft_status {
        match self {
            Self::Core(error) => status_of(error),
            Self::Argument { .. } => RAFT_ERR_INVALID_ARGUMENT,
            Self::ReadyOutstanding => RAFT_ERR_READY_OUTSTANDING,
            Self::ForeignReady => RAFT_ERR_FOREIGN_READY,
            Self::Reentrant => RAFT_ERR_REENTRANT,
            Self::Poisoned | Self::Panic(_) => RAFT_ERR_POISONED,
            Self::Callback { .. } => RAFT_ERR_CALLBACK,
            Self::TooLarge { .. } => RAFT_ERR_TOO_LARGE,
            Self::NoMemory { .. } => RAFT_ERR_NO_MEMORY,
            Self::Invariant(_) => RAFT_ERR_INVARIANT,
            Self::Busy => RAFT_ERR_BUSY,
            Self::Forked => RAFT_ERR_FORKED,
        }
    }
}

fn status_of(error: &Error) -> raft_status {
    match error {
        Error::Config(_) => RAFT_ERR_CONFIG,
        Error::Storage(_) => RAFT_ERR_STORAGE,
        Error::InconsistentStorage(_) => RAFT_ERR_INCONSISTENT_STORAGE,
        Error::ProposalDropped(_) => RAFT_ERR_PROPOSAL_DROPPED,
        Error::PeerNotFound(_) => RAFT_ERR_PEER_NOT_FOUND,
        Error::InvalidMessage(_) => RAFT_ERR_INVALID_MESSAGE,
        Error::CommitBeyondLog { .. } => RAFT_ERR_COMMIT_BEYOND_LOG,
        Error::CommittedConflict { .. } => RAFT_ERR_COMMITTED_CONFLICT,
        Error::ConfChange(_) => RAFT_ERR_CONF_CHANGE,
        Error::Decode(_) => RAFT_ERR_DECODE,
        Error::ReadyOutstanding => RAFT_ERR_READY_OUTSTANDING,
        Error::ForeignReady => RAFT_ERR_FOREIGN_READY,
        Error::WrongWriteMode => RAFT_ERR_WRONG_WRITE_MODE,
        Error::UnknownAck => RAFT_ERR_UNKNOWN_ACK,
        Error::InvalidTransferee(_) => RAFT_ERR_INVALID_TRANSFEREE,
        Error::NoLeader => RAFT_ERR_NO_LEADER,
        Error::LimitReached(_) => RAFT_ERR_LIMIT,
        Error::Recovery(_) => RAFT_ERR_RECOVERY,
        _ => RAFT_ERR_OTHER,
    }
}

/// What a storage callback has answered.
pub(crate) fn status_of_storage(error: &StorageError) -> raft_status {
    match error {
        StorageError::Compacted => RAFT_ERR_COMPACTED,
        StorageError::Unavailable => RAFT_ERR_UNAVAILABLE,
        StorageError::SnapshotUnavailable => RAFT_ERR_SNAPSHOT_UNAVAILABLE,
        StorageError::Host { code, .. } => *code,
        _ => RAFT_ERR_STORAGE,
    }
}

/// What reads a struct names the struct's own fields, or nothing if it is the whole that is wrong: where the
/// struct was found is for its caller to say.
pub(crate) trait Within {
    /// Names the argument, or the field or element of one, in which something is wrong.
    fn within(self, place: impl fmt::Display) -> Self;
}

impl<T> Within for Result<T, Failure> {
    fn within(self, place: impl fmt::Display) -> Self {
        self.map_err(|failure| match failure {
            Failure::Argument { name, problem } if name.is_empty() => {
                Failure::argument(place.to_string(), problem)
            }
            Failure::Argument { name, problem } => Failure::argument(format!("{place}.{name}"), problem),
            other => other,
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Core(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core(error) => error.fmt(f),
            Self::Argument { name, problem } => write!(f, "argument `{name}` {problem}"),
            Self::Panic(text) => write!(f, "internal error: {text}"),
            Self::Callback { name, status } => {
                let meaning = message(*status).to_string_lossy();
                write!(f, "the host's callback `{name}` answered {status} ({meaning})")
            }
            Self::NoMemory { needed } => write!(f, "there is no memory for {needed} bytes"),
            Self::Invariant(condition) => write!(f, "it does not hold: {condition}"),
            Self::TooLarge { needed } => write!(f, "the buffer is too small: {needed} are needed"),
            other => f.write_str(&message(other.status()).to_string_lossy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use raftcore::{ConfChangeError, ConfigError, DropReason, Limit, RecoveryError};

    use super::*;

    #[test]
    fn each_error_of_the_core_has_a_code_of_its_own() {
        let errors = [
            Error::Config(ConfigError { field: "id", problem: "must not be 0" }),
            Error::Storage(StorageError::Compacted),
            Error::InconsistentStorage(String::new()),
            Error::ProposalDropped(DropReason::NoLeader),
            Error::PeerNotFound(1),
            Error::InvalidMessage(""),
            Error::CommitBeyondLog { commit: 2, last: 1 },
            Error::CommittedConflict { index: 1, committed: 2 },
            Error::ConfChange(ConfChangeError::NoVoters),
            Error::Decode(DecodeError::Malformed("")),
            Error::ReadyOutstanding,
            Error::ForeignReady,
            Error::WrongWriteMode,
            Error::UnknownAck,
            Error::InvalidTransferee(1),
            Error::NoLeader,
            Error::LimitReached(Limit::PendingReads),
            Error::Recovery(RecoveryError::LogFull),
        ];
        let mut codes: Vec<_> = errors.iter().map(status_of).collect();
        assert!(!codes.contains(&RAFT_ERR_OTHER));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), errors.len());
    }

    #[test]
    fn each_code_has_words_of_its_own() {
        let codes = (RAFT_ERR_RECOVERY..=RAFT_OK).chain(RAFT_ERR_IO..=RAFT_ERR_OTHER);
        let mut words: Vec<_> = codes.map(message).collect();
        let count = words.len();
        assert!(!words.contains(&message(i32::MIN)));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
