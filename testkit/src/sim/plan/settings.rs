//! Settings by name, for scenario files.

use std::str::FromStr;

use raftcore::ReadMode;

use super::super::action::Time;
use super::{Bug, Plan};

/// Settings that switch a source of trouble off.
pub(in super::super) const CALMING: [(&str, &str); 15] = [
    ("crash_at_work", "0"),
    ("failing_reads", "0"),
    ("torn", "0"),
    ("corrupted", "0"),
    ("dropped", "0"),
    ("duplicated", "0"),
    ("slow", "0"),
    ("latency", "0.10"),
    ("slowest_work", "0"),
    ("drift", "0"),
    ("mixed", "no"),
    ("priorities", "no"),
    ("through_wire", "no"),
    ("async_writes", "no"),
    ("apply_before_persist", "no"),
];

impl Plan {
    /// Changes the setting `key`. Times are in ticks, chances in thousandths.
    pub(in super::super) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Self { config, network, faults, .. } = self;
        match key {
            "voters" => put(&mut self.voters, value),
            "first_index" => put(&mut self.first_index, value),
            "priorities" => switch(&mut self.priorities, value),
            "mixed" => switch(&mut self.mixed, value),
            "without_leases" => put(&mut self.without_leases, value),
            "short_timeout" => put(&mut self.short_timeout, value),
            "drift" => put(&mut self.drift, value),
            "blind_reads" => switch(&mut self.blind_reads, value),
            "bad_clocks" => switch(&mut self.bad_clocks, value),
            "durable_machine" => switch(&mut self.durable_machine, value),
            "through_wire" => switch(&mut self.through_wire, value),
            "slowest_work" => time(&mut self.slowest_work, value),
            "election_ticks" => put(&mut config.election_ticks, value),
            "heartbeat_ticks" => put(&mut config.heartbeat_ticks, value),
            "max_message_bytes" => put(&mut config.max_message_bytes, value),
            "max_inflight_messages" => put(&mut config.max_inflight_messages, value),
            "log_cache_bytes" => put(&mut config.log_cache_bytes, value),
            "pre_vote" => switch(&mut config.pre_vote, value),
            "check_quorum" => switch(&mut config.check_quorum, value),
            "forward_proposals" => switch(&mut config.forward_proposals, value),
            "step_down_on_removal" => switch(&mut config.step_down_on_removal, value),
            "async_writes" => switch(&mut config.async_storage_writes, value),
            "apply_before_persist" => switch(&mut config.apply_before_persist, value),
            "eager_append" => switch(&mut config.eager_append, value),
            "leases" => {
                let mut leases = false;
                switch(&mut leases, value)?;
                config.read_mode = if leases { ReadMode::Lease } else { ReadMode::Safe };
                Ok(())
            }
            "dropped" => put(&mut network.dropped, value),
            "duplicated" => put(&mut network.duplicated, value),
            "slow" => put(&mut network.slow, value),
            "corrupted" => put(&mut network.corrupted, value),
            "latency" => time(&mut network.latency, value),
            "slow_latency" => time(&mut network.slow_latency, value),
            "crash_at_work" => put(&mut faults.crash_at_work, value),
            "failing_reads" => put(&mut faults.failing_reads, value),
            "torn" => put(&mut faults.torn, value),
            "duels" => switch(&mut faults.duels, value),
            "bug" => {
                self.bug = Some(match value {
                    "no-sync" => Bug::NoSync,
                    "stale-reads" => Bug::StaleReads,
                    "early-answers" => Bug::EarlyAnswers,
                    other => return Err(format!("{other:?} is not no-sync, stale-reads or early-answers")),
                });
                Ok(())
            }
            other => Err(format!("there is no setting {other:?}")),
        }
    }

    /// Whether a group can run like this.
    pub(in super::super) fn validate(&self) -> Result<(), String> {
        if self.voters == 0 || self.voters > 9 || self.first_index == 0 || self.drift >= 1000 {
            return Err("voters are 1 to 9, first_index is at least 1, drift below 1000".to_owned());
        }
        if self.network.latency == 0 {
            return Err("a latency is at least 0.01".to_owned());
        }
        self.config.validate().map_err(|error| error.to_string())
    }
}

fn put<T: FromStr>(place: &mut T, value: &str) -> Result<(), String> {
    *place = value.parse().map_err(|_| format!("{value:?} is not a number"))?;
    Ok(())
}

fn time(place: &mut u64, value: &str) -> Result<(), String> {
    *place = value.parse::<Time>()?.0;
    Ok(())
}

fn switch(place: &mut bool, value: &str) -> Result<(), String> {
    *place = match value {
        "yes" => true,
        "no" => false,
        other => return Err(format!("{other:?} is neither yes nor no")),
    };
    Ok(())
}
