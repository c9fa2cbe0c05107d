//! A host's work on a Ready, cut into pieces. Between two of them anything may happen.

use raftcore::{Ack, Entries, EntryRuns, Error, HardState, Index, Message, Ready, Snapshot, StorageAppend};

use super::super::disk::Write;
use super::super::violation::{Check, Invariant};
use super::{Host, Surroundings, is_fault};

/// What works on its own: with synchronous writes only the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Lane {
    /// Takes Readies; with synchronous writes does all that is in them.
    Ready,
    /// Stores (asynchronous writes).
    Append,
    /// Applies (asynchronous writes).
    Apply,
}

/// How far the work on a Ready is, with synchronous writes.
#[derive(Debug)]
pub(super) struct Cycle {
    ready: Box<Ready>,
    next: Piece,
    /// Messages that wait until everything is stored.
    held_back: Vec<Message>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Store,
    Send,
    Apply,
    Advance,
}

#[derive(Debug)]
pub(super) struct AppendWork {
    hard_state: Option<HardState>,
    entries: EntryRuns,
    snapshot: Option<Box<Snapshot>>,
    must_sync: bool,
    /// Messages that wait until this is stored.
    held_back: Vec<Message>,
    done: StorageAppend,
    is_stored: bool,
}

#[derive(Debug)]
pub(super) struct ApplyWork {
    entries: Entries,
    ack: Ack,
    is_applied: bool,
}

impl Host {
    /// Whether a lane has something to do.
    pub(in super::super) fn has_work(&self, lane: Lane) -> bool {
        match lane {
            Lane::Ready => self.cycle.is_some() || self.raft.has_ready(),
            Lane::Append => !self.append_queue.is_empty(),
            Lane::Apply => !self.apply_queue.is_empty(),
        }
    }

    /// Whether a lane's next piece of work is to store.
    pub(in super::super) fn is_to_store(&self, lane: Lane) -> bool {
        match lane {
            Lane::Ready => self.cycle.as_ref().is_some_and(|cycle| cycle.next == Piece::Store),
            Lane::Append => self.append_queue.front().is_some_and(|work| !work.is_stored),
            Lane::Apply => false,
        }
    }

    /// Whether a lane's next piece of work is to apply.
    pub(in super::super) fn is_to_apply(&self, lane: Lane) -> bool {
        match lane {
            Lane::Ready => self.cycle.as_ref().is_some_and(|cycle| cycle.next == Piece::Apply),
            Lane::Append => false,
            Lane::Apply => self.apply_queue.front().is_some_and(|work| !work.is_applied),
        }
    }

    /// Begins to store what is next to be stored; a crash comes before that is synced.
    pub(in super::super) fn start_to_store(&self) {
        let parts = match (&self.cycle, self.append_queue.front()) {
            (Some(Cycle { ready, next: Piece::Store, .. }), _) => {
                (ready.hard_state, &ready.snapshot, &ready.entries)
            }
            (_, Some(work)) if !work.is_stored => (work.hard_state, &work.snapshot, &work.entries),
            _ => return,
        };
        let (hard_state, snapshot, entries) = (parts.0, parts.1.clone(), parts.2.clone());
        // What cannot be stored is not stored by a crash either.
        let _ = self.disk.write(Write::Log { hard_state, snapshot, entries });
    }

    /// Whether a write of an entry at this place is under way (asynchronous writes).
    pub(super) fn is_in_flight(&self, index: Index) -> bool {
        self.append_queue.iter().flat_map(|work| work.entries.iter()).any(|entry| entry.index() == index)
    }

    /// Whether entries were handed out that are not acknowledged as applied.
    pub(in super::super) fn is_applying(&self) -> bool {
        let in_cycle = |cycle: &Cycle| !cycle.ready.committed_entries.is_empty();
        self.cycle.as_ref().is_some_and(in_cycle) || !self.apply_queue.is_empty()
    }

