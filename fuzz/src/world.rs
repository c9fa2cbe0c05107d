//! A small group of nodes with their hosts and the messages between them.

use std::collections::VecDeque;

use raftcore::{ConfState, Config, MemoryStorage, Message, NodeId, ReadMode};

use crate::host::Host;
use crate::oracle::Oracle;
use crate::source::Source;

/// Who can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Everybody: then Raft's safety properties hold.
    All,
    /// Every host, but messages are forged: then each node keeps its own promises.
    Hosts,
    /// Nobody: then calls fail, and nothing panics.
    Nobody,
}

/// Messages on their way; more are dropped, oldest first.
const MOST_MESSAGES: usize = 200;

pub(crate) struct World {
    pub(crate) trust: Trust,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: VecDeque<Message>,
    pub(crate) oracle: Oracle,
    /// The network is cut in two: a bit for each node tells its side.
    pub(crate) sides: u8,
    /// All messages that were sent, if somebody wants them.
    pub(crate) record: Option<Vec<Message>>,
    /// Whether to print what happens.
    pub(crate) explain: bool,
}

impl World {
    pub(crate) fn new(source: &mut Source<'_>) -> Self {
        let trust = source.choose([Trust::All, Trust::Hosts, Trust::Nobody]);
        let nodes = NodeId::from(1 + source.below(5));
        let voters = 1 + NodeId::from(source.byte()) % nodes;
        let learners = NodeId::from(source.byte()) % (nodes - voters + 1);
        let members = ConfState::new(
            (1..=voters).collect::<Vec<_>>(),
            (voters + 1..=voters + learners).collect::<Vec<_>>(),
        );
        let mut config = config(source, trust);
        let hosts = (1..=nodes).map(|id| {
            config.id = id;
            config.priority = i64::from(source.below(3));
            let storage = match members.contains(id) {
                true => MemoryStorage::with_conf_state(members.clone()),
                false => MemoryStorage::new(),
            };
            let mut host = Host::new(config.clone(), storage).expect("a new node");
            host.is_trusted = trust != Trust::Nobody;
            host
        });
        let hosts = hosts.collect();
        Self {
            trust,
            hosts,
            network: VecDeque::new(),
            oracle: Oracle::default(),
            sides: 0,
            record: None,
            explain: false,
        }
    }

    /// Takes over what a host wants to send, and looks at its state.
    pub(crate) fn settle(&mut self, place: usize) {
        let host = &mut self.hosts[place];
        if self.trust == Trust::All {
            self.oracle.look(host);
        }
        host.applied.clear();
        host.reads.clear();
        for message in host.outbox.drain(..) {
            if let Some(record) = &mut self.record {
                record.push(message.clone());
            }
            self.network.push_back(message);
        }
        while self.network.len() > MOST_MESSAGES {
            self.network.pop_front();
        }
    }

    /// Hands a message to its recipient. With forged messages an error is as good as anything; an
    /// honest group must not see those that tell of lost data.
    pub(crate) fn deliver(&mut self, message: Message) {
        let Some(place) = self.hosts.iter().position(|host| host.id() == message.to) else { return };
        let side = |id: NodeId| self.sides >> (id % 8) & 1;
        if side(message.from) != side(message.to) {
            return;
        }
        let result = self.hosts[place].step(|node| node.step(message));
        if let (Trust::All, Err(error)) = (self.trust, result) {
            use raftcore::Error::{CommitBeyondLog, CommittedConflict};
            let tells_of_loss = matches!(error, CommitBeyondLog { .. } | CommittedConflict { .. });
            assert!(!tells_of_loss, "an honest group: {error}");
        }
        self.settle(place);
    }

    /// Lets everybody do all work and delivers all messages, for some rounds.
    pub(crate) fn calm(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for place in 0..self.hosts.len() {
                self.hosts[place].drive();
                self.settle(place);
            }
            for message in std::mem::take(&mut self.network) {
                self.deliver(message);
            }
        }
    }
}

/// The group's configuration; `id` and `priority` are each node's own.
fn config(source: &mut Source<'_>, trust: Trust) -> Config {
    let flags = source.byte();
    let check_quorum = flags & 1 == 0;
    // Leases need clocks that agree, which ours do not.
    let may_lease = trust != Trust::All && check_quorum;
    let more = source.byte();
    let max_message_bytes = source.choose([1 << 20, 0, 30, 200]);
    Config {
        check_quorum,
        pre_vote: flags & 2 == 0,
        async_storage_writes: flags & 4 != 0,
        apply_before_persist: flags & 8 != 0,
        forward_proposals: flags & 16 == 0,
        step_down_on_removal: flags & 32 == 0,
        read_mode: if may_lease && flags & 64 != 0 { ReadMode::Lease } else { ReadMode::Safe },
        // An honest group needs the validation; `eager_append` gives up more, and is not for use.
        validate_conf_changes: trust == Trust::All || more & 2 == 0,
        heartbeat_ticks: 1 + u32::from(more >> 2 & 1),
        election_ticks: 3 + u32::from(more >> 3 & 3),
        max_inflight_messages: source.choose([256, 1, 2, 3]),
        max_message_bytes,
        max_inflight_bytes: max_message_bytes.max(source.choose([1 << 26, 1, 50, 300])),
        max_uncommitted_bytes: source.choose([1 << 30, 1, 20, 500]),
        max_committed_bytes_per_ready: source.choose([1 << 26, 1, 20, 500]),
        log_cache_bytes: source.choose([1 << 23, 0, 50, 500]),
        seed: u64::from(source.byte()),
        max_uncommitted_entries: if more & 32 != 0 { 3 } else { 1 << 20 },
        max_pending_reads: if more & 64 != 0 { 2 } else { 1 << 16 },
        max_waiting_messages: if more & 128 != 0 { 3 } else { 1 << 16 },
        max_waiting_bytes: if more & 128 != 0 { 100 } else { 1 << 30 },
        ..Config::new(1)
    }
}
