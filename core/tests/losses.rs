//! What a leader and its followers make of reports that messages were lost. Without them, what was lost is sent
//! again after the next heartbeat: no test here ticks a clock, unless it says so.

mod common;

use common::{Group, is_append};
use raftcore::{Body, Message, ProgressState};

/// Delivers until nothing is left to do. What `is_lost` says is lost, and reported to its sender at once.
fn settle_reporting(group: &mut Group, mut is_lost: impl FnMut(&Message) -> bool) -> usize {
    let mut lost = 0;
    for _ in 0..10_000 {
        let mut worked = false;
        for id in group.nodes.keys().copied().collect::<Vec<_>>() {
            worked |= group.handle_ready(id);
        }
        match group.queue.pop_front() {
            Some(message) if is_lost(&message) => {
                lost += 1;
                group.node(message.from).report_unreachable(message.to);
            }
            Some(message) => {
                group.queue.push_front(message);
                group.deliver_one();
            }
            None if !worked => return lost,
            None => {}
        }
    }
    panic!("the group does not come to rest");
}

/// Says yes to the first `count` messages of a kind.
fn first(count: usize, is: impl Fn(&Message) -> bool) -> impl FnMut(&Message) -> bool {
    let mut left = count;
    move |message| {
        let lost = left > 0 && is(message);
        left -= usize::from(lost);
        lost
    }
}

fn has_entries(message: &Message) -> bool {
    matches!(&message.body, Body::Append(append) if !append.entries.is_empty())
}

fn is_empty_append(message: &Message) -> bool {
    is_append(message) && !has_entries(message)
}

fn three() -> Group {
    let mut group = Group::new(3);
    group.elect(1);
    group
}

#[test]
fn what_was_lost_is_sent_again_at_once() {
    // Lost again and again, but the member answers in the end.
    for count in 1..=3 {
        let mut group = three();
        group.isolate(2);
        group.propose(1, "x");
        settle_reporting(&mut group, first(count, |m| m.to == 3 && has_entries(m)));
        assert_eq!(group.payloads(3), ["x"], "after {count} losses");
    }
}

#[test]
fn a_lost_commit_index_is_sent_again_at_once() {
    let mut group = three();
    group.propose(1, "x");
    settle_reporting(&mut group, first(2, |m| m.to == 3 && is_empty_append(m)));
    assert_eq!(group.payloads(3), ["x"]);
    assert_eq!(group.node(1).status().progress[2].state, ProgressState::Replicate);
}

#[test]
fn a_lost_acknowledgement_is_asked_for_at_once() {
    let mut group = three();
    group.isolate(2);
    group.propose(1, "x");
    settle_reporting(&mut group, first(1, |m| m.from == 3 && matches!(m.body, Body::AppendReply(_))));
    assert_eq!((group.payloads(1), group.payloads(3)), (vec!["x".to_owned()], vec!["x".to_owned()]));
}

#[test]
fn a_lost_heartbeat_that_confirms_a_read_is_sent_again_at_once() {
    let mut group = three();
    group.isolate(2);
    group.node(1).read_index("read").unwrap();
    settle_reporting(&mut group, first(1, |m| m.to == 3 && matches!(m.body, Body::Heartbeat(_))));
    assert_eq!(group.nodes[&1].reads.len(), 1);
}

#[test]
fn a_paused_probe_goes_on_after_a_report() {
    let mut group = three();
    group.isolate(2);
    // The member has an answer refused, so that it is probed; the probe is lost.
    group.cut(1, 3);
    for data in ["a", "b"] {
        group.propose(1, data);
        group.settle();
        (0..4).for_each(|_| {
            group.node(1).report_unreachable(3);
            group.settle();
        });
    }
    assert_eq!(group.node(1).status().progress[2].state, ProgressState::Probe);
    group.heal();
    group.isolate(2);
    // It is heard of again, and its first probe is lost.
    group.tick(1, 1);
    settle_reporting(&mut group, first(1, has_entries));
    assert_eq!(group.payloads(3), ["a", "b"]);
}

#[test]
fn reports_about_a_dead_member_come_to_an_end() {
    for dead in [2, 3] {
        let mut group = three();
        group.propose(1, "x");
        let lost = settle_reporting(&mut group, |m| m.to == dead);
        assert!(lost <= 5, "{lost} messages to it were lost");
        assert_eq!(group.commit(1), group.last(1).index);
        // A heartbeat costs one report, and no Append.
        group.tick(1, 1);
        assert_eq!(settle_reporting(&mut group, |m| m.to == dead), 1);
    }
    // A follower whose leader is dead.
    let mut group = three();
    group.tick(1, 1);
    let lost = settle_reporting(&mut group, |m| m.to == 1);
    assert_eq!(lost, 4, "an answer and one more message of each follower");
}

#[test]
fn a_report_about_nobody_or_by_nobody_in_charge_does_nothing() {
    let mut group = three();
    group.node(1).report_unreachable(1);
    group.node(1).report_unreachable(9);
    group.node(2).report_unreachable(3);
    group.node(2).report_unreachable(0);
    assert!((1..=3).all(|id| !group.node(id).has_ready()));
    group.isolate(1);
    group.tick(2, 40);
    group.node(2).report_unreachable(0);
    group.settle();
}

#[test]
fn for_comparison_a_report_only_makes_a_leader_careful() {
    let mut group = Group::with(3, |config| config.eager_append = true);
    group.elect(1);
    group.node(1).report_unreachable(3);
    group.node(2).report_unreachable(1);
    assert!(!group.node(1).has_ready() && !group.node(2).has_ready());
    assert_eq!(group.node(1).status().progress[2].state, ProgressState::Probe);
}
