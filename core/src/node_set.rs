//! A set of nodes.

use std::ops::Deref;

use crate::types::NodeId;

/// Node ids, ascending, each once. Small: a node has several of these, mostly empty, and a process may
/// have many thousands of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeSet {
    ids: Box<[NodeId]>,
}

impl NodeSet {
    pub(crate) fn new(mut ids: Vec<NodeId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self { ids: ids.into_boxed_slice() }
    }

    pub(crate) fn contains(&self, id: NodeId) -> bool {
        // Groups are small: looking at one after the other is the fastest way.
        self.ids.contains(&id)
    }

    pub(crate) fn insert(&mut self, id: NodeId) {
        self.change(|ids| {
            if let Err(place) = ids.binary_search(&id) {
                ids.insert(place, id);
            }
        });
    }

    pub(crate) fn remove(&mut self, id: NodeId) {
        self.change(|ids| ids.retain(|other| *other != id));
    }

    fn change(&mut self, how: impl FnOnce(&mut Vec<NodeId>)) {
        let mut ids = std::mem::take(&mut self.ids).into_vec();
        how(&mut ids);
        self.ids = ids.into_boxed_slice();
    }
}

impl Deref for NodeSet {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        &self.ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_there_once() {
        let mut set = NodeSet::new(vec![5, 1, 5, 3]);
        assert_eq!(set[..], [1, 3, 5]);
        set.insert(4);
        set.insert(1);
        set.remove(3);
        set.remove(9);
        assert_eq!(set[..], [1, 4, 5]);
        assert!(set.contains(4) && !set.contains(3));
    }
}
