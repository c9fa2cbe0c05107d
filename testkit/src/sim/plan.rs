//! What kind of run a seed stands for: all settings are drawn before the first event.

mod settings;

use raftcore::{Config, NO_LIMIT, NO_NODE, NodeId, ReadMode};

use crate::rng::Rng;

pub(super) use settings::CALMING;

/// Units of simulated time in a tick of an average node.
pub(super) const TICK: u64 = 100;

/// The settings of a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How many voters the group begins with.
    pub(super) voters: u64,
    /// Index of the snapshot that the group begins with.
    pub(super) first_index: u64,
    /// Settings of all nodes; ids and seeds are filled in for each.
    config: Config,
    /// Whether nodes have different priorities.
    priorities: bool,
    /// Whether nodes differ in what need not be the same everywhere, and change it when they restart.
    mixed: bool,
    /// A node that counts no leases where the others do; 0: none.
    without_leases: NodeId,
    /// A node whose election timeout is about half as long as that of the others; 0: none.
    short_timeout: NodeId,
    /// By how much of a thousand clocks may be fast or slow.
    drift: u64,
    /// Whether clocks may stop and leap although reads rely on them: a breach of the contract, which
    /// must be noticed.
    pub(super) bad_clocks: bool,
    /// Whether the indexes of reads are not looked at, so that only what clients saw can show a stale one.
    pub(super) blind_reads: bool,
    /// A bug of the simulated hosts, planted to see that it is noticed.
    pub(super) bug: Option<Bug>,
    /// Whether the state machine survives a crash by itself, or is rebuilt from the last snapshot.
    pub(super) durable_machine: bool,
    /// Whether every message is encoded and decoded on its way.
    pub(super) through_wire: bool,
    /// How slow hosts can be; each draws its own speed up to that.
    pub(super) slowest_work: u64,
    pub(super) network: NetworkPlan,
    pub(super) faults: FaultPlan,
    /// Mean time between client requests.
    pub(super) client_interval: u64,
    pub(super) requests: RequestPlan,
}

/// Bugs that hosts can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// Nothing is synced before messages that need it are sent.
    NoSync,
    /// Reads are served before the node has applied what they must see.
    StaleReads,
    /// Writes are acknowledged when they are appended.
    EarlyAnswers,
}

/// What clients and operators ask for, by how often they do compared with the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestPlan {
    pub(super) proposals: u64,
    pub(super) reads: u64,
    pub(super) compactions: u64,
    /// Making a storage unable to give a snapshot, or able again.
    pub(super) busy_snapshots: u64,
    pub(super) membership_changes: u64,
    pub(super) transfers: u64,
    pub(super) campaigns: u64,
    pub(super) forgotten_leaders: u64,
}

/// How the network treats messages; of a thousand, where nothing else is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct NetworkPlan {
    pub(super) dropped: u32,
    pub(super) duplicated: u32,
    /// Messages that take up to `slow_latency`.
    pub(super) slow: u32,
    /// Most time that other messages take.
    pub(super) latency: u64,
    pub(super) slow_latency: u64,
    /// Messages with flipped, missing or additional bytes.
    pub(super) corrupted: u32,
}

/// What goes wrong and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultPlan {
    /// Mean time between faults; None: there are none.
    pub(super) interval: Option<u64>,
    /// Of a thousand pieces of work, before how many the node crashes.
    pub(super) crash_at_work: u32,
    /// Of a thousand reads of the storage by the library, how many fail.
    pub(super) failing_reads: u32,
    /// Of a thousand crashes, how many leave a part of the last write.
    pub(super) torn: u32,
    /// Whether most of what goes wrong is that somebody else leads, with whom hardly anybody can speak.
    pub(super) duels: bool,
}

impl RequestPlan {
    /// Clients that only write.
    const PROPOSALS: Self = Self {
        proposals: 1,
        reads: 0,
        compactions: 0,
        busy_snapshots: 0,
        membership_changes: 0,
        transfers: 0,
        campaigns: 0,
        forgotten_leaders: 0,
    };
}

impl NetworkPlan {
    /// A network without faults.
    pub(super) const RELIABLE: Self =
        Self { dropped: 0, duplicated: 0, slow: 0, latency: TICK / 10, slow_latency: 0, corrupted: 0 };
}

