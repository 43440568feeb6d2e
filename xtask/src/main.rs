//! Everything a developer would otherwise script: `cargo xtask setup | tidy | schema | examples | bench | bench-keyval`.
//!
//! Talks to loopback only (but for what `setup` installs), and ends only the processes it started.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people: its output is what it is for")]

mod bench;
mod child;
mod examples;
mod loopback;
mod schema;
mod setup;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What every task returns: an error is a sentence for a person.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what the tests and benches need and this machine lacks
    Setup(setup::Args),
    /// Check the rules of the house: dependencies, sizes, headers, what every plugin has
    Tidy,
    /// Write the JSON schema of the configuration, or check that it is up to date
    Schema(schema::Args),
    /// Build each plugin's standalone example, ask it once, end it
    Examples(examples::Args),
    /// Measure the gateway against its upstreams, nginx and haproxy, in one run
    Bench(bench::Args),
    /// Measure KeyVal through real Deno beside Deno's own file and the denokv server, in one run
    BenchKeyval(bench::keyval::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Setup(args) => setup::run(&args),
        Task::Tidy => tidy::run(),
        Task::Schema(args) => schema::run(&args),
        Task::Examples(args) => examples::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::BenchKeyval(args) => bench::keyval::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
