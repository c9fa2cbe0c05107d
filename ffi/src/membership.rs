//! Who belongs to the group: a membership owned by the library, and as bytes.

use raftcore::{ConfState, Configuration, wire};

use crate::args;
use crate::door;
use crate::object::{self, Mark, object};
use crate::status::{Failure, Within, raft_status};
use crate::types::{self, raft_conf_state, raft_slice};

/// A membership that the library owns. Does not change; any thread may read it.
pub struct raft_conf_state_buffer {
    mark: Mark,
    state: ConfState,
    encoded: Vec<u8>,
}

object!(raft_conf_state_buffer, 0x3c0f_57a6, "membership");

impl raft_conf_state_buffer {
    pub(crate) fn new(state: ConfState) -> Self {
        let encoded = wire::encode_conf_state(&state);
        Self { mark: Mark::owned::<Self>(), state, encoded }
    }
}

/// Shows a membership. `buffer` and `out` are not NULL; what `*out` points to lives as long as the
/// buffer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_buffer_view(
    buffer: *const raft_conf_state_buffer,
    out: *mut raft_conf_state,
) -> raft_status {
    // SAFETY: the header demands NULL or a live buffer, and room for the result.
    unsafe { object::show(buffer, out, |buffer| (&buffer.state).into()) }
}

/// Shows a membership's encoding, the form to store: raft_conf_state_sink_set_encoded and
/// raft_conf_state_decode take it. `buffer` and `out` are not NULL; the bytes live as long as the
/// buffer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_buffer_encoded(
    buffer: *const raft_conf_state_buffer,
    out: *mut raft_slice,
) -> raft_status {
    // SAFETY: the header demands NULL or a live buffer, and room for the result.
    unsafe { object::show(buffer, out, |buffer| raft_slice::of(&buffer.encoded)) }
}

/// Frees a membership. NULL is allowed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_conf_state_buffer_free(buffer: *mut raft_conf_state_buffer) {
    // SAFETY: the header demands NULL or a buffer that nobody uses any more.
    unsafe { object::free(buffer) }
}

/// Encodes a membership for storing.
///
/// `state` is not NULL. `buffer` has room for `capacity` bytes, and may be NULL if that is 0.
/// `needed` may be NULL; it is set to the size of the encoding also if that exceeds `capacity`.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_encode(
    state: *const raft_conf_state,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands a membership as long as it says, and room for the results.
    unsafe {
        object::encode(buffer, capacity, needed, || {
            Ok(wire::encode_conf_state(&types::conf_state(state).within("state")?))
        })
    }
}

/// Decodes a membership. `encoded` is borrowed during the call. `out` is not NULL; on success `*out`
/// is to be freed with raft_conf_state_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_DECODE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_decode(
    encoded: raft_slice,
    out: *mut *mut raft_conf_state_buffer,
) -> raft_status {
    // SAFETY: the header demands bytes as long as they say, and room for the result.
    unsafe {
        object::give(out, || {
            let state = wire::decode_conf_state(args::bytes(encoded, "encoded")?)?;
            Ok(raft_conf_state_buffer::new(state))
        })
    }
}

/// Checks that a membership makes sense: no node 0, nobody voter and learner at once, nobody staged who
/// is no outgoing voter. raft_node_new does so with the stored one. `state` is not NULL.
///
/// Any thread. Errors: RAFT_ERR_CONF_CHANGE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_check(state: *const raft_conf_state) -> raft_status {
    door::without_node(|| {
        // SAFETY: the header demands NULL or a membership as long as it says.
        let state = unsafe { types::conf_state(state) }.within("state")?;
        Configuration::restore(&state).map_err(|error| Failure::Core(error.into()))?;
        Ok(())
    })
}