impl Plan {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let mut plan = Self {
            voters: rng.choose([1, 2, 3, 3, 3, 4, 5]),
            first_index: rng.between(1, 10),
            config: draw_config(rng),
            priorities: rng.chance(200),
            mixed: rng.chance(300),
            without_leases: NO_NODE,
            short_timeout: NO_NODE,
            drift: rng.choose([0, 20, 100, 100, 400]),
            bad_clocks: false,
            blind_reads: false,
            bug: None,
            durable_machine: rng.chance(600),
            through_wire: rng.chance(250),
            slowest_work: rng.choose([0, TICK / 20, TICK / 2, 4 * TICK, 20 * TICK, 100 * TICK]),
            network: draw_network(rng),
            faults: FaultPlan {
                interval: rng.choose([None, Some(400), Some(100), Some(20)]).map(|ticks: u64| ticks * TICK),
                crash_at_work: rng.choose([0, 0, 1, 5]),
                failing_reads: rng.choose([0, 0, 1, 20]),
                torn: rng.choose([0, 500]),
                duels: false,
            },
            client_interval: rng.choose([TICK / 10, TICK / 2, 2 * TICK]),
            requests: draw_requests(rng),
        };
        if plan.has_leases() {
            // With leases, clocks differ by less than a tick in an election timeout.
            plan.drift = 10;
            plan.draw_exceptions(&mut Rng::derived(plan.config.seed, plan.first_index));
        }
        if rng.chance(if plan.has_leases() { 500 } else { 250 }) {
            plan.prepare_duels(rng);
        }
        plan
    }

    /// Leases must be safe although some of the members count none, or shorter ones.
    fn draw_exceptions(&mut self, rng: &mut Rng) {
        let mut one = || if rng.chance(150) { rng.between(1, 5) } else { NO_NODE };
        (self.without_leases, self.short_timeout) = (one(), one());
    }

    /// Changes what would keep others from leading soon: duels are about leases, or about logs.
    fn prepare_duels(&mut self, rng: &mut Rng) {
        self.faults.duels = true;
        let election_timeout = self.election_timeout();
        self.faults.interval = Some(election_timeout * rng.choose([1, 1, 2, 4]) / 2);
        if self.has_leases() {
            self.slowest_work = rng.choose([0, TICK / 2]);
        } else {
            self.voters = rng.choose([5, 5, 5, 4, 3]);
            self.mixed = false;
            self.config.async_storage_writes = rng.chance(800);
            self.config.check_quorum = false;
            self.config.pre_vote = false;
            self.slowest_work = rng.choose([4, 20, 100]) * TICK;
            self.network.dropped = rng.choose([0, 5]);
            self.network.latency = rng.choose([TICK / 10, TICK]);
        }
    }

    /// A group of three with the library's default settings on a reliable network, where nothing
    /// happens that is not asked for.
    pub(super) fn quiet(seed: u64) -> Self {
        Self {
            voters: 3,
            first_index: 1,
            config: Config { seed, ..Config::new(1) },
            priorities: false,
            mixed: false,
            without_leases: NO_NODE,
            short_timeout: NO_NODE,
            drift: 10,
            bad_clocks: false,
            blind_reads: false,
            bug: None,
            durable_machine: true,
            through_wire: false,
            slowest_work: 0,
            network: NetworkPlan::RELIABLE,
            faults: FaultPlan { interval: None, crash_at_work: 0, failing_reads: 0, torn: 0, duels: false },
            client_interval: TICK,
            requests: RequestPlan::PROPOSALS,
        }
    }

    /// The configuration of a node.
    pub(super) fn config(&self, id: NodeId, incarnation: u64, applied: u64) -> Config {
        let seed = self.config.seed.wrapping_add(incarnation);
        let priority = if self.priorities { (id % 3) as i64 } else { 0 };
        let mut config = Config { id, seed, applied, priority, ..self.config.clone() };
        if id == self.without_leases {
            config.read_mode = ReadMode::Safe;
        }
        if id == self.short_timeout {
            config.election_ticks = config.election_ticks / 2 + 1;
        }
        if self.mixed {
            mix(&mut config, &mut Rng::derived(seed, id));
        }
        config
    }

    /// Whether the library does without its own precautions, as its model does. Then a node that was
    /// removed and comes back with a higher term is not heard, and may keep a group from committing.
    pub(super) fn is_for_comparison(&self) -> bool {
        self.config.eager_append
    }

    /// Whether reads rely on clocks: then these must be good.
    pub(super) fn has_leases(&self) -> bool {
        self.config.read_mode == ReadMode::Lease
    }

    /// Whether nodes store and apply beside their other work.
    pub(super) fn is_async(&self) -> bool {
        self.config.async_storage_writes
    }

    /// How long a tick of some node takes.
    pub(super) fn draw_tick(&self, rng: &mut Rng) -> u64 {
        let drift = TICK * self.drift / 1000;
        rng.between(TICK - drift, TICK + drift)
    }

    /// How long each lane of a node's host may take for a piece of work.
    pub(super) fn draw_work_latencies(&self, id: NodeId, rng: &mut Rng) -> [u64; 3] {
        if self.faults.duels {
            return if id == self.witness() { [0, self.slowest_work, 0] } else { [0; 3] };
        }
        [(); 3].map(|()| rng.choose([0, self.slowest_work / 10, self.slowest_work]))
    }

    /// Who stores slowly what it hears from the leaders of duels.
    pub(super) fn witness(&self) -> NodeId {
        self.voters
    }

    /// An election timeout, in units of time.
    pub(super) fn election_timeout(&self) -> u64 {
        u64::from(self.config.election_ticks) * TICK
    }
}

