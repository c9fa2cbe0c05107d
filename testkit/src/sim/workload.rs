//! What clients do: operations on a few objects at a time, and what became of each.
//!
//! The objects' states are not kept on every node. A state machine is known by the hash over all that
//! it applied, and nodes with equal hashes have equal objects; so each state is computed once, when the
//! first node applies an operation, and found again by index for every node that answers.

use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;

use raftcore::{Bytes, Entry, EntryId, EntryKind, Index, NO_NODE, NodeId};

use super::violation::{Check, Invariant};
use crate::linearizability::{Op, Operation, Verdict, check};
use crate::rng::Rng;

/// Objects in use at a time.
const KINDS: [Kind; 3] = [Kind::Register, Kind::List, Kind::Counter];
/// Clients of an object. More would make histories expensive to check.
const CLIENTS: usize = 5;
/// An object is replaced after so many operations, or so many unknown outcomes.
const MOST_OPERATIONS: usize = 60;
const MOST_UNKNOWN: usize = 6;

/// An operation; numbers are given in the order of calls.
pub(super) type OpNumber = u64;

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Open,
    /// When, and the answer.
    Answered(u64, u64),
    /// It has not taken effect and will not. A read that was not answered counts as failed, too.
    Failed,
    /// Its client does not know.
    Unknown,
}

#[derive(Debug)]
struct Request {
    object: usize,
    client: usize,
    op: Op,
    node: NodeId,
    /// In order of calls and returns, and in simulated time.
    called: u64,
    time: u64,
    /// Which entry it is to become, if the node knows.
    place: Option<EntryId>,
    /// Where it was first applied, and what it answers.
    effect: Option<(Index, u64)>,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Register,
    List,
    Counter,
}

#[derive(Debug)]
struct Object {
    kind: Kind,
    /// Its state after each entry that changed it.
    states: Vec<(Index, u64)>,
    requests: Vec<OpNumber>,
    /// The open operation of each client.
    clients: [Option<OpNumber>; CLIENTS],
    unknown: usize,
}

/// What became of clients' operations, in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Operations that were answered.
    pub answered: u64,
    /// Operations that were refused, or reads that were not answered.
    pub failed: u64,
    /// Writes whose clients do not know what became of them.
    pub unknown: u64,
    /// Writes that failed because another entry took their place.
    pub replaced: u64,
    /// Writes that took effect after their clients gave up.
    pub late: u64,
    /// Entries that were in the log twice, because forwarding them was repeated.
    pub repeated: u64,
    /// Histories that were checked.
    pub histories: u64,
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.replaced += other.replaced;
        self.late += other.late;
        self.repeated += other.repeated;
        self.histories += other.histories;
    }
}

/// All operations of a run.
#[derive(Debug)]
pub(super) struct Workload {
    seed: u64,
    /// When and where the last operation was called, and how many there were at that time.
    latest: (u64, NodeId, u64),
    /// Counts calls and returns, so that their order is known.
    moment: u64,
    requests: Vec<Request>,
    objects: Vec<Object>,
    /// Which of the objects are in use.
    in_use: [Option<usize>; KINDS.len()],
    /// Open operations, by the node that was asked.
    open: BTreeMap<NodeId, Vec<OpNumber>>,
    /// Reads, by node and context.
    reads: HashMap<(NodeId, u64), OpNumber>,
    /// Where the group's common history begins, and the entries that some node has applied since.
    origin: Index,
    applied: Vec<EntryId>,
    /// Clients give up after so much time.
    patience: u64,
    pub(super) outcomes: Outcomes,
    kept: Option<Vec<Vec<Operation>>>,
}

impl Workload {
    /// For a group whose history begins at `origin`.
    pub(super) fn new(seed: u64, origin: Index, patience: u64) -> Self {
        Self {
            seed,
            latest: (0, NO_NODE, 0),
            moment: 0,
            requests: Vec::new(),
            objects: Vec::new(),
            in_use: [None; KINDS.len()],
            open: BTreeMap::new(),
            reads: HashMap::new(),
            origin,
            applied: Vec::new(),
            patience,
            outcomes: Outcomes::default(),
            kept: None,
        }
    }

    /// Keeps all histories from now on.
    pub(super) fn keep_histories(&mut self) {
        self.kept = Some(Vec::new());
    }

    /// The histories that were checked and kept.
    pub(super) fn into_histories(self) -> Vec<Vec<Operation>> {
        self.kept.unwrap_or_default()
    }

    /// A client asks `node` to write; gives the operation's number and the payload to propose.
    pub(super) fn call_write(&mut self, node: NodeId, now: u64) -> Check<(OpNumber, Bytes)> {
        let mut rng = self.chance_of(node, now);
        let (object, client) = self.free_client(now, &mut rng)?;
        let number = self.requests.len() as OpNumber;
        let op = self.draw_write(object, number, &mut rng);
        self.call(node, now, (object, client), op);
        let length = rng.choose([8, 8, 30, 300]);
        let mut payload = vec![0; length];
        payload[..8].copy_from_slice(&number.to_le_bytes());
        Ok((number, payload.into()))
    }

