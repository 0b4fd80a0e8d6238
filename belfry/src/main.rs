//! `belfry`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    belfry::main()
}
