//! The node handle: one door for every call, which checks for NULL, catches panics, locks, and
//! notices callbacks that come back.

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use parking_lot::lock_api::RawMutex as _;
use parking_lot::{Mutex, MutexGuard, RawMutex};
use raftcore::RawNode;

use crate::busy::Busy;
use crate::door::{guarded, remember};
use crate::drive::Drive;
use crate::fork::Origin;
use crate::lazy::Lazy;
use crate::object::{self, Mark, object};
use crate::observe::Watch;
use crate::status::{Failure, RAFT_OK, raft_status};
use crate::storage::NodeStorage;

/// A node of a Raft group. Any thread may call any function on it; a lock inside makes the calls
/// happen one after the other.
///
/// While a storage callback of the node runs, every call on the node from that same callback
/// answers RAFT_ERR_REENTRANT (calls from other threads wait).
///
/// A node belongs to the process that made it. In a child made by fork(), every call on it answers
/// RAFT_ERR_FORKED, and raft_node_free does nothing: what the node has stays where it is, and no release
/// callback is called. The child may make nodes of its own.
pub struct raft_node {
    mark: Mark,
    origin: Origin,
    poisoned: AtomicBool,
    /// Whether the data of snapshots stays out of what is encoded.
    pub(crate) lends_snapshots: bool,
    /// Guards `state`. Apart from it, because it fits among the bytes above: a node is small.
    lock: RawMutex,
    state: UnsafeCell<State>,
    /// The thread that holds `lock`, or 0.
    owner: AtomicUsize,
    /// An idle node has none.
    side: Lazy<Side>,
}

// SAFETY: `state`, which is `Send`, is touched only by who holds `lock`; all else is `Sync` by itself.
unsafe impl Sync for raft_node {}

object!(raft_node, 0x5af7_c02e, "node");

/// What the lock of a node guards.
pub(crate) struct State {
    pub(crate) raw: RawNode<NodeStorage>,
    pub(crate) busy: Option<Box<Busy>>,
}

/// What has a lock of its own, or none.
#[derive(Default)]
pub(crate) struct Side {
    drive: Mutex<Drive>,
    /// The thread that is inside `raft_drive`, or 0.
    driver: AtomicUsize,
    told: Lazy<Told>,
}

/// What the host is told, other than by answers.
#[derive(Default)]
pub(crate) struct Told {
    last_error: Mutex<String>,
    pub(crate) watch: Watch,
}

thread_local! {
    /// Its address tells this thread from all others that live.
    static SELF: Cell<u8> = const { Cell::new(0) };
    /// The node whose failure this thread is logging; NULL: none.
    static LOGGING: Cell<*const raft_node> = const { Cell::new(std::ptr::null()) };
}

fn this_thread() -> usize {
    SELF.with(|cell| std::ptr::from_ref(cell).addr())
}

/// Holds a node's lock.
struct Locked<'a>(&'a RawMutex);

impl<'a> Locked<'a> {
    fn enter(lock: &'a RawMutex) -> Self {
        lock.lock();
        Self(lock)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: `enter` has locked it.
        unsafe { self.0.unlock() }
    }
}

/// Marks a thread as the one that is inside, for as long as it is.
struct Inside<'a>(&'a AtomicUsize);

impl<'a> Inside<'a> {
    fn enter(place: &'a AtomicUsize, me: usize) -> Self {
        place.store(me, Relaxed);
        Self(place)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.store(0, Relaxed);
    }
}

impl raft_node {
    pub(crate) fn new(raw: RawNode<NodeStorage>, lends_snapshots: bool) -> Result<Self, Failure> {
        Ok(Self {
            mark: Mark::owned::<Self>(),
            origin: Origin::here()?,
            poisoned: AtomicBool::new(false),
            lends_snapshots,
            lock: RawMutex::INIT,
            state: UnsafeCell::new(State { raw, busy: None }),
            owner: AtomicUsize::new(0),
            side: Lazy::default(),
        })
    }

    pub(crate) fn told(&self) -> &Told {
        self.side.get_or_make().told.get_or_make()
    }

    /// The same, if there is one.
    pub(crate) fn known_told(&self) -> Option<&Told> {
        self.side.get()?.told.get()
    }

    /// Runs `work` with the node locked.
    pub(crate) fn lock<R>(&self, work: impl FnOnce(&mut State) -> Result<R, Failure>) -> Result<R, Failure> {
        let me = this_thread();
        if self.owner.load(Relaxed) == me {
            return Err(Failure::Reentrant);
        }
        let _locked = Locked::enter(&self.lock);
        if self.poisoned.load(Relaxed) {
            return Err(Failure::Poisoned);
        }
        // Declared after the guard, so dropped before it: `owner` is never stale.
        let _inside = Inside::enter(&self.owner, me);
        // SAFETY: this thread holds the lock until `_locked` is dropped, and did not hold it before: there is no
        // other reference.
        let state = unsafe { &mut *self.state.get() };
        let result = guarded(|| work(state));
        if let Err(Failure::Panic(_)) = result {
            // Before the lock is given up: nobody may see a half-changed state.
            self.poisoned.store(true, Relaxed);
        } else if let Some(observer) = self.watcher() {
            state.tell_changes(&observer);
        }
        result
    }

