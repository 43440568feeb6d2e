//! The `runner` binary. What it does is in the library.

use std::process::ExitCode;

use clap::Parser;

/// Measured against glibc's: more requests per second, and memory that comes back after bursts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    runner::cli::run(runner::cli::Cli::parse())
}
