use super::*;
use crate::membership::{ConfState, Transition};

/// A configuration written as in `1 2 3 & 1 2 4 learners 5 next 4 auto`.
fn parse(text: &str) -> Configuration {
    let mut state = ConfState::default();
    let mut part = 0;
    for word in text.split_whitespace() {
        match word {
            "&" => part = 1,
            "learners" => part = 2,
            "next" => part = 3,
            "auto" => state.auto_leave = true,
            id => {
                let id = id.parse().unwrap();
                [
                    &mut state.voters,
                    &mut state.voters_outgoing,
                    &mut state.learners,
                    &mut state.learners_next,
                ][part]
                    .push(id);
            }
        }
    }
    Configuration::restore(&state).unwrap()
}

/// Operations written as in `v4 l5 r1 u2`.
fn ops(text: &str) -> Vec<ConfChangeOp> {
    let op = |word: &str| ConfChangeOp {
        kind: match &word[..1] {
            "v" => ConfChangeKind::AddVoter,
            "l" => ConfChangeKind::AddLearner,
            "r" => ConfChangeKind::Remove,
            _ => ConfChangeKind::Update,
        },
        node: word[1..].parse().unwrap(),
    };
    text.split_whitespace().map(op).collect()
}

fn run(from: &str, transition: Transition, changes: &str) -> Result<Changed, ConfChangeError> {
    apply(&parse(from), &ConfChangeV2 { transition, ops: ops(changes), ..Default::default() })
}

#[test]
fn simple_changes() {
    for (from, change, to) in [
        ("1 2 3", "v4", Ok("1 2 3 4")),
        ("1 2 3", "r3", Ok("1 2")),
        ("1 2 3", "l4", Ok("1 2 3 learners 4")),
        ("1 2 3", "l3", Ok("1 2 learners 3")),
        ("1 2 learners 3", "v3", Ok("1 2 3")),
        ("1 2 learners 3", "r3", Ok("1 2")),
        ("1 2 3", "u2", Ok("1 2 3")),
        ("1 2 3", "v0", Ok("1 2 3")),
        ("1 2 3", "r9", Ok("1 2 3")),
        ("1 2 3", "v2", Ok("1 2 3")),
        ("", "v1", Ok("1")),
        ("1", "r1", Err(ConfChangeError::NoVoters)),
        ("1", "l1", Err(ConfChangeError::NoVoters)),
        ("1 2 & 1 3", "v4", Err(ConfChangeError::AlreadyJoint)),
        ("1 2", "", Err(ConfChangeError::NotJoint)),
    ] {
        let found = run(from, Transition::Auto, change).map(|changed| changed.configuration);
        assert_eq!(found, to.map(parse), "{from} with {change}");
    }
}

#[test]
fn joint_changes() {
    for (from, transition, change, to) in [
        ("1 2 3", Transition::Auto, "v4 r3", Ok("1 2 4 & 1 2 3 auto")),
        ("1 2 3", Transition::Implicit, "v4", Ok("1 2 3 4 & 1 2 3 auto")),
        ("1 2 3", Transition::Explicit, "v4", Ok("1 2 3 4 & 1 2 3")),
        ("1 2 3", Transition::Explicit, "l3", Ok("1 2 & 1 2 3 next 3")),
        ("1 2 3", Transition::Explicit, "l3 v3", Ok("1 2 3 & 1 2 3")),
        ("1 2 learners 4", Transition::Explicit, "v4 r1", Ok("2 4 & 1 2")),
        ("1 2 3", Transition::Explicit, "", Ok("1 2 3 & 1 2 3")),
        ("1 2 & 2 3", Transition::Explicit, "v4", Err(ConfChangeError::AlreadyJoint)),
        ("1 2", Transition::Explicit, "r1 r2", Err(ConfChangeError::NoVoters)),
        ("", Transition::Explicit, "v1", Err(ConfChangeError::NoVoters)),
    ] {
        let found = run(from, transition, change).map(|changed| changed.configuration);
        assert_eq!(found, to.map(parse), "{from} with {change}");
    }
}

#[test]
fn leaving() {
    for (from, to) in [
        ("1 2 4 & 1 2 3 auto", "1 2 4"),
        ("1 2 & 1 2 3 next 3", "1 2 learners 3"),
        ("1 2 & 1 3 learners 5", "1 2 learners 5"),
    ] {
        let left = run(from, Transition::Auto, "").unwrap().configuration;
        assert_eq!(left, parse(to), "leaving {from}");
    }
}

#[test]
fn nothing_is_believed_of_new_members_nor_of_those_removed_and_added_again() {
    for (from, change, fresh) in [
        ("1 2 3", "v4 l5", vec![4, 5]),
        ("1 2 3", "v3 l2", vec![]),
        ("1 2 3", "r3 v3", vec![]),
        ("1 2 learners 4", "r4 l4", vec![4]),
        ("1 2", "v3 r3", vec![]),
    ] {
        assert_eq!(
            run(from, Transition::Explicit, change).unwrap().fresh[..],
            fresh[..],
            "{from} with {change}"
        );
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn change() -> impl Strategy<Value = ConfChangeV2> {
        let kind = prop_oneof![
            Just(ConfChangeKind::AddVoter),
            Just(ConfChangeKind::Remove),
            Just(ConfChangeKind::AddLearner),
            Just(ConfChangeKind::Update),
        ];
        let transition =
            prop_oneof![Just(Transition::Auto), Just(Transition::Implicit), Just(Transition::Explicit)];
        let op = (kind, 0u64..6).prop_map(|(kind, node)| ConfChangeOp { kind, node });
        (transition, prop::collection::vec(op, 0..5)).prop_map(|(transition, ops)| ConfChangeV2 {
            transition,
            ops,
            ..Default::default()
        })
    }

    /// Whether any quorum of `a` meets any quorum of `b`, by trying all subsets of nodes 1 to 6.
    fn quorums_meet(a: &Configuration, b: &Configuration) -> bool {
        let wins = |configuration: &Configuration, set: u32| {
            let said = |id: u64| Some(set >> id & 1 == 1);
            configuration.voters.vote_result(said) == crate::quorum::VoteResult::Won
        };
        let all = 0b111_1110u32;
        (0..=all).step_by(2).filter(|set| wins(a, *set)).all(|set| !wins(b, all & !set))
    }

    proptest! {
        #[test]
        fn any_two_quorums_of_successive_configurations_meet(changes in prop::collection::vec(change(), 1..12)) {
            let mut current = parse("1 2 3");
            for change in changes {
                let Ok(changed) = apply(&current, &change) else { continue };
                prop_assert!(quorums_meet(&current, &changed.configuration));
                current = changed.configuration;
            }
        }

        #[test]
        fn what_is_saved_is_what_is_restored(changes in prop::collection::vec(change(), 1..12)) {
            let mut current = parse("1 2 3");
            for change in changes {
                if let Ok(changed) = apply(&current, &change) {
                    current = changed.configuration;
                    prop_assert_eq!(&Configuration::restore(&current.to_conf_state()).unwrap(), &current);
                }
            }
        }
    }
}
