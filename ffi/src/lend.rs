//! Bytes that the host lends: never copied, and given back by its release callback.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;

use bytes::Bytes;

use crate::args;
use crate::status::Failure;
use crate::types::raft_slice;

/// The host's way to learn that what it lent is no longer needed. Dropping it tells, once.
pub(crate) struct Release {
    callback: unsafe extern "C" fn(context: *mut c_void),
    context: *mut c_void,
}

// SAFETY: the header says that any thread may call `release`, and that the bytes do not change.
unsafe impl Send for Release {}
// SAFETY: the same; nothing in it is changed.
unsafe impl Sync for Release {}

impl Release {
    /// From here on the host is told, whatever happens.
    pub(crate) fn new(
        callback: Option<unsafe extern "C" fn(context: *mut c_void)>,
        context: *mut c_void,
    ) -> Result<Self, Failure> {
        let callback = callback.ok_or_else(|| Failure::argument("release", "is NULL"))?;
        Ok(Self { callback, context })
    }

    /// For what is lent during a call only.
    pub(crate) fn none() -> Self {
        unsafe extern "C" fn nothing(_: *mut c_void) {}
        Self { callback: nothing, context: std::ptr::null_mut() }
    }

    /// The bytes, lent until the last copy of the result is dropped.
    ///
    /// # Safety
    /// `data` is as long as it says, and stays as it is until the release.
    pub(crate) unsafe fn lend(self, data: raft_slice, name: &'static str) -> Result<Bytes, Failure> {
        // SAFETY: the same contract.
        unsafe { args::lent(data, name) }?;
        Ok(Bytes::from_owner(Lent { data, _release: self }))
    }

    /// Several pieces of bytes, lent until the last copy of the last of them is dropped.
    ///
    /// # Safety
    /// As [`Self::lend`], for each.
    pub(crate) unsafe fn lend_all(
        self,
        pieces: &[raft_slice],
        name: &'static str,
    ) -> Result<Vec<Bytes>, Failure> {
        let shared = Arc::new(self);
        let lend = |data: &raft_slice| {
            // SAFETY: the same contract.
            unsafe { args::lent(*data, name) }?;
            Ok(Bytes::from_owner(Lent { data: *data, _release: Arc::clone(&shared) }))
        };
        pieces.iter().map(lend).collect()
    }
}

thread_local! {
    /// How many release callbacks this thread is in.
    static RELEASING: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread is in a release callback: perhaps amidst a call on a node.
pub(crate) fn is_releasing() -> bool {
    RELEASING.try_with(Cell::get).is_ok_and(|depth| depth > 0)
}

impl Drop for Release {
    fn drop(&mut self) {
        // A thread that is being torn down is amidst nothing.
        let _ = RELEASING.try_with(|depth| depth.set(depth.get() + 1));
        // SAFETY: the host's function with the host's context, once: `Release` is not cloned.
        unsafe { (self.callback)(self.context) }
        let _ = RELEASING.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}

/// Bytes, and who is told when they are not needed any more.
struct Lent<R> {
    data: raft_slice,
    _release: R,
}

// SAFETY: what `R` promises for the release, the header demands for the bytes as well.
unsafe impl<R: Send> Send for Lent<R> {}

impl<R> AsRef<[u8]> for Lent<R> {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: checked where it is made, and by that contract valid until the release.
        unsafe { args::lent(self.data, "data") }.unwrap_or(&[])
    }
}
