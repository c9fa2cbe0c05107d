//! What must hold among the nodes of an honest group (thesis section 3.6).

use std::collections::BTreeMap;

use raftcore::{Bytes, Index, NodeId, RoleKind, Term};

use crate::host::Host;

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    leaders: BTreeMap<Term, NodeId>,
    /// The state machine's hash at each index.
    chains: BTreeMap<Index, u64>,
    /// The highest commit index that any node has told of.
    committed: Index,
    /// Pending reads: the lowest index that may answer each.
    reads: BTreeMap<u64, Index>,
}

impl Oracle {
    /// A token for a read that is requested now.
    pub(crate) fn read(&mut self) -> Bytes {
        let token = self.reads.len() as u64;
        self.reads.insert(token, self.committed);
        token.to_le_bytes().to_vec().into()
    }

    /// Looks at a node after something happened to it.
    pub(crate) fn look(&mut self, host: &mut Host) {
        let (id, hard_state) = (host.id(), host.node.hard_state());
        if host.node.soft_state().role == RoleKind::Leader {
            let leader = *self.leaders.entry(hard_state.term).or_insert(id);
            assert_eq!(leader, id, "Election Safety: two leaders in term {}", hard_state.term);
        }
        for machine in host.applied.drain(..) {
            let chain = *self.chains.entry(machine.applied).or_insert(machine.chain);
            assert_eq!(chain, machine.chain, "State Machine Safety: index {} on node {id}", machine.applied);
        }
        for read in host.reads.drain(..) {
            let Ok(token) = <[u8; 8]>::try_from(read.context.as_ref()) else { continue };
            let lowest = self.reads.get(&u64::from_le_bytes(token)).copied().unwrap_or(0);
            assert!(read.index >= lowest, "a read at {} was requested after {lowest}", read.index);
        }
        self.committed = self.committed.max(hard_state.commit);
    }
}
