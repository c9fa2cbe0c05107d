//! The Python module `raftcore._raftcore`: the core's types and its node as Python classes.
//!
//! Comfort, never protocol: what a class does here, the core does. What is on every proposal's way
//! (nodes, entries, messages, the work of a `Ready`) is a class of this module; what is only looked
//! at (configuration, status, bodies of messages) is a dataclass of the Python package, and
//! [`config`], [`status`] and [`body`] translate.

mod ack;
mod body;
mod check;
mod config;
mod entry;
mod enums;
mod error;
mod fork;
mod guard;
mod interpreter;
mod membership;
mod memory;
mod message;
mod node;
mod observe;
mod payload;
mod ready;
mod recovery;
mod snapshot;
mod state;
mod status;
mod storage;

/// Classes and functions of raftcore that are written in Rust. Use them through `raftcore`.
#[pyo3::pymodule(gil_used = false)]
mod _raftcore {
    #[pymodule_export]
    use crate::ack::Ack;
    #[pymodule_export]
    use crate::check::check_storage;
    #[pymodule_export]
    use crate::config::{check_config, check_handshake, config_defaults, handshake};
    #[pymodule_export]
    use crate::entry::Entry;
    #[pymodule_export]
    use crate::membership::{ConfState, decode_conf_change, encode_conf_change, encode_conf_change_v1};
    #[pymodule_export]
    use crate::memory::MemoryStorage;
    #[pymodule_export]
    use crate::message::Message;
    #[pymodule_export]
    use crate::node::RawNode;
    #[pymodule_export]
    use crate::ready::Ready;
    #[pymodule_export]
    use crate::recovery::{decode_backup, encode_backup, log_position, recover, restore};
    #[pymodule_export]
    use crate::snapshot::Snapshot;
    #[pymodule_export]
    use crate::state::{EntryId, HardState, ReadState, SoftState};

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::interpreter::claim(module.py())?;
        crate::fork::watch(module)
    }

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
