//! Runs a harness on given inputs, without a fuzzer.

use std::{env, fs, process};

use raftcore_fuzz::{TARGETS, explain_inputs};

const HELP: &str = "\
Runs a fuzz target on inputs, as a fuzzer found them. Panics where a property does not hold.

Usage: replay [--explain] TARGET INPUT...
  TARGET      step_bytes, inputs, entries_decode or simulation
  INPUT       a file, or hex:BYTES
  --explain   print what happens, action by action (inputs only)";

fn main() {
    let mut arguments: Vec<_> = env::args().skip(1).collect();
    let explain = arguments.iter().position(|argument| argument == "--explain");
    if let Some(place) = explain {
        arguments.remove(place);
    }
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return;
    }
    let Some((target, inputs)) = arguments.split_first() else { fail(HELP) };
    let Some((_, harness)) = TARGETS.into_iter().find(|(name, _)| name == target) else {
        fail(&format!("replay: no target {target}"));
    };
    let harness = if explain.is_some() && target == "inputs" { explain_inputs } else { harness };
    for input in inputs {
        match read(input) {
            Ok(bytes) => harness(&bytes),
            Err(error) => fail(&format!("replay: {input}: {error}")),
        }
    }
}

fn read(input: &str) -> Result<Vec<u8>, String> {
    let Some(hex) = input.strip_prefix("hex:") else {
        return fs::read(input).map_err(|error| error.to_string());
    };
    if !hex.is_ascii() || hex.len() % 2 != 0 {
        return Err("not pairs of hex digits".into());
    }
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|error| error.to_string()))
        .collect()
}

fn fail(text: &str) -> ! {
    eprintln!("{text}");
    process::exit(2);
}
