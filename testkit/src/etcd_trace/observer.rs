//! A node with a host that tells what it does. All it knows comes through the public API: a node is
//! looked at before and after each call, and the difference has one explanation.

use raftcore::{
    AppendReply, Body, Error, HardState, MemoryStorage, Message, NO_NODE, RawNode, Ready, RoleKind, VoteReply,
};

use super::event::{Line, Moment, translate};

pub(super) struct Observer {
    pub(super) raft: RawNode<MemoryStorage>,
}

impl Observer {
    /// A node that starts, for the first time or again.
    pub(super) fn start(raft: RawNode<MemoryStorage>, lines: &mut Vec<Line>) -> Self {
        let observer = Self { raft };
        observer.look().tell("InitState", None, lines);
        observer
    }

    fn look(&self) -> Moment {
        let status = self.raft.status();
        let role = status.soft_state.role;
        Moment { id: status.id, hard: status.hard_state, role, last: status.last.index }
    }

    /// Whether the node refuses what the specification grants, as etcd/raft does: a vote in a term
    /// whose leader it knows, although it has voted for nobody in it. Such a message is lost instead.
    pub(super) fn is_stricter_than_specified(&self, message: &Message) -> bool {
        let (hard, soft) = (self.raft.hard_state(), self.raft.soft_state());
        let has_leader = soft.leader != NO_NODE && hard.vote == NO_NODE && hard.term == message.term;
        has_leader && matches!(message.body, Body::Vote(_))
    }

    /// Tells that a message is about to be stepped.
    pub(super) fn receives(&self, message: &Message, lines: &mut Vec<Line>) {
        if let Some((rpc, msg)) = translate(message) {
            self.look().tell(rpc.received(), Some(msg), lines);
        }
    }

    /// Gives the node an input, and does all the work that follows; messages go to `network`.
    pub(super) fn work(
        &mut self,
        input: impl FnOnce(&mut RawNode<MemoryStorage>) -> Result<(), Error>,
        network: &mut Vec<Message>,
        lines: &mut Vec<Line>,
    ) {
        let before = self.look();
        // What a node refuses changes nothing, and is not told.
        let _ = input(&mut self.raft);
        let mut after = self.look();
        tell_changes(before, after, lines);
        let campaigns = after.role == RoleKind::Candidate && after.hard.term != before.hard.term;
        let mut to_itself = campaigns.then_some(Body::VoteReply(VoteReply {
            pre: false,
            granted: true,
            ..VoteReply::default()
        }));
        while self.raft.has_ready() {
            let ready = self.raft.ready().expect("a storage in memory can be read");
            after = self.look();
            if after.role == RoleKind::Leader && !ready.entries.is_empty() {
                let index = after.last;
                to_itself = Some(Body::AppendReply(AppendReply { index, reject: None }));
            }
            let own = to_itself.take().map(|body| {
                let (id, term) = (after.id, after.hard.term);
                Message { from: id, to: id, term, body }
            });
            for message in own.iter().chain(&ready.messages) {
                if let Some((rpc, msg)) = translate(message) {
                    after.tell(rpc.sent(), Some(msg), lines);
                }
            }
            store(&mut self.raft, &ready);
            after.tell("Ready", None, lines);
            network.extend(ready.messages.iter().cloned());
            if let Some(own) = &own {
                self.receives(own, lines);
            }
            let before = self.look();
            self.raft.advance(ready).expect("its own Ready, stored as it asked");
            tell_changes(before, self.look(), lines);
        }
    }
}

fn store(raft: &mut RawNode<MemoryStorage>, ready: &Ready) {
    assert!(ready.snapshot.is_none(), "nothing is compacted here");
    raft.storage_mut().append(&ready.entries).expect("no gap in the log");
    if let Some(hard_state) = ready.hard_state {
        raft.storage_mut().set_hard_state(hard_state);
    }
}

/// Tells how a node came from one moment to another, which are one call apart.
fn tell_changes(before: Moment, after: Moment, lines: &mut Vec<Line>) {
    let (old, new) = (before.hard, after.hard);
    let is_new = before.role != after.role || old.term != new.term;
    // Role and term change first, then the log, then the commit index.
    let turn =
        |vote| Moment { hard: HardState { vote, commit: old.commit, ..new }, last: before.last, ..after };
    match after.role {
        RoleKind::Follower if is_new => {
            let vote = if old.term == new.term { old.vote } else { 0 };
            turn(vote).tell("BecomeFollower", None, lines);
        }
        RoleKind::Candidate if is_new => turn(new.vote).tell("BecomeCandidate", None, lines),
        RoleKind::Leader if is_new => turn(new.vote).tell("BecomeLeader", None, lines),
        _ => {}
    }
    if after.role != RoleKind::Leader {
        return;
    }
    for last in before.last + 1..=after.last {
        Moment { last, ..turn(new.vote) }.tell("Replicate", None, lines);
    }
    if new.commit > old.commit {
        after.tell("Commit", None, lines);
    }
}