    /// Runs `work` as the node's only driver. The node itself is not locked.
    pub(crate) fn as_driver<R>(
        &self,
        work: impl FnOnce(&mut Drive) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        if self.is_inside() {
            return Err(Failure::Reentrant);
        }
        let side = self.side.get_or_make();
        let mut drive: MutexGuard<'_, Drive> = side.drive.try_lock().ok_or(Failure::Busy)?;
        let _inside = Inside::enter(&side.driver, this_thread());
        work(&mut drive)
    }

    /// Whether this thread is in a callback of this node.
    pub(crate) fn is_inside(&self) -> bool {
        let me = this_thread();
        self.owner.load(Relaxed) == me
            || self.side.get().is_some_and(|side| side.driver.load(Relaxed) == me)
            || LOGGING.try_with(Cell::get).is_ok_and(|node| std::ptr::eq(node, self))
    }

    pub(crate) fn last_error(&self) -> String {
        self.known_told().map(|told| told.last_error.lock().clone()).unwrap_or_default()
    }

    /// Keeps a failure for `raft_node_last_error`.
    pub(crate) fn note(&self, failure: &Failure) {
        *self.told().last_error.lock() = failure.to_string();
    }

    fn fail(&self, failure: &Failure) -> raft_status {
        if let Failure::Panic(_) = failure {
            self.poisoned.store(true, Relaxed);
        }
        // The first report of a panic is the one worth keeping.
        if !matches!(failure, Failure::Poisoned) {
            self.note(failure);
            self.log(failure);
        }
        failure.status()
    }

    /// Tells the observer of a failure, with nothing locked; not of one that it caused itself.
    fn log(&self, failure: &Failure) {
        if self.is_watched() && !self.is_inside() {
            let outer = LOGGING.replace(self);
            self.log_failure(failure);
            LOGGING.set(outer);
        }
    }
}

/// Calls `work` on a node; what goes wrong becomes a status and the node's last error.
///
/// # Safety
/// `node` is NULL or came from `raft_node_new` and has not been freed.
pub(crate) unsafe fn call(
    node: *const raft_node,
    work: impl FnOnce(&raft_node) -> Result<(), Failure>,
) -> raft_status {
    // SAFETY: the same contract.
    let node = match unsafe { live(node) } {
        Ok(node) => node,
        Err(failure) => {
            remember(failure.to_string());
            return failure.status();
        }
    };
    match guarded(|| work(node)) {
        Ok(()) => RAFT_OK,
        Err(failure) => node.fail(&failure),
    }
}

/// The node that a handle stands for, if it belongs to this process.
///
/// # Safety
/// `node` is NULL or came from `raft_node_new` and has not been freed.
pub(crate) unsafe fn live<'a>(node: *const raft_node) -> Result<&'a raft_node, Failure> {
    // SAFETY: the same contract.
    let node = unsafe { object::live(node, "node") }?;
    node.origin.check()?;
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::status::RAFT_ERR_POISONED;

    fn node() -> raft_node {
        let storage = NodeStorage::Memory(Box::new(Memory::new(None)));
        raft_node::new(RawNode::new(raftcore::Config::new(1), storage).unwrap(), false).unwrap()
    }

    #[test]
    fn a_panic_becomes_a_status_and_poisons_the_node() {
        let node = node();
        let broken = |node: &raft_node| node.lock(|_| -> Result<(), Failure> { panic!("a defect") });
        let fine = |node: &raft_node| node.lock(|_| Ok(()));
        // SAFETY: the node is alive.
        unsafe {
            assert_eq!(call(&raw const node, fine), RAFT_OK);
            assert_eq!(call(&raw const node, broken), RAFT_ERR_POISONED);
            assert_eq!(call(&raw const node, fine), RAFT_ERR_POISONED);
        }
        assert_eq!(node.last_error(), "internal error: a defect");
    }

    #[test]
    fn a_panic_outside_of_the_lock_poisons_too() {
        let node = node();
        let failure = |_: &raft_node| -> Result<(), Failure> { panic!("{} defect", "another") };
        // SAFETY: the node is alive.
        unsafe {
            assert_eq!(call(&raw const node, failure), RAFT_ERR_POISONED);
            assert_eq!(call(&raw const node, |node| node.lock(|_| Ok(()))), RAFT_ERR_POISONED);
        }
        assert_eq!(node.last_error(), "internal error: another defect");
    }

    #[test]
    fn a_lock_is_noticed_by_the_thread_that_holds_it_only() {
        let node = node();
        let inside = node.lock(|_| Ok(node.lock(|_| Ok(())).is_err() && node.is_inside()));
        assert!(inside.unwrap() && !node.is_inside());
        let elsewhere = node.as_driver(|_| {
            Ok(std::thread::scope(|scope| {
                let busy = scope.spawn(|| matches!(node.as_driver(|_| Ok(())), Err(Failure::Busy)));
                busy.join().unwrap() && matches!(node.as_driver(|_| Ok(())), Err(Failure::Reentrant))
            }))
        });
        assert!(elsewhere.unwrap());
    }
}