/// Changes what may be another on each node.
fn mix(config: &mut Config, rng: &mut Rng) {
    config.pre_vote = rng.chance(500);
    // Leases need it on all nodes.
    if config.read_mode != ReadMode::Lease {
        config.check_quorum = rng.chance(500);
    }
    config.async_storage_writes = rng.chance(500);
    config.apply_before_persist = rng.chance(200);
    config.forward_proposals = rng.chance(700);
    config.log_cache_bytes = rng.choose([0, 100, 2000, 1 << 20]);
}

fn draw_config(rng: &mut Rng) -> Config {
    let max_message_bytes = rng.choose([1, 100, 1000, NO_LIMIT]);
    let max_inflight_bytes = rng.choose([0, 500, 10_000, NO_LIMIT]);
    let check_quorum = rng.chance(500);
    let eager_append = rng.chance(200);
    let has_leases = check_quorum && !eager_append && rng.chance(400);
    Config {
        election_ticks: rng.choose([5, 10, 20]),
        heartbeat_ticks: rng.choose([1, 1, 2]),
        seed: rng.next_u64(),
        max_message_bytes,
        max_inflight_messages: rng.choose([1, 2, 16, 256]),
        max_inflight_bytes: max_message_bytes.max(max_inflight_bytes),
        max_uncommitted_bytes: rng.choose([500, 10_000, NO_LIMIT]),
        max_committed_bytes_per_ready: rng.choose([1, 200, NO_LIMIT]),
        log_cache_bytes: rng.choose([0, 100, 2000, 1 << 20]),
        pre_vote: rng.chance(500),
        check_quorum,
        read_mode: if has_leases { ReadMode::Lease } else { ReadMode::Safe },
        forward_proposals: rng.chance(700),
        step_down_on_removal: rng.chance(500),
        async_storage_writes: rng.chance(500),
        apply_before_persist: rng.chance(200),
        eager_append,
        ..Config::new(1)
    }
}

fn draw_requests(rng: &mut Rng) -> RequestPlan {
    RequestPlan {
        proposals: 60,
        reads: rng.choose([1, 15]),
        compactions: rng.choose([1, 8, 30]),
        busy_snapshots: rng.choose([0, 2]),
        membership_changes: rng.choose([0, 8, 40, 80]),
        transfers: rng.choose([0, 4, 20]),
        campaigns: rng.choose([0, 2, 10]),
        forgotten_leaders: rng.choose([0, 1]),
    }
}

fn draw_network(rng: &mut Rng) -> NetworkPlan {
    NetworkPlan {
        dropped: rng.choose([0, 5, 50, 200]),
        duplicated: rng.choose([0, 5, 50]),
        slow: rng.choose([0, 10, 100]),
        latency: rng.choose([TICK / 10, TICK, 3 * TICK]),
        slow_latency: rng.choose([10, 100, 1000]) * TICK,
        corrupted: rng.choose([0, 0, 2]),
    }
}
