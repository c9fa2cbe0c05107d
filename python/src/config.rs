//! The dataclass `raftcore.Config` as the core's configuration.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use raftcore as core;

use crate::enums::{Dialect, ReadMode};
use crate::error::config_error;

/// A `raftcore.Config`, read by its attributes.
#[derive(FromPyObject, IntoPyObject)]
pub(crate) struct Config {
    id: u64,
    election_ticks: u32,
    heartbeat_ticks: u32,
    seed: u64,
    applied: u64,
    max_message_bytes: u64,
    max_inflight_messages: u32,
    max_inflight_bytes: u64,
    max_uncommitted_bytes: u64,
    max_committed_bytes_per_ready: u64,
    log_cache_bytes: u64,
    pre_vote: bool,
    check_quorum: bool,
    read_mode: ReadMode,
    forward_proposals: bool,
    validate_conf_changes: bool,
    step_down_on_removal: bool,
    dialect: Dialect,
    eager_append: bool,
}

impl From<Config> for core::Config {
    fn from(config: Config) -> Self {
        Self {
            id: config.id,
            election_ticks: config.election_ticks,
            heartbeat_ticks: config.heartbeat_ticks,
            seed: config.seed,
            applied: config.applied,
            max_message_bytes: config.max_message_bytes,
            max_inflight_messages: config.max_inflight_messages,
            max_inflight_bytes: config.max_inflight_bytes,
            max_uncommitted_bytes: config.max_uncommitted_bytes,
            max_committed_bytes_per_ready: config.max_committed_bytes_per_ready,
            log_cache_bytes: config.log_cache_bytes,
            pre_vote: config.pre_vote,
            check_quorum: config.check_quorum,
            read_mode: config.read_mode.0,
            forward_proposals: config.forward_proposals,
            validate_conf_changes: config.validate_conf_changes,
            step_down_on_removal: config.step_down_on_removal,
            async_storage_writes: false,
            dialect: config.dialect.0,
            eager_append: config.eager_append,
        }
    }
}

/// Raises ConfigError if the configuration is not usable.
#[pyfunction]
pub(crate) fn check_config(py: Python<'_>, config: Config) -> PyResult<()> {
    core::Config::from(config).validate().map_err(|error| config_error(py, error))
}

/// The core's own defaults, by name of the field.
#[pyfunction]
pub(crate) fn config_defaults(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let core::Config {
        id,
        election_ticks,
        heartbeat_ticks,
        seed,
        applied,
        max_message_bytes,
        max_inflight_messages,
        max_inflight_bytes,
        max_uncommitted_bytes,
        max_committed_bytes_per_ready,
        log_cache_bytes,
        pre_vote,
        check_quorum,
        read_mode,
        forward_proposals,
        validate_conf_changes,
        step_down_on_removal,
        async_storage_writes: _,
        dialect,
        eager_append,
    } = core::Config::new(1);
    let (read_mode, dialect) = (ReadMode(read_mode), Dialect(dialect));
    Config {
        id,
        election_ticks,
        heartbeat_ticks,
        seed,
        applied,
        max_message_bytes,
        max_inflight_messages,
        max_inflight_bytes,
        max_uncommitted_bytes,
        max_committed_bytes_per_ready,
        log_cache_bytes,
        pre_vote,
        check_quorum,
        read_mode,
        forward_proposals,
        validate_conf_changes,
        step_down_on_removal,
        dialect,
        eager_append,
    }
    .into_pyobject(py)
}
