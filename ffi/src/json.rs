//! A node's state as JSON: numbers, fixed names and lists of numbers, so that nothing needs escaping.

use std::fmt::Write;

use raftcore::{Body, NO_NODE, ProgressState, ProgressStatus, RoleKind, Status};

pub(crate) fn role_name(role: RoleKind) -> &'static str {
    match role {
        RoleKind::Follower => "follower",
        RoleKind::PreCandidate => "pre_candidate",
        RoleKind::Candidate => "candidate",
        RoleKind::Leader => "leader",
    }
}

pub(crate) fn type_name(body: &Body) -> &'static str {
    match body {
        Body::Propose(_) => "propose",
        Body::Append(_) => "append",
        Body::AppendReply(_) => "append_reply",
        Body::Vote(vote) if vote.pre => "pre_vote",
        Body::Vote(_) => "vote",
        Body::VoteReply(reply) if reply.pre => "pre_vote_reply",
        Body::VoteReply(_) => "vote_reply",
        Body::Snapshot(_) => "snapshot",
        Body::Heartbeat(_) => "heartbeat",
        Body::HeartbeatReply(_) => "heartbeat_reply",
        Body::TransferLeader(_) => "transfer_leader",
        Body::TimeoutNow => "timeout_now",
        Body::ReadIndex(_) => "read_index",
        Body::ReadIndexReply(_) => "read_index_reply",
    }
}

pub(crate) fn status(status: &Status) -> String {
    let role = role_name(status.soft_state.role);
    let conf = &status.conf_state;
    let progress: Vec<String> = status.progress.iter().map(progress_json).collect();
    format!(
        r#"{{"id":{},"term":{},"vote":{},"commit":{},"applied":{},"persisted":{},"stabled":{},"#,
        status.id,
        status.hard_state.term,
        status.hard_state.vote,
        status.hard_state.commit,
        status.applied,
        status.stabled,
        status.stabled,
    ) + &format!(
        r#""last":{{"term":{},"index":{}}},"leader":{},"role":"{role}","is_voter":{},"transferee":{},"#,
        status.last.term,
        status.last.index,
        status.soft_state.leader,
        status.is_voter,
        status.transferee.unwrap_or(NO_NODE),
    ) + &format!(
        r#""conf_state":{{"voters":{},"learners":{},"voters_outgoing":{},"learners_next":{},"auto_leave":{}}},"#,
        ids(&conf.voters),
        ids(&conf.learners),
        ids(&conf.voters_outgoing),
        ids(&conf.learners_next),
        conf.auto_leave,
    ) + &format!(r#""progress":[{}]}}"#, progress.join(","))
}

pub(crate) fn ids(ids: &[u64]) -> String {
    let mut text = String::from("[");
    for (at, id) in ids.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(text, "{}{id}", if at == 0 { "" } else { "," });
    }
    text + "]"
}

fn progress_json(progress: &ProgressStatus) -> String {
    let state = match progress.state {
        ProgressState::Probe => "probe",
        ProgressState::Replicate => "replicate",
        ProgressState::Snapshot => "snapshot",
    };
    format!(
        concat!(
            r#"{{"id":{},"state":"{}","matched":{},"next":{},"is_learner":{},"is_paused":{},"#,
            r#""is_active":{},"pending_snapshot":{},"inflight_messages":{},"inflight_bytes":{},"is_inflight_full":{}}}"#
        ),
        progress.id,
        state,
        progress.matched,
        progress.next,
        progress.is_learner,
        progress.is_paused,
        progress.is_active,
        progress.pending_snapshot,
        progress.inflight_messages,
        progress.inflight_bytes,
        progress.is_inflight_full,
    )
}
