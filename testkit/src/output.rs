//! What the programs print. Whoever reads it may stop reading, as `head` does: then they end silently.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process;

/// What a shell says of a program that a closed pipe has ended.
const CLOSED_PIPE: i32 = 128 + 13;

/// Prints like `println!`, and ends the program silently where nobody reads any more.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => { $crate::output::print(format_args!($($argument)*)) };
}

/// Prints a line; see [`say!`](crate::say).
pub fn print(line: Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("cannot print: {error}");
        }
        process::exit(CLOSED_PIPE);
    }
}