    /// Does the next piece of a lane's work; says what it was.
    pub(in super::super) fn work(
        &mut self,
        lane: Lane,
        around: &mut Surroundings<'_>,
    ) -> Check<&'static str> {
        match lane {
            Lane::Ready => match self.cycle.take() {
                Some(cycle) => self.continue_cycle(cycle, around),
                None if self.raft.has_ready() => self.take_ready(around),
                None => Ok("nothing"),
            },
            Lane::Append => self.append_piece(around),
            Lane::Apply => self.apply_piece(around),
        }
    }

    fn take_ready(&mut self, around: &mut Surroundings<'_>) -> Check<&'static str> {
        let mut ready = match self.raft.ready() {
            Ok(ready) => ready,
            // Nothing was taken; the next attempt may succeed.
            Err(error) if is_fault(&error) => {
                self.ledger.ready_failed();
                return Ok("fails to take a Ready");
            }
            Err(error) => {
                return Invariant::NoUnexpectedErrors.broken(format!("{} gives no Ready: {error}", self.id));
            }
        };
        self.observe_ready(&ready, around.oracle)?;
        self.serve_reads(&ready, around)?;
        let messages = std::mem::take(&mut ready.messages);
        if self.life.config.async_storage_writes {
            // Without the library's own precautions, candidacies have to wait here.
            let config = &self.life.config;
            let waits = |message: &Message| config.eager_append && message.requires_persistence();
            let (held_back, at_once) = messages.into_iter().partition(waits);
            around.outbox.extend::<Vec<_>>(at_once);
            self.queue_for_threads(ready, held_back)?;
        } else {
            let (held_back, at_once) = messages
                .into_iter()
                .partition(|message| message.requires_persistence() || around.rng.chance(300));
            around.outbox.extend::<Vec<_>>(at_once);
            self.cycle = Some(Cycle { ready, next: Piece::Store, held_back });
        }
        self.observe(around.oracle)?;
        Ok("takes a Ready")
    }

    fn serve_reads(&mut self, ready: &Ready, around: &mut Surroundings<'_>) -> Check {
        for read in &ready.read_states {
            let context = <[u8; 8]>::try_from(&read.context[..]).map(u64::from_le_bytes);
            let Ok(context) = context else {
                return Invariant::LinearizableReads.broken(format!("{} reads {read:?}", self.id));
            };
            if !self.life.blind_reads && !around.oracle.has_shortcut(self.id, context) {
                around.oracle.check_read(self.id, context, read.index)?;
            }
            self.reads.insert((read.index, context));
        }
        Ok(())
    }

    fn queue_for_threads(&mut self, ready: Box<Ready>, held_back: Vec<Message>) -> Check {
        let stores = ready.hard_state.is_some()
            || !ready.entries.is_empty()
            || ready.snapshot.is_some()
            || !held_back.is_empty();
        Invariant::NoUnexpectedErrors.require(!stores || ready.storage_append.is_some(), || {
            format!("{} hands out work without storage_append", self.id)
        })?;
        if let Some(append) = ready.storage_append {
            self.append_queue.push_back(AppendWork {
                hard_state: ready.hard_state,
                entries: ready.entries,
                snapshot: ready.snapshot,
                must_sync: ready.must_sync,
                held_back,
                done: append,
                is_stored: false,
            });
        }
        let applies = !ready.committed_entries.is_empty();
        Invariant::NoUnexpectedErrors.require(applies == ready.storage_apply.is_some(), || {
            format!("{}: committed entries and storage_apply disagree", self.id)
        })?;
        if let Some(apply) = ready.storage_apply {
            let entries = ready.committed_entries;
            self.apply_queue.push_back(ApplyWork { entries, ack: apply.ack, is_applied: false });
        }
        Ok(())
    }

    fn continue_cycle(&mut self, mut cycle: Cycle, around: &mut Surroundings<'_>) -> Check<&'static str> {
        let ready = &cycle.ready;
        let (done, next) = match cycle.next {
            Piece::Store => {
                let write = Write::Log {
                    hard_state: ready.hard_state,
                    snapshot: ready.snapshot.clone(),
                    entries: ready.entries.clone(),
                };
                self.store(write, ready.must_sync, around)?;
                if let Some(snapshot) = &ready.snapshot {
                    self.install(snapshot, around.oracle)?;
                }
                // The documentation leaves the order of the next two to the host.
                ("stores", if around.rng.chance(500) { Piece::Send } else { Piece::Apply })
            }
            Piece::Send => {
                around.outbox.append(&mut cycle.held_back);
                let applied =
                    ready.committed_entries.last().is_none_or(|entry| entry.id.index <= self.machine.index());
                ("sends", if applied { Piece::Advance } else { Piece::Apply })
            }
            Piece::Apply => {
                self.apply(&ready.committed_entries, around.oracle)?;
                self.save_machine(around);
                ("applies", if cycle.held_back.is_empty() { Piece::Advance } else { Piece::Send })
            }
            Piece::Advance => {
                let before = self.raft.status().stabled;
                let result = self.raft.advance(cycle.ready);
                self.accept(result, around)?;
                self.check_stored(before)?;
                return Ok("advances");
            }
        };
        self.cycle = Some(Cycle { next, ..cycle });
        Ok(done)
    }

    fn append_piece(&mut self, around: &mut Surroundings<'_>) -> Check<&'static str> {
        let Some(mut work) = self.append_queue.pop_front() else { return Ok("nothing") };
        if !work.is_stored {
            let write = Write::Log {
                hard_state: work.hard_state,
                snapshot: work.snapshot.clone(),
                entries: work.entries.clone(),
            };
            self.store(write, work.must_sync, around)?;
            if let Some(snapshot) = &work.snapshot {
                self.install(snapshot, around.oracle)?;
            }
            work.is_stored = true;
            self.append_queue.push_front(work);
            return Ok("stores");
        }
        around.outbox.append(&mut work.held_back);
        let before = self.raft.status().stabled;
        let result = self.raft.appended(work.done, around.outbox);
        self.accept(result, around)?;
        self.check_stored(before)?;
        Ok("has stored")
    }

    fn apply_piece(&mut self, around: &mut Surroundings<'_>) -> Check<&'static str> {
        let Some(mut work) = self.apply_queue.pop_front() else { return Ok("nothing") };
        if work.is_applied {
            let result = self.raft.applied(work.ack);
            self.accept(result, around)?;
            return Ok("has applied");
        }
        self.apply(&work.entries, around.oracle)?;
        self.save_machine(around);
        work.is_applied = true;
        self.apply_queue.push_front(work);
        Ok("applies")
    }

    fn accept(&mut self, result: Result<(), Error>, around: &mut Surroundings<'_>) -> Check {
        if let Some(error) = result.err().filter(|error| !is_fault(error)) {
            return Invariant::NoUnexpectedErrors.broken(format!("{}: {error}", self.id));
        }
        self.observe(around.oracle)
    }

    /// What a node learns to be stored, beyond what it knew `before`, is durable, and no write that waits
    /// for its turn replaces any of it.
    fn check_stored(&self, before: Index) -> Check {
        let stabled = self.raft.status().stabled;
        if stabled <= before {
            return Ok(());
        }
        let waiting = self.append_queue.iter().filter(|work| !work.is_stored);
        let mut firsts = waiting.filter_map(|work| work.entries.first()).map(|entry| entry.id);
        let replacement = firsts.find(|first| first.index <= stabled);
        let last = self.log.get(stabled).map(|link| link.id);
        let is_durable = last.is_none_or(|last| self.disk.holds(last));
        Invariant::StoredIsDurable.require(replacement.is_none() && is_durable, || {
            let (id, disk) = (self.id, self.disk.durable_last());
            format!("{id} takes {last:?} to be stored; disk ends at {disk:?}, still to come: {replacement:?}")
        })
    }

    fn store(&mut self, write: Write, must_sync: bool, around: &mut Surroundings<'_>) -> Check {
        self.disk.write(write).or_else(|error| {
            Invariant::NoUnexpectedErrors.broken(format!("{} cannot store: {error}", self.id))
        })?;
        if must_sync || around.rng.chance(100) {
            self.disk.sync();
        }
        around.oracle.observe_vote(self.id, self.disk.durable_hard_state())
    }

    fn save_machine(&mut self, around: &mut Surroundings<'_>) {
        // What is applied before it is stored must not be durable before it is.
        if self.life.durable_machine && self.disk.holds(self.machine.applied) {
            self.disk.save_machine(self.machine.clone(), around.rng.chance(300));
        }
    }
}