    /// A client asks `node` to read, with a context that is unique there.
    pub(super) fn call_read(&mut self, node: NodeId, context: u64, now: u64) -> Check<OpNumber> {
        let mut rng = self.chance_of(node, now);
        let place = self.free_client(now, &mut rng)?;
        let number = self.call(node, now, place, Op::Read);
        self.reads.insert((node, context), number);
        Ok(number)
    }

    fn call(&mut self, node: NodeId, time: u64, (object, client): (usize, usize), op: Op) -> OpNumber {
        let number = self.requests.len() as OpNumber;
        let called = self.next_moment();
        let outcome = Outcome::Open;
        let request = Request { object, client, op, node, called, time, place: None, effect: None, outcome };
        self.requests.push(request);
        self.objects[object].requests.push(number);
        self.objects[object].clients[client] = Some(number);
        self.open.entry(node).or_default().push(number);
        number
    }

    /// What decides about the next operation: nothing but when and where it is called, so that others can
    /// be left out and it stays what it is.
    fn chance_of(&mut self, node: NodeId, now: u64) -> Rng {
        let (time, place, count) = self.latest;
        let count = if (time, place) == (now, node) { count + 1 } else { 0 };
        self.latest = (now, node, count);
        let at_node = Rng::derived(self.seed ^ u64::from(u32::MAX), node << 32 | count).next_u64();
        Rng::derived(at_node, now)
    }

    fn draw_write(&self, object: usize, number: OpNumber, rng: &mut Rng) -> Op {
        // Unlike what objects begin with, and unlike all others.
        let value = number + 1;
        match self.objects[object].kind {
            Kind::List => Op::Append(value),
            Kind::Counter => Op::Add(rng.between(1, 5)),
            Kind::Register if rng.chance(700) => Op::Write(value),
            Kind::Register => {
                let old = self.objects[object].states.last().map_or(0, |(_, state)| *state);
                Op::CompareAndSwap { old, new: value }
            }
        }
    }

    /// A client that has nothing open. Those that waited for too long give up.
    fn free_client(&mut self, now: u64, rng: &mut Rng) -> Check<(usize, usize)> {
        let choice = rng.below(KINDS.len() as u64) as usize;
        if let Some(object) = self.in_use[choice] {
            for number in self.objects[object].clients.into_iter().flatten() {
                if self.requests[number as usize].time + self.patience < now {
                    self.give_up(number)?;
                }
            }
            let Object { requests, clients, unknown, .. } = &self.objects[object];
            let is_worn = requests.len() >= MOST_OPERATIONS || *unknown >= MOST_UNKNOWN;
            match clients.iter().position(Option::is_none).filter(|_| !is_worn) {
                Some(client) => return Ok((object, client)),
                None => {
                    self.check_history(object)?;
                    self.forget_open(object);
                }
            }
        }
        let (states, requests) = (Vec::new(), Vec::new());
        let kind = KINDS[choice];
        self.objects.push(Object { kind, states, requests, clients: [None; CLIENTS], unknown: 0 });
        let object = self.objects.len() - 1;
        self.in_use[choice] = Some(object);
        Ok((object, 0))
    }

    /// What is still open when an object is replaced may never be answered; unless it has a place in the
    /// log, nobody waits for it any more.
    fn forget_open(&mut self, object: usize) {
        for number in self.objects[object].clients.into_iter().flatten() {
            let Request { node, place, .. } = self.requests[number as usize];
            if let Some(open) = self.open.get_mut(&node).filter(|_| place.is_none()) {
                open.retain(|other| *other != number);
            }
        }
    }

    fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// The node that was asked has appended the operation as this entry.
    pub(super) fn is_placed(&mut self, number: OpNumber, place: EntryId) {
        self.requests[number as usize].place = Some(place);
    }

    /// The node that was asked has refused.
    pub(super) fn is_refused(&mut self, number: OpNumber) -> Check {
        self.resolve(number, Outcome::Failed)
    }

    /// Some node applies an entry.
    pub(super) fn observe_applied(&mut self, entry: &Entry) -> Check {
        let index = entry.id.index;
        if index != self.origin + self.applied.len() as u64 + 1 {
            return Ok(());
        }
        self.applied.push(entry.id);
        let number = entry.data.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let number = number.filter(|_| entry.kind == EntryKind::Normal);
        let Some(request) = number.and_then(|number| self.requests.get_mut(number as usize)) else {
            return Ok(());
        };
        Invariant::ProposalOutcome.require(request.outcome != Outcome::Failed, || {
            format!("{entry:?} is applied, but its client was told that it failed: {request:?}")
        })?;
        if request.effect.is_some() {
            // As a state machine with client sessions does it.
            self.outcomes.repeated += 1;
            return Ok(());
        }
        let object = &mut self.objects[request.object];
        let (state, answer) = request.op.apply(object.states.last().map_or(0, |(_, state)| *state));
        object.states.push((index, state));
        request.effect = Some((index, answer));
        self.outcomes.late += u64::from(request.outcome == Outcome::Unknown);
        Ok(())
    }

