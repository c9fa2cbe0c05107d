//! What a node has only while it is at work. One at rest is small: this is made when there is something to do,
//! and goes when the host has found that there is nothing more.

use raftcore::StorageError;

use crate::copies::Payloads;
use crate::handle::State;
use crate::observe::Observed;
use crate::ready::Readies;

#[derive(Default)]
pub(crate) struct Busy {
    pub(crate) readies: Readies,
    pub(crate) payloads: Payloads,
    /// The last failure of the storage that made no call fail, until the host takes it.
    pub(crate) storage_error: Option<Box<StorageError>>,
    /// What the observer was told last, if there is one.
    pub(crate) observed: Option<Box<Observed>>,
}

impl Busy {
    fn is_needed(&self) -> bool {
        self.readies.are_needed()
            || !self.payloads.is_empty()
            || self.storage_error.is_some()
            || self.observed.is_some()
    }
}

impl State {
    pub(crate) fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    /// The host has found that there is nothing to do. Under load that is so many times a tick, and what is
    /// here serves again; a node at rest has one turn a tick, for a heartbeat.
    pub(crate) fn rest(&mut self) {
        if self.busy.as_ref().is_some_and(|busy| !busy.is_needed()) {
            self.busy = None;
        }
    }
}
