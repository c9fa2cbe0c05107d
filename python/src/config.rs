//! The dataclass `raftcore.Config` as the core's configuration.

use pyo3::IntoPyObjectExt;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict};
use raftcore as core;

use crate::enums::{Dialect, ReadMode};
use crate::error::{config_error, raise};
use crate::payload::Payload;

/// A `raftcore.Config`, read by its attributes.
pub(crate) struct Config(pub(crate) core::Config);

impl<'py> FromPyObject<'_, 'py> for Config {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let it = Fields(&object);
        Ok(Self(core::Config {
            id: it.read("id")?,
            election_ticks: it.read("election_ticks")?,
            heartbeat_ticks: it.read("heartbeat_ticks")?,
            group_id: it.read("group_id")?,
            max_uncommitted_entries: it.read("max_uncommitted_entries")?,
            max_pending_reads: it.read("max_pending_reads")?,
            max_waiting_messages: it.read("max_waiting_messages")?,
            max_waiting_bytes: it.read("max_waiting_bytes")?,
            seed: it.read("seed")?,
            applied: it.read("applied")?,
            max_message_bytes: it.read("max_message_bytes")?,
            max_inflight_messages: it.read("max_inflight_messages")?,
            max_inflight_bytes: it.read("max_inflight_bytes")?,
            max_uncommitted_bytes: it.read("max_uncommitted_bytes")?,
            max_committed_bytes_per_ready: it.read("max_committed_bytes_per_ready")?,
            log_cache_bytes: it.read("log_cache_bytes")?,
            priority: it.read("priority")?,
            pre_vote: it.read("pre_vote")?,
            check_quorum: it.read("check_quorum")?,
            read_mode: it.read::<ReadMode>("read_mode")?.0,
            forward_proposals: it.read("forward_proposals")?,
            validate_conf_changes: it.read("validate_conf_changes")?,
            step_down_on_removal: it.read("step_down_on_removal")?,
            async_storage_writes: it.read("async_storage_writes")?,
            apply_before_persist: it.read("apply_before_persist")?,
            dialect: it.read::<Dialect>("dialect")?.0,
            eager_append: it.read("etcd_compat")?,
        }))
    }
}

/// The attributes of a `raftcore.Config`.
struct Fields<'a, 'py>(&'a Bound<'py, PyAny>);

impl<'py> Fields<'_, 'py> {
    /// A value of the wrong type is a TypeError, one out of range a ConfigError; both name it.
    fn read<T: FromPyObjectOwned<'py>>(&self, name: &'static str) -> PyResult<T> {
        self.0.getattr(name)?.extract::<T>().map_err(|error| {
            let (py, error) = (self.0.py(), error.into());
            let text = format!("{name}: {}", error.value(py));
            match error.is_instance_of::<PyTypeError>(py) {
                true => PyTypeError::new_err(text),
                false => raise(py, "ConfigError", (text, name)),
            }
        })
    }
}

/// Raises ConfigError if the configuration is not usable.
#[pyfunction]
pub(crate) fn check_config(py: Python<'_>, config: Config) -> PyResult<()> {
    config.0.validate().map_err(|error| config_error(py, error))
}

/// What a peer needs to know of a node of this configuration.
#[pyfunction]
pub(crate) fn handshake(py: Python<'_>, config: Config) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &config.0.handshake())
}

/// Raises ConfigError if the peer that sent this handshake does not fit the configuration.
#[pyfunction]
pub(crate) fn check_handshake(py: Python<'_>, config: Config, peer: Payload) -> PyResult<()> {
    config.0.check_handshake(&peer.0).map_err(|error| config_error(py, error))
}

/// The core's own defaults, by name of the field.
#[pyfunction]
pub(crate) fn config_defaults(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    // Spelled out, so that a new field is not forgotten here.
    let core::Config {
        id,
        election_ticks,
        heartbeat_ticks,
        group_id,
        max_uncommitted_entries,
        max_pending_reads,
        max_waiting_messages,
        max_waiting_bytes,
        seed,
        applied,
        max_message_bytes,
        max_inflight_messages,
        max_inflight_bytes,
        max_uncommitted_bytes,
        max_committed_bytes_per_ready,
        log_cache_bytes,
        priority,
        pre_vote,
        check_quorum,
        read_mode,
        forward_proposals,
        validate_conf_changes,
        step_down_on_removal,
        async_storage_writes,
        apply_before_persist,
        dialect,
        eager_append,
    } = core::Config::new(1);
    [
        ("id", id.into_bound_py_any(py)?),
        ("election_ticks", election_ticks.into_bound_py_any(py)?),
        ("heartbeat_ticks", heartbeat_ticks.into_bound_py_any(py)?),
        ("group_id", group_id.into_bound_py_any(py)?),
        ("max_uncommitted_entries", max_uncommitted_entries.into_bound_py_any(py)?),
        ("max_pending_reads", max_pending_reads.into_bound_py_any(py)?),
        ("max_waiting_messages", max_waiting_messages.into_bound_py_any(py)?),
        ("max_waiting_bytes", max_waiting_bytes.into_bound_py_any(py)?),
        ("seed", seed.into_bound_py_any(py)?),
        ("applied", applied.into_bound_py_any(py)?),
        ("max_message_bytes", max_message_bytes.into_bound_py_any(py)?),
        ("max_inflight_messages", max_inflight_messages.into_bound_py_any(py)?),
        ("max_inflight_bytes", max_inflight_bytes.into_bound_py_any(py)?),
        ("max_uncommitted_bytes", max_uncommitted_bytes.into_bound_py_any(py)?),
        ("max_committed_bytes_per_ready", max_committed_bytes_per_ready.into_bound_py_any(py)?),
        ("log_cache_bytes", log_cache_bytes.into_bound_py_any(py)?),
        ("priority", priority.into_bound_py_any(py)?),
        ("pre_vote", pre_vote.into_bound_py_any(py)?),
        ("check_quorum", check_quorum.into_bound_py_any(py)?),
        ("read_mode", ReadMode(read_mode).into_bound_py_any(py)?),
        ("forward_proposals", forward_proposals.into_bound_py_any(py)?),
        ("validate_conf_changes", validate_conf_changes.into_bound_py_any(py)?),
        ("step_down_on_removal", step_down_on_removal.into_bound_py_any(py)?),
        ("async_storage_writes", async_storage_writes.into_bound_py_any(py)?),
        ("apply_before_persist", apply_before_persist.into_bound_py_any(py)?),
        ("dialect", Dialect(dialect).into_bound_py_any(py)?),
        ("etcd_compat", eager_append.into_bound_py_any(py)?),
    ]
    .into_py_dict(py)
}
