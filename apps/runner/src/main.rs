//! The `runner` binary. What it does is in the library.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    runner::cli::run(runner::cli::Cli::parse())
}
