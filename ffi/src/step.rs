//! Messages from peers.

use std::ffi::c_void;

use raftcore::{Body, Message, wire};

use crate::args::{self, Output};
use crate::copies;
use crate::handle::{State, call, raft_node};
use crate::lend::Release;
use crate::status::{Failure, RAFT_OK, raft_status};
use crate::types::raft_slice;

/// Hands over a message from a peer: the bytes that the peer's raft_message had.
///
/// The bytes may come from anybody: what is not a message, or breaks the protocol, is refused. An error
/// changes nothing, whoever sent it: neither term nor vote nor leader, neither log nor timers. (A message
/// is validated before its term counts.) The bytes are copied.
///
/// They are not authenticated: that is the transport's part, which also keeps out the nodes of other groups
/// (raft_config_handshake). A well-formed message of a term up to 2^32 above the node's own is taken from a
/// node that is no member, for a leader may not be in the receiver's membership yet (thesis section 4.1).
///
/// Any thread. Errors: RAFT_ERR_DECODE, RAFT_ERR_INVALID_MESSAGE, RAFT_ERR_PEER_NOT_FOUND,
/// RAFT_ERR_PROPOSAL_DROPPED and RAFT_ERR_CONF_CHANGE (a forwarded proposal), RAFT_ERR_LIMIT (so much
/// waits to be taken from the node that the message is dropped, as a network may drop it),
/// RAFT_ERR_COMMIT_BEYOND_LOG,
/// RAFT_ERR_COMMITTED_CONFLICT, RAFT_ERR_STORAGE, RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT,
/// RAFT_ERR_POISONED. All of them may be logged and forgotten, except RAFT_ERR_COMMIT_BEYOND_LOG and
/// RAFT_ERR_COMMITTED_CONFLICT (data was lost, says a member: stop the node), RAFT_ERR_REENTRANT and
/// RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_step(node: *mut raft_node, message: raft_slice) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and a message as long as it says.
    unsafe {
        call(node, |node| {
            let message = copies::decode(args::bytes(message, "message")?)?;
            step(node, message)
        })
    }
}

fn step(node: &raft_node, message: Message) -> Result<(), Failure> {
    node.lock(|state| state.step(node, message))
}

impl State {
    fn step(&mut self, node: &raft_node, message: Message) -> Result<(), Failure> {
        if let Some(observer) = node.watcher() {
            self.tell_delivery(&observer, &message);
        }
        Ok(self.raw.step(message)?)
    }
}

/// Hands over a message from a peer without copying it: for large ones, whose entries then share the
/// caller's memory.
///
/// `message` must stay as it is until `release(context)` is called: exactly once, by any thread,
/// whatever this function answers. `release` is not NULL, and must not call the library. A small part
/// of a message that is kept keeps all of it.
///
/// Any thread. Errors: as raft_step.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_step_owned(
    node: *mut raft_node,
    message: raft_slice,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
) -> raft_status {
    let release = Release::new(release, context);
    // SAFETY: the header demands NULL or a live node, and a message that stays as it is until the
    // release.
    unsafe { call(node, |node| step(node, wire::decode(&release?.lend(message, "message")?)?)) }
}

/// Hands over several messages from peers, in this order, with the node locked once: cheaper than
/// raft_step for each, and what they cause is answered in one ready view. They are copied.
///
/// `messages` points to `len` slices. `statuses` may be NULL; otherwise it has room for `len`
/// statuses, and gets what raft_step would have answered to each. All messages are handed over, also
/// if one of them is refused; then the answer is the first status that is not RAFT_OK.
///
/// Any thread. Errors: as raft_step. After RAFT_ERR_INVALID_ARGUMENT (NULL where it is not allowed,
/// also in one of the slices), RAFT_ERR_REENTRANT and RAFT_ERR_POISONED no statuses were written.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_step_batch(
    node: *mut raft_node,
    messages: *const raft_slice,
    len: usize,
    statuses: *mut raft_status,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, `len` messages as long as they say, and NULL
    // or room for as many statuses.
    unsafe {
        call(node, |node| {
            let statuses = Output::optional(statuses, "statuses")?;
            let messages = args::array(messages, len, "messages")?;
            let borrowed = messages.iter().map(|message| args::bytes(*message, "messages"));
            let borrowed = borrowed.collect::<Result<Vec<_>, _>>()?;
            let messages = borrowed.into_iter().map(copies::decode);
            let (answers, result) = node.lock(|state| Ok(state.step_all(node, messages)))?;
            statuses.set_all(answers.into_iter());
            result
        })
    }
}

impl State {
    /// What became of each message, and the first failure.
    fn step_all(
        &mut self,
        node: &raft_node,
        messages: impl Iterator<Item = Result<Message, Failure>>,
    ) -> (Vec<raft_status>, Result<(), Failure>) {
        let mut first_error = Ok(());
        let answers = messages.map(|message| {
            let result = message.and_then(|message| self.step(node, message));
            let status = result.as_ref().map_or_else(Failure::status, |()| RAFT_OK);
            if first_error.is_ok() {
                first_error = result;
            }
            status
        });
        (answers.collect(), first_error)
    }
}

/// Hands over a snapshot from a leader whose host has raft_config.lend_snapshots: the message, and
/// the snapshot's data, which came another way and is not copied.
///
/// `message` is what raft_snapshot_message.message had; it is copied. `data` must stay as it is until
/// `release(context)` is called: exactly once, by any thread, whatever this function answers.
/// `release` is not NULL, and must not call the library.
///
/// Any thread. Errors: as raft_step; RAFT_ERR_INVALID_ARGUMENT also if `message` is no
/// RAFT_MESSAGE_SNAPSHOT, or has data itself.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_step_snapshot(
    node: *mut raft_node,
    message: raft_slice,
    data: raft_slice,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
) -> raft_status {
    let release = Release::new(release, context);
    // SAFETY: the header demands NULL or a live node, a message as long as it says, and data that
    // stays as it is until the release.
    unsafe {
        call(node, |node| {
            let data = release?.lend(data, "data")?;
            let mut message = copies::decode(args::bytes(message, "message")?)?;
            match &mut message.body {
                Body::Snapshot(snapshot) if snapshot.data.is_empty() => snapshot.data = data,
                Body::Snapshot(_) => return Err(Failure::argument("message", "has data itself")),
                _ => return Err(Failure::argument("message", "is no snapshot")),
            }
            step(node, message)
        })
    }
}
