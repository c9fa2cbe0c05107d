//! Proposals: copied, or lent by the host.

use std::ffi::c_void;

use bytes::Bytes;

use crate::args::{self, Output};
use crate::copies::Payloads;
use crate::handle::{State, call, raft_node};
use crate::lend::Release;
use crate::status::{Failure, raft_status};
use crate::types::{self, raft_entry_id, raft_slice};

/// Proposes an entry. A follower passes it on to the leader (unless raft_config.forward_proposals
/// is false).
///
/// `data` is copied. `placed` may be NULL. On success it is where the entry is in this leader's log:
/// it is committed once a committed entry has this very term and index, and lost once another one
/// has its index. It is {0, 0} if the proposal was passed on: then its fate is not reported.
///
/// Any thread. Errors: RAFT_ERR_PROPOSAL_DROPPED, RAFT_ERR_LIMIT (a follower that has too much to pass on
/// already), RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_STORAGE,
/// RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose(
    node: *mut raft_node,
    data: raft_slice,
    placed: *mut raft_entry_id,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, data as long as it says, and NULL or room for
    // the result.
    unsafe {
        call(node, |node| {
            let data = args::bytes(data, "data")?;
            let placed = Output::optional(placed, "placed")?;
            if data.len() > Payloads::LARGEST {
                // Copied before the node is locked.
                return propose(node, args::owned(data)?, placed);
            }
            node.lock(|state| {
                let data = state.busy().payloads.copy(data);
                state.propose(data, &placed)
            })
        })
    }
}

fn propose(node: &raft_node, data: Bytes, placed: Output<raft_entry_id>) -> Result<(), Failure> {
    node.lock(|state| state.propose(data, &placed))
}

impl State {
    fn propose(&mut self, data: Bytes, placed: &Output<raft_entry_id>) -> Result<(), Failure> {
        placed.set(self.raw.propose(data)?.into());
        Ok(())
    }
}

/// Proposes several entries at once: all of them, one after the other, or none.
///
/// `data` points to `len` slices, which are copied into one block of memory that lives as long as
/// the last of them. `first` may be NULL; on success it is the place of the first, as in
/// raft_propose; the others follow at the next indexes, in the same term.
///
/// Any thread. Errors: as raft_propose; RAFT_ERR_PROPOSAL_DROPPED also if `len` is 0.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_batch(
    node: *mut raft_node,
    data: *const raft_slice,
    len: usize,
    first: *mut raft_entry_id,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, `len` slices as long as they say, and NULL or
    // room for the result.
    unsafe {
        call(node, |node| {
            let first = Output::optional(first, "first")?;
            let batch = copy_batch(args::array(data, len, "data")?)?;
            let proposed = node.lock(|state| Ok(state.raw.propose_batch(batch)?))?;
            first.set(proposed.into());
            Ok(())
        })
    }
}

/// Copies payloads with one allocation for all of them.
///
/// # Safety
/// Each slice is as long as it says.
unsafe fn copy_batch(slices: &[raft_slice]) -> Result<impl Iterator<Item = Bytes>, Failure> {
    let len = |slice: &raft_slice| if slice.data.is_null() { 0 } else { slice.len };
    let mut block = args::vec_for(slices.iter().map(len).fold(0, usize::saturating_add))?;
    for slice in slices {
        // SAFETY: the same contract.
        block.extend_from_slice(unsafe { args::bytes(*slice, "data") }?);
    }
    let mut rest = Bytes::from(block);
    Ok(slices.iter().map(move |slice| rest.split_to(slice.len)))
}

/// Proposes an entry without copying it.
///
/// `data` must stay as it is until `release(context)` is called: exactly once, by any thread,
/// whatever this function answers (on an error perhaps before it returns, on success when neither
/// the library nor a ready view needs the bytes any more). `release` is not NULL, and must not call
/// the library. `placed` as in raft_propose.
///
/// Any thread. Errors: as raft_propose.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_owned(
    node: *mut raft_node,
    data: raft_slice,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
    placed: *mut raft_entry_id,
) -> raft_status {
    let release = Release::new(release, context);
    // SAFETY: the header demands NULL or a live node, data that stays as it is until the release,
    // and NULL or room for the result.
    unsafe {
        call(node, |node| {
            let data = release?.lend(data, "data")?;
            propose(node, data, Output::optional(placed, "placed")?)
        })
    }
}

/// Proposes several entries at once without copying them: all of them, one after the other, or none.
///
/// `data` points to `len` slices; the array is read during the call, but what the slices show must
/// stay as it is until `release(context)` is called, once for all of them, as in raft_propose_owned.
/// `first` as in raft_propose_batch.
///
/// Any thread. Errors: as raft_propose_batch.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_batch_owned(
    node: *mut raft_node,
    data: *const raft_slice,
    len: usize,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
    first: *mut raft_entry_id,
) -> raft_status {
    let release = Release::new(release, context);
    // SAFETY: the header demands NULL or a live node, `len` slices that show what stays as it is
    // until the release, and NULL or room for the result.
    unsafe {
        call(node, |node| {
            let release = release?;
            let first = Output::optional(first, "first")?;
            let batch = release.lend_all(args::array(data, len, "data")?, "data")?;
            let proposed = node.lock(|state| Ok(state.raw.propose_batch(batch)?))?;
            first.set(proposed.into());
            Ok(())
        })
    }
}

/// Proposes an entry of a kind, a RAFT_ENTRY_ constant, with the payload that the host has encoded itself:
/// by raft_conf_change_encode, or by another implementation. `data` is copied; `placed` as in raft_propose.
///
/// Any thread. Errors: as raft_propose_conf_change; RAFT_ERR_PROPOSAL_DROPPED also if the bytes are no
/// membership change, RAFT_ERR_INVALID_ARGUMENT for an unknown kind.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_entry(
    node: *mut raft_node,
    kind: i32,
    data: raft_slice,
    placed: *mut raft_entry_id,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, data as long as it says, and NULL or room for the
    // result.
    unsafe {
        call(node, |node| {
            let placed = Output::optional(placed, "placed")?;
            let kind = types::entry_kind(kind)?;
            let data = args::copy(data, "data")?;
            placed.set(node.lock(|state| Ok(state.raw.propose_entry(kind, data)?))?.into());
            Ok(())
        })
    }
}