    /// A node's state machine has advanced. What it jumped over by a snapshot, the node knows nothing
    /// about: neither which entries these were nor what they answered.
    pub(super) fn node_applied(&mut self, node: NodeId, from: Index, to: Index, jumped: bool) -> Check {
        let Some(open) = self.open.get(&node).filter(|open| !open.is_empty()) else { return Ok(()) };
        for number in open.clone() {
            let Request { place, effect, .. } = self.requests[number as usize];
            let is_new = |index: Index| from < index && index <= to;
            let passed = place.is_some_and(|place| is_new(place.index));
            let effect = effect.filter(|(index, _)| is_new(*index));
            let outcome = match (place, effect) {
                _ if jumped && passed => Outcome::Unknown,
                _ if jumped => continue,
                (Some(place), Some((index, answer))) if place.index == index => {
                    Outcome::Answered(self.next_moment(), answer)
                }
                // Another entry took its place.
                (Some(_), _) if passed => {
                    self.outcomes.replaced += 1;
                    Outcome::Failed
                }
                (None, Some((_, answer))) => Outcome::Answered(self.next_moment(), answer),
                _ => continue,
            };
            self.resolve(number, outcome)?;
        }
        Ok(())
    }

    /// A node answers a read from the state after `index`.
    pub(super) fn read_answered(&mut self, node: NodeId, context: u64, index: Index) -> Check {
        let Some(number) = self.reads.remove(&(node, context)) else { return Ok(()) };
        let request = &self.requests[number as usize];
        if request.outcome != Outcome::Open {
            return Ok(());
        }
        let states = &self.objects[request.object].states;
        let before = states.partition_point(|(changed, _)| *changed <= index);
        let state = before.checked_sub(1).map_or(0, |place| states[place].1);
        let moment = self.next_moment();
        self.resolve(number, Outcome::Answered(moment, state))
    }

    /// A planted bug: a write is answered before it is committed.
    pub(super) fn answer_early(&mut self, number: OpNumber) -> Check {
        let request = &self.requests[number as usize];
        let state = self.objects[request.object].states.last().map_or(0, |(_, state)| *state);
        let (_, answer) = request.op.apply(state);
        let moment = self.next_moment();
        self.resolve(number, Outcome::Answered(moment, answer))
    }

    /// A node stops: nobody will get an answer from it.
    pub(super) fn node_stops(&mut self, node: NodeId) -> Check {
        for number in self.open.get(&node).cloned().unwrap_or_default() {
            self.give_up(number)?;
        }
        Ok(())
    }

    fn give_up(&mut self, number: OpNumber) -> Check {
        let is_read = self.requests[number as usize].op == Op::Read;
        self.resolve(number, if is_read { Outcome::Failed } else { Outcome::Unknown })
    }

    /// Each operation has one outcome.
    fn resolve(&mut self, number: OpNumber, outcome: Outcome) -> Check {
        let request = &mut self.requests[number as usize];
        Invariant::ProposalOutcome.require(request.outcome == Outcome::Open, || {
            format!("operation {number} gets a second outcome, {outcome:?}: {request:?}")
        })?;
        // A failed operation that took effect is as bad as one that does so later.
        let took_effect = outcome == Outcome::Failed && request.effect.is_some();
        Invariant::ProposalOutcome
            .require(!took_effect, || format!("operation {number} is said to have failed: {request:?}"))?;
        request.outcome = outcome;
        let object = &mut self.objects[request.object];
        object.clients[request.client] = object.clients[request.client].filter(|open| *open != number);
        if let Some(open) = self.open.get_mut(&request.node) {
            open.retain(|other| *other != number);
        }
        match outcome {
            Outcome::Answered(..) => self.outcomes.answered += 1,
            Outcome::Unknown => {
                object.unknown += 1;
                self.outcomes.unknown += 1;
            }
            Outcome::Failed | Outcome::Open => {
                // Explains nothing, so that it need not be in the history.
                object.requests.retain(|other| *other != number);
                self.outcomes.failed += 1;
            }
        }
        Ok(())
    }

    /// Checks what is left to check at the end of a run.
    pub(super) fn finish(&mut self) -> Check {
        self.in_use.into_iter().flatten().try_for_each(|object| self.check_history(object))
    }

    fn check_history(&mut self, object: usize) -> Check {
        let seen = |number: &OpNumber| {
            let Request { op, called, outcome, .. } = self.requests[*number as usize];
            let outcome = match outcome {
                Outcome::Answered(moment, answer) => Some((moment, answer)),
                Outcome::Open | Outcome::Unknown if op != Op::Read => None,
                _ => return None,
            };
            Some(Operation { op, call: called, outcome })
        };
        let history: Vec<_> = self.objects[object].requests.iter().filter_map(seen).collect();
        self.outcomes.histories += 1;
        let verdict = check(&history);
        Invariant::LinearizableHistories.require(verdict == Verdict::Linearizable, || {
            let lines: Vec<_> = history.iter().map(|operation| format!("\n  {operation:?}")).collect();
            format!("{verdict:?}: what the clients of object {object} saw:{}", lines.concat())
        })?;
        if let Some(kept) = &mut self.kept {
            kept.push(history);
        }
        Ok(())
    }
}
