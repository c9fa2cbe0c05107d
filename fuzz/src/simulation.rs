//! The simulator of whole groups, its chance replaced by the input's bytes: so that what a fuzzer
//! learns of the code's coverage guides the schedules.

use raftcore_testkit::sim;

/// Lines that are told of what happened last before something broke.
const STORY_LINES: usize = 60;

/// Runs the simulation that the bytes choose; see [`raftcore_testkit::sim`] for what must hold.
pub fn simulation(data: &[u8]) {
    if let Err(failure) = sim::run_bytes(data, STORY_LINES) {
        let story = failure.story.join("\n");
        panic!("{story}\nafter {} events: {}", failure.events, failure.violation);
    }
}
