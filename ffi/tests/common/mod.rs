//! What the tests share: a C program's side of the boundary, in Rust, so that Miri can watch both.
#![allow(dead_code, unused_imports, reason = "each test uses its part")]

mod host;
mod node;
mod server;
mod storage;

use std::{ptr, slice};

use raftcore::{Message, wire};
use raftcore_ffi::*;

pub(crate) use node::{Node, View, payload};
pub(crate) use server::Owned;

pub(crate) fn ok(status: raft_status) {
    assert_eq!(status, RAFT_OK, "{}", thread_error());
}

/// Detail of the thread's last error without a node.
pub(crate) fn thread_error() -> String {
    last_error_of(ptr::null_mut())
}

/// Detail of a node's last error.
pub(crate) fn last_error(node: Node) -> String {
    last_error_of(node.0)
}

fn last_error_of(node: *mut raft_node) -> String {
    let mut buffer = vec![0u8; 256];
    let mut needed = 0;
    let text = buffer.as_mut_ptr().cast();
    // SAFETY: NULL, or a node that its test has not freed; the buffer is as long as it says.
    let status = unsafe { raft_node_last_error(node, text, buffer.len(), &raw mut needed) };
    assert_eq!(status, RAFT_OK);
    String::from_utf8(buffer[..needed - 1].to_vec()).unwrap()
}

pub(crate) fn bytes_of(data: &[u8]) -> raft_slice {
    raft_slice { data: data.as_ptr(), len: data.len() }
}

/// # Safety
/// The slice must be alive.
pub(crate) unsafe fn to_vec(slice: raft_slice) -> Vec<u8> {
    // SAFETY: the same contract.
    unsafe { array(slice.data, slice.len) }.to_vec()
}

/// # Safety
/// The array must be alive.
pub(crate) unsafe fn array<'a, T>(data: *const T, len: usize) -> &'a [T] {
    match len {
        0 => &[],
        // SAFETY: the same contract.
        len => unsafe { slice::from_raw_parts(data, len) },
    }
}

/// The defaults for a node.
pub(crate) fn config(id: u64) -> raft_config {
    let mut config = std::mem::MaybeUninit::uninit();
    // SAFETY: there is room for a configuration, which the call fills.
    unsafe {
        ok(raft_config_init(config.as_mut_ptr(), size_of::<raft_config>(), id));
        config.assume_init()
    }
}

pub(crate) fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::encode(message, &mut bytes);
    bytes
}
