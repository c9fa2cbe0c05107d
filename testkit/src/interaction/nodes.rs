//! The command `add-nodes`.

use raftcore::{Bytes, ConfState, Config, EntryId, Index, NO_LIMIT, NodeId, ReadMode, Snapshot};

use super::args::{boolean, number};
use super::script::Directive;
use super::world::World;
use super::{CommandError, Options};

impl World {
    pub(super) fn add_nodes(&mut self, directive: &Directive) -> Result<(), CommandError> {
        let count = directive.args.first().map_or("", |arg| &arg.key);
        let count: usize = number(count)?;
        let mut config = default_config(self.options);
        let mut members = ConfState::default();
        for (key, value) in directive.args.iter().flat_map(|arg| arg.pairs()) {
            match key {
                "voters" => members.voters.push(number(value)?),
                "learners" => members.learners.push(number(value)?),
                _ => set(&mut config, key, value)?,
            }
        }
        if config.max_committed_bytes_per_ready == 0 {
            config.max_committed_bytes_per_ready = config.max_message_bytes;
        }
        let snapshot = initial_snapshot(config.applied, members)?;
        for _ in 0..count {
            config.id = self.ids().len() as NodeId + 1;
            self.add_node(config.clone(), snapshot.clone())?;
        }
        Ok(())
    }
}

/// The configuration of a node that a script says nothing about.
fn default_config(options: Options) -> Config {
    Config {
        election_ticks: 3,
        heartbeat_ticks: 1,
        seed: options.seed,
        max_message_bytes: NO_LIMIT,
        max_inflight_messages: i32::MAX as u32,
        max_inflight_bytes: NO_LIMIT,
        max_uncommitted_bytes: NO_LIMIT,
        // As in the reference, 0 means that the limit of a message holds here too.
        max_committed_bytes_per_ready: 0,
        log_cache_bytes: options.log_cache_bytes,
        pre_vote: false,
        check_quorum: false,
        step_down_on_removal: false,
        eager_append: true,
        ..Config::new(1)
    }
}

/// Takes over one option. Unknown ones are ignored.
fn set(config: &mut Config, key: &str, value: &str) -> Result<(), CommandError> {
    match key {
        "index" => config.applied = number(value)?,
        "inflight" => config.max_inflight_messages = number(value)?,
        "async-storage-writes" => config.async_storage_writes = boolean(value)?,
        "prevote" => config.pre_vote = boolean(value)?,
        "checkquorum" => config.check_quorum = boolean(value)?,
        "max-committed-size-per-ready" => config.max_committed_bytes_per_ready = number(value)?,
        "read-only" => {
            config.read_mode = match value {
                "safe" => ReadMode::Safe,
                "lease-based" => ReadMode::Lease,
                _ => {
                    let text = format!("invalid read-only option \"{value}\"");
                    return Err(CommandError::answer(text));
                }
            }
        }
        "disable-conf-change-validation" => config.validate_conf_changes = !boolean(value)?,
        "step-down-on-removal" => config.step_down_on_removal = boolean(value)?,
        "content" => return Err(CommandError::fatal("content= is not supported")),
        "eager-append" => config.eager_append = boolean(value)?,
        "max-message-bytes" => config.max_message_bytes = number(value)?,
        "max-inflight-bytes" => config.max_inflight_bytes = number(value)?,
        "max-uncommitted-bytes" => config.max_uncommitted_bytes = number(value)?,
        "disable-proposal-forwarding" => config.forward_proposals = !boolean(value)?,
        _ => {}
    }
    Ok(())
}

/// The snapshot that nodes start from; an empty one makes them blank.
fn initial_snapshot(index: Index, members: ConfState) -> Result<Snapshot, CommandError> {
    if index == 0 && members == ConfState::default() {
        return Ok(Snapshot::default());
    }
    if index < 2 {
        return Err(CommandError::answer("index must be specified as > 1 due to bootstrap"));
    }
    Ok(Snapshot { id: EntryId::new(1, index), conf_state: members, data: Bytes::new() })
}
