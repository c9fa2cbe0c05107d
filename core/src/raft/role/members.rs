//! What the leader knows of each member: a small sorted vector.

use crate::config::Config;
use crate::membership::Configuration;
use crate::progress::Progress;
use crate::types::{Index, NodeId};

#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    sorted: Vec<(NodeId, Progress)>,
}

impl Members {
    /// The members of `configuration`, to be replicated to from index `next` on.
    pub(crate) fn new(configuration: &Configuration, next: Index, config: &Config) -> Self {
        let progress = |id| (id, Progress::new(next, configuration.is_learner(id), config));
        Self { sorted: configuration.members().into_iter().map(progress).collect() }
    }

    fn place(&self, id: NodeId) -> Result<usize, usize> {
        self.sorted.binary_search_by_key(&id, |(member, _)| *member)
    }

    /// Groups are small: looking at one member after the other is the fastest way.
    fn find(&self, id: NodeId) -> Option<usize> {
        self.sorted.iter().position(|(member, _)| *member == id)
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Progress> {
        self.sorted.get(self.find(id)?).map(|(_, progress)| progress)
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Option<&mut Progress> {
        let place = self.find(id)?;
        self.sorted.get_mut(place).map(|(_, progress)| progress)
    }

    /// Members in order of ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(NodeId, Progress)> {
        self.sorted.iter()
    }

    /// Members in order of ids.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (NodeId, Progress)> {
        self.sorted.iter_mut()
    }

    /// The membership has changed. Nothing is known of `fresh` members; they are probed at `last`,
    /// the end of the leader's log, and count as active: they had no chance to speak yet.
    pub(crate) fn reconcile(
        &mut self,
        configuration: &Configuration,
        fresh: &[NodeId],
        last: Index,
        config: &Config,
    ) {
        self.sorted.retain(|(id, _)| configuration.contains(*id) && !fresh.contains(id));
        for id in configuration.members() {
            match self.place(id) {
                Ok(_) => {}
                Err(place) => {
                    let mut progress = Progress::new(last, false, config);
                    progress.is_active = true;
                    self.sorted.insert(place, (id, progress));
                }
            }
        }
        for (id, progress) in &mut self.sorted {
            progress.is_learner = configuration.is_learner(*id);
        }
    }
}
