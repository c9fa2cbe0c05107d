use super::*;
use crate::types::{Index, NodeId};

fn reached<'a>(indexes: &'a [(NodeId, Index)]) -> impl FnMut(NodeId) -> Index + 'a {
    |id| indexes.iter().find(|(voter, _)| *voter == id).map_or(0, |(_, index)| *index)
}

#[test]
fn committed_by_a_majority() {
    for (indexes, committed) in [
        (vec![], Index::MAX),
        (vec![(1, 12)], 12),
        (vec![(1, 12), (2, 5)], 5),
        (vec![(1, 12), (2, 5), (3, 6)], 6),
        (vec![(1, 12), (2, 5), (3, 6), (4, 9)], 6),
        (vec![(1, 101), (2, 104), (3, 103), (4, 103), (5, 0)], 103),
    ] {
        let majority = Majority::new(indexes.iter().map(|(id, _)| *id).collect());
        assert_eq!(majority.committed(reached(&indexes)), committed, "{indexes:?}");
    }
}

#[test]
fn votes_of_a_majority() {
    use VoteResult::{Lost, Pending, Won};
    for (votes, result) in [
        ("", Won),
        ("y", Won),
        ("n", Lost),
        ("_", Pending),
        ("yn", Lost),
        ("y_", Pending),
        ("yyn", Won),
        ("yn_", Pending),
        ("nn_", Lost),
        ("yynn", Lost),
        ("yyyn", Won),
        ("yy__", Pending),
        ("yyynn", Won),
        ("yynn_", Pending),
    ] {
        let majority = Majority::new((0..votes.len() as u64).collect());
        let said = |id: NodeId| match &votes[id as usize..=id as usize] {
            "y" => Some(true),
            "n" => Some(false),
            _ => None,
        };
        assert_eq!(majority.vote_result(said), result, "{votes}");
    }
}

#[test]
fn a_joint_quorum_needs_both_halves() {
    let joint =
        JointQuorum { incoming: Majority::new(vec![1, 2, 3]), outgoing: Majority::new(vec![3, 4, 5]) };
    let indexes = [(1, 10), (2, 10), (3, 10), (4, 3), (5, 2)];
    assert_eq!(joint.committed(reached(&indexes)), 3);
    assert_eq!(joint.vote_result(|id| Some(id <= 3)), VoteResult::Lost);
    assert_eq!(joint.vote_result(|id| (id <= 3).then_some(true)), VoteResult::Pending);
    assert_eq!(joint.vote_result(|id| Some(id >= 2)), VoteResult::Won);
    assert_eq!(joint.ids(), [1, 2, 3, 4, 5]);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// By definition: the highest index that more than half of the voters have reached.
        #[test]
        fn committed_is_what_the_definition_says(indexes in prop::collection::vec(0u64..20, 1..14)) {
            let indexes: Vec<_> = (1..).zip(indexes).collect();
            let majority = Majority::new(indexes.iter().map(|(id, _)| *id).collect());
            let by_definition = (0..=20)
                .filter(|index| indexes.iter().filter(|(_, at)| at >= index).count() * 2 > indexes.len())
                .max();
            prop_assert_eq!(Some(majority.committed(reached(&indexes))), by_definition);
        }

        /// By definition: won or lost is what every way of casting the missing votes leads to.
        #[test]
        fn a_vote_is_decided_when_nothing_can_change_it(votes in prop::collection::vec(0u8..3, 1..9)) {
            let majority = Majority::new((0..votes.len() as u64).collect());
            let missing: Vec<_> = (0..votes.len()).filter(|id| votes[*id] == 2).collect();
            let outcomes: std::collections::BTreeSet<bool> = (0..1u32 << missing.len())
                .map(|cast| {
                    let yes = votes.iter().filter(|vote| **vote == 1).count() + cast.count_ones() as usize;
                    yes * 2 > votes.len()
                })
                .collect();
            let expected = match (outcomes.contains(&true), outcomes.contains(&false)) {
                (true, false) => VoteResult::Won,
                (false, true) => VoteResult::Lost,
                _ => VoteResult::Pending,
            };
            let said = |id: NodeId| match votes[id as usize] {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            };
            prop_assert_eq!(majority.vote_result(said), expected);
        }
    }
}
