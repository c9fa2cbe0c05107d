//! The text that commands print.

use std::fmt::{self, Display};

use raftcore::{
    ConfChangeKind, ConfState, Entry, EntryKind, ProgressState, ProgressStatus, ReadState, Ready, RoleKind,
    Snapshot, Status, wire,
};

use super::packet::{Endpoint, Packet};
use super::quote::quote;

/// Something printed as `[a b c]`.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<_> = self.0.iter().map(T::to_string).collect();
        write!(f, "[{}]", items.join(" "))
    }
}

pub(super) fn entry(entry: &Entry) -> String {
    let kind = match entry.kind {
        EntryKind::Normal => format!("EntryNormal {}", quote(&entry.data)),
        EntryKind::ConfChange => format!("EntryConfChange{}", operations(entry)),
        EntryKind::ConfChangeV2 => format!("EntryConfChangeV2{}", operations(entry)),
    };
    format!("{}/{} {kind}", entry.term(), entry.index())
}

/// The operations of a membership change, each with a space in front.
fn operations(entry: &Entry) -> String {
    let change = match wire::decode_conf_change(entry, wire::Dialect::Etcd) {
        Ok(change) => change,
        Err(error) => return format!(" ({error})"),
    };
    let letter = |kind| match kind {
        ConfChangeKind::AddVoter => 'v',
        ConfChangeKind::AddLearner => 'l',
        ConfChangeKind::Remove => 'r',
        ConfChangeKind::Update => 'u',
    };
    change.ops.iter().map(|op| format!(" {}{}", letter(op.kind), op.node)).collect()
}

fn endpoint(endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::Node(id) => format!("{id:x}"),
        Endpoint::AppendThread => "AppendThread".to_owned(),
        Endpoint::ApplyThread => "ApplyThread".to_owned(),
    }
}

pub(super) fn packet(packet: &Packet) -> String {
    packet_indented(packet, "")
}

fn packet_indented(packet: &Packet, indent: &str) -> String {
    let mut text = format!(
        "{indent}{}->{} {} Term:{} Log:{}/{}",
        endpoint(packet.from),
        endpoint(packet.to),
        packet.kind,
        packet.term,
        packet.log.term,
        packet.log.index
    );
    if let Some(hint) = packet.rejected {
        text += &format!(" Rejected (Hint: {hint})");
    }
    if packet.commit != 0 {
        text += &format!(" Commit:{}", packet.commit);
    }
    if packet.vote != 0 {
        text += &format!(" Vote:{}", packet.vote);
    }
    match &packet.entries[..] {
        [] => {}
        [only] => text += &format!(" Entries:[{}]", entry(only)),
        entries => {
            text += " Entries:[\n";
            entries.iter().for_each(|each| text += &format!("{indent}  {}\n", entry(each)));
            text += &format!("{indent}]");
        }
    }
    if let Some(found) = packet.snapshot.as_ref().filter(|snapshot| snapshot.id.index != 0) {
        text += &format!("\n{indent}  Snapshot: {}", snapshot(found));
    }
    if !packet.responses.is_empty() {
        text += " Responses:[\n";
        let deeper = format!("{indent}  ");
        for response in &packet.responses {
            text += &packet_indented(response, &deeper);
            text.push('\n');
        }
        text += &format!("{indent}]");
    }
    text
}

fn snapshot(snapshot: &Snapshot) -> String {
    let state = conf_state(&snapshot.conf_state);
    format!("Index:{} Term:{} ConfState:{state}", snapshot.id.index, snapshot.id.term)
}

fn conf_state(state: &ConfState) -> String {
    format!(
        "Voters:{} VotersOutgoing:{} Learners:{} LearnersNext:{} AutoLeave:{}",
        List(&state.voters),
        List(&state.voters_outgoing),
        List(&state.learners),
        List(&state.learners_next),
        state.auto_leave
    )
}

fn role(role: RoleKind) -> &'static str {
    match role {
        RoleKind::Follower => "StateFollower",
        RoleKind::PreCandidate => "StatePreCandidate",
        RoleKind::Candidate => "StateCandidate",
        RoleKind::Leader => "StateLeader",
    }
}

/// A Ready whose messages, those to the node's threads included, are `messages`.
pub(super) fn ready(ready: &Ready, must_sync: bool, messages: &[Packet]) -> String {
    let mut text = String::new();
    if let Some(state) = ready.soft_state {
        text += &format!("Lead:{} State:{}\n", state.leader, role(state.role));
    }
    if let Some(state) = ready.hard_state {
        text += &format!("HardState Term:{}", state.term);
        if state.vote != 0 {
            text += &format!(" Vote:{}", state.vote);
        }
        text += &format!(" Commit:{}\n", state.commit);
    }
    if !ready.read_states.is_empty() {
        let states: Vec<_> = ready.read_states.iter().map(read_state).collect();
        text += &format!("ReadStates {}\n", List(&states));
    }
    part(&mut text, "Entries", ready.entries.iter().map(entry));
    if let Some(found) = &ready.snapshot {
        text += &format!("Snapshot {}\n", snapshot(found));
    }
    part(&mut text, "CommittedEntries", ready.committed_entries.iter().map(entry));
    part(&mut text, "Messages", messages.iter().map(packet));
    if text.is_empty() { "<empty Ready>".to_owned() } else { format!("Ready MustSync={must_sync}:\n{text}") }
}

/// As the reference prints a structure of an index and bytes.
fn read_state(state: &ReadState) -> String {
    format!("{{{} {}}}", state.index, List(&state.context))
}

/// A titled list; nothing if it is empty.
fn part(text: &mut String, title: &str, lines: impl ExactSizeIterator<Item = String>) {
    if lines.len() > 0 {
        *text += &format!("{title}:\n");
        lines.for_each(|line| *text += &format!("{line}\n"));
    }
}

pub(super) fn progress(progress: &ProgressStatus) -> String {
    let state = match progress.state {
        ProgressState::Probe => "StateProbe",
        ProgressState::Replicate => "StateReplicate",
        ProgressState::Snapshot => "StateSnapshot",
    };
    let mut text = format!("{}: {state} match={} next={}", progress.id, progress.matched, progress.next);
    if progress.is_learner {
        text += " learner";
    }
    if progress.is_paused {
        text += " paused";
    }
    if progress.pending_snapshot > 0 {
        text += &format!(" pendingSnap={}", progress.pending_snapshot);
    }
    if !progress.is_active {
        text += " inactive";
    }
    if progress.inflight_messages > 0 {
        text += &format!(" inflight={}", progress.inflight_messages);
        if progress.is_inflight_full {
            text += "[full]";
        }
    }
    text
}

/// A line of `raft-state`.
pub(super) fn state(status: &Status) -> String {
    let voter = if status.is_voter { "Voter" } else { "Non-Voter" };
    let role = role(status.soft_state.role);
    let (term, leader) = (status.hard_state.term, status.soft_state.leader);
    format!("{}: {role} ({voter}) Term:{term} Lead:{leader}", status.id)
}
