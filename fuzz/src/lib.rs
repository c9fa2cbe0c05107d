//! What must hold for any input: harnesses that a fuzzer feeds with bytes, and that ordinary tests
//! run over the seeds and over pseudo-random bytes.
//!
//! - [`step_bytes`]: bytes from a peer are decoded and stepped into nodes in many states.
//! - [`inputs`]: bytes choose what happens to a small group: honest, with forged messages, or with
//!   hosts that break their contract.
//! - [`entries_decode`]: bytes are decoded as what storages keep.
//! - [`simulation`]: bytes take the place of chance in the simulator.
//!
//! Each takes any bytes and panics if a property does not hold. The library's own invariants are
//! checked too where debug assertions are on.

mod entries_decode;
mod forge;
mod host;
mod inputs;
mod limit;
mod oracle;
mod raftpb;
#[cfg(feature = "scripts")]
mod scripts;
mod simulation;
mod source;
mod states;
mod step_bytes;
mod world;

pub use entries_decode::entries_decode;
pub use inputs::{explain_inputs, inputs, record_messages};
#[cfg(feature = "scripts")]
pub use scripts::{ScriptSeeds, from_script};
pub use simulation::simulation;
pub use step_bytes::{frame, state_names, step_bytes};

/// Takes any bytes; panics if a property does not hold.
pub type Harness = fn(&[u8]);

/// The harnesses by name.
pub const TARGETS: [(&str, Harness); 4] = [
    ("step_bytes", step_bytes),
    ("inputs", inputs),
    ("entries_decode", entries_decode),
    ("simulation", simulation),
];

#[global_allocator]
static ALLOCATOR: limit::Counting = limit::Counting;
