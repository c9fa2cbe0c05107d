//! Asynchronous storage writes: the notices that come with work, and go back when it is done.

use raftcore::{Ack, EntryId};

use crate::args;
use crate::handle::{call, raft_node};
use crate::status::{Failure, raft_status};

/// Notice that storage work is done, for nodes with raft_config.async_storage_writes: it comes with
/// a ready view and goes back with raft_acknowledge. What is in it is the library's own. It refers to
/// nothing: copy it, keep it as long as you like, hand it to another thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct raft_ack {
    /// What it is about.
    pub kind: i32,
    /// Which of the numbers count.
    pub flags: u32,
    /// Terms, indexes and sizes.
    pub numbers: [u64; 4],
}

const OWN_APPEND: i32 = 1;
const OWN_VOTE: i32 = 2;
const STORED: i32 = 3;
const APPLIED: i32 = 4;

const IS_PRE_VOTE: u32 = 1;
const HAS_LAST: u32 = 1;
const HAS_SNAPSHOT: u32 = 2;

impl From<&Ack> for raft_ack {
    fn from(ack: &Ack) -> Self {
        let (kind, flags, numbers) = match *ack {
            Ack::OwnAppend { term, index } => (OWN_APPEND, 0, [term, index, 0, 0]),
            Ack::OwnVote { term, pre } => (OWN_VOTE, if pre { IS_PRE_VOTE } else { 0 }, [term, 0, 0, 0]),
            Ack::Stored { term, last, snapshot } => {
                let flags = if last.is_some() { HAS_LAST } else { 0 };
                let flags = flags | if snapshot.is_some() { HAS_SNAPSHOT } else { 0 };
                let last = last.unwrap_or_default();
                (STORED, flags, [term, last.term, last.index, snapshot.unwrap_or_default()])
            }
            Ack::Applied { index, bytes, payload_bytes } => (APPLIED, 0, [index, bytes, payload_bytes, 0]),
        };
        Self { kind, flags, numbers }
    }
}

impl raft_ack {
    fn to_ack(self) -> Result<Ack, Failure> {
        let [first, second, third, fourth] = self.numbers;
        let has = |flag| self.flags & flag != 0;
        let ack = match self.kind {
            OWN_APPEND => Ack::OwnAppend { term: first, index: second },
            OWN_VOTE => Ack::OwnVote { term: first, pre: has(IS_PRE_VOTE) },
            STORED => Ack::Stored {
                term: first,
                last: has(HAS_LAST).then_some(EntryId::new(second, third)),
                snapshot: has(HAS_SNAPSHOT).then_some(fourth),
            },
            APPLIED => Ack::Applied { index: first, bytes: second, payload_bytes: third },
            other => return Err(Failure::argument("acks.kind", format!("is unknown: {other}"))),
        };
        // What does not look as it was handed out was changed on its way.
        match Self::from(&ack) == self {
            true => Ok(ack),
            false => Err(Failure::argument("acks", "is not as it was handed out")),
        }
    }
}

/// Tells the node that storage work is done (raft_config.async_storage_writes): hands back notices
/// that came with a ready view. raft_ready_view says when each may go back. Those of storage go back
/// in the order in which they were handed out, and so do those of application.
///
/// `acks` points to `len` notices. All of them are taken, also if one of them cannot be acted upon:
/// the answer is the first error. Each notice goes back once; one that comes late or twice is
/// recognised by its term or index, and does nothing.
///
/// Any thread. Errors: RAFT_ERR_WRONG_WRITE_MODE, RAFT_ERR_UNKNOWN_ACK (of work that was not handed
/// out), RAFT_ERR_PEER_NOT_FOUND (the node is no member any more, and what it stored does not count;
/// no mistake), RAFT_ERR_STORAGE (something that follows from the notice failed, and is tried again
/// later), RAFT_ERR_COMMITTED_CONFLICT (as raft_advance), RAFT_ERR_INVALID_ARGUMENT (none of them was
/// taken), RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_acknowledge(
    node: *mut raft_node,
    acks: *const raft_ack,
    len: usize,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and `len` notices.
    unsafe {
        call(node, |node| {
            let acks = args::array(acks, len, "acks")?.iter().map(|ack| ack.to_ack());
            let acks = acks.collect::<Result<Vec<_>, _>>()?;
            node.lock(|state| state.acknowledge(acks))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_survive_the_way_through_c() {
        let acks = [
            Ack::OwnAppend { term: 1, index: 2 },
            Ack::OwnVote { term: 3, pre: true },
            Ack::OwnVote { term: 3, pre: false },
            Ack::Stored { term: 4, last: Some(EntryId::new(5, 6)), snapshot: Some(7) },
            Ack::Stored { term: 4, last: None, snapshot: Some(7) },
            Ack::Stored { term: 4, last: Some(EntryId::new(5, 6)), snapshot: None },
            Ack::Applied { index: 8, bytes: 9, payload_bytes: 10 },
        ];
        for ack in acks {
            assert_eq!(raft_ack::from(&ack).to_ack().unwrap(), ack);
        }
    }

    #[test]
    fn what_was_changed_on_its_way_is_refused() {
        let good = raft_ack::from(&Ack::OwnAppend { term: 1, index: 2 });
        assert!(raft_ack { kind: 0, ..good }.to_ack().is_err());
        assert!(raft_ack { kind: 5, ..good }.to_ack().is_err());
        assert!(raft_ack { flags: 4, ..good }.to_ack().is_err());
        assert!(raft_ack { numbers: [1, 2, 3, 0], ..good }.to_ack().is_err());
    }
}
