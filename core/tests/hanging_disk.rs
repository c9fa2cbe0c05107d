//! Asynchronous writes: a leader whose disk hangs.

use std::collections::{BTreeMap, VecDeque};

use raftcore::{
    ConfState, Config, MemoryStorage, Message, NodeId, RawNode, Ready, Response, RoleKind, Storage,
};

struct Group {
    nodes: BTreeMap<NodeId, RawNode<MemoryStorage>>,
    /// What the disks have to do still.
    writes: BTreeMap<NodeId, VecDeque<Box<Ready>>>,
    queue: VecDeque<Message>,
    /// Nodes whose disks do nothing.
    hung: Vec<NodeId>,
}

impl Group {
    /// A group that node 1 leads.
    fn new(voters: u64, adjust: impl Fn(&mut Config)) -> Self {
        let ids: Vec<_> = (1..=voters).collect();
        let node = |id| {
            let mut config = Config { async_storage_writes: true, seed: 5, ..Config::new(id) };
            adjust(&mut config);
            let storage = MemoryStorage::with_conf_state(ConfState::new(ids.clone(), []));
            (id, RawNode::new(config, storage).unwrap())
        };
        let nodes = ids.iter().map(|id| node(*id)).collect();
        let writes = ids.iter().map(|id| (*id, VecDeque::new())).collect();
        let mut group = Self { nodes, writes, queue: VecDeque::new(), hung: Vec::new() };
        group.node(1).campaign().unwrap();
        group.settle();
        assert_eq!(group.leaders(), [1]);
        group
    }

    fn node(&mut self, id: NodeId) -> &mut RawNode<MemoryStorage> {
        self.nodes.get_mut(&id).unwrap()
    }

    fn leaders(&self) -> Vec<NodeId> {
        let leads = |node: &RawNode<_>| node.soft_state().role == RoleKind::Leader;
        self.nodes.iter().filter(|(_, node)| leads(node)).map(|(id, _)| *id).collect()
    }

    fn settle(&mut self) {
        let mut worked = true;
        while worked {
            worked = false;
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                worked |= self.take(id) | (!self.hung.contains(&id) && self.write(id));
            }
            if let Some(message) = self.queue.pop_front() {
                worked = true;
                self.node(message.to).step(message).unwrap();
            }
        }
    }

    fn take(&mut self, id: NodeId) -> bool {
        let node = self.nodes.get_mut(&id).unwrap();
        if !node.has_ready() {
            return false;
        }
        let mut ready = node.ready().unwrap();
        self.queue.extend(ready.messages.drain(..));
        if let Some(apply) = ready.storage_apply.take() {
            node.acknowledge(apply.ack).unwrap();
        }
        self.writes.get_mut(&id).unwrap().push_back(ready);
        true
    }

    /// The disk does what is next.
    fn write(&mut self, id: NodeId) -> bool {
        let Some(mut ready) = self.writes.get_mut(&id).unwrap().pop_front() else { return false };
        let node = self.nodes.get_mut(&id).unwrap();
        node.storage_mut().append(&ready.entries).unwrap();
        if let Some(hard_state) = ready.hard_state {
            node.storage_mut().set_hard_state(hard_state);
        }
        for response in ready.storage_append.take().into_iter().flat_map(|append| append.responses) {
            match response {
                Response::Send(message) => self.queue.push_back(message),
                Response::Acknowledge(ack) => node.acknowledge(ack).unwrap(),
            }
        }
        true
    }

    fn tick(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.nodes.values_mut().for_each(|node| node.tick().unwrap());
            self.settle();
        }
    }
}

#[test]
fn a_leader_whose_disk_hangs_hands_over_within_two_election_timeouts() {
    for voters in [3, 5] {
        let mut group = Group::new(voters, |_| {});
        group.hung.push(1);
        group.node(1).propose("x").unwrap();
        group.settle();
        group.tick(20);
        let [leader] = group.leaders()[..] else { panic!("{:?}", group.leaders()) };
        assert_ne!(leader, 1);
        group.node(leader).propose("y").unwrap();
        group.settle();
        let status = group.node(leader).status();
        assert_eq!(status.applied, status.last.index);
        // It cannot win, even if the others are lost, and comes back with its disk.
        group.node(1).campaign().unwrap();
        group.tick(40);
        assert_ne!(group.leaders(), [1]);
        group.hung.clear();
        group.settle();
        group.tick(40);
        assert_eq!(group.node(1).storage().last_index().unwrap(), group.node(leader).status().last.index);
        assert_eq!(group.leaders().len(), 1);
    }
}

#[test]
fn a_slow_disk_that_goes_on_keeps_its_leader() {
    let mut group = Group::new(3, |_| {});
    group.hung.push(1);
    // Always behind, by more and more; one write of a leader in nine ticks.
    for round in 0..20 {
        for _ in 0..3 {
            group.node(1).propose(format!("{round}")).unwrap();
            group.settle();
            group.tick(3);
        }
        while group.write(1) {
            if group.nodes[&1].status().progress[0].is_active {
                break;
            }
        }
        group.settle();
        assert_eq!(group.leaders(), [1], "round {round}");
    }
}

#[test]
fn a_disk_with_nothing_to_do_does_not_hang() {
    let mut group = Group::new(3, |_| {});
    group.hung.push(1);
    group.tick(200);
    assert_eq!(group.leaders(), [1]);
}

#[test]
fn a_leader_whose_disk_hangs_stays_where_nobody_else_could_lead() {
    for voters in [1, 2] {
        let mut group = Group::new(voters, |_| {});
        group.hung.push(1);
        group.node(1).propose("x").unwrap();
        group.tick(100);
        assert_eq!(group.leaders(), [1], "{voters} voters");
    }
    // And where leaders never step down by themselves.
    let adjust: [fn(&mut Config); 2] =
        [|config| config.check_quorum = false, |config| config.eager_append = true];
    for adjust in adjust {
        let mut group = Group::new(3, adjust);
        group.hung.push(1);
        group.node(1).propose("x").unwrap();
        group.tick(100);
        assert_eq!(group.leaders(), [1]);
    }
}
