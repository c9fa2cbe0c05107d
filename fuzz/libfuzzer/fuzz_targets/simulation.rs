#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raftcore_fuzz::simulation(data));
