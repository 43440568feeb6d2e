//! Measures the gateway against its upstream and against nginx, in one run on one machine.
//!
//! An nginx that answers 1 KB is the upstream; asked directly it is the ceiling. A second nginx that proxies to it with
//! kept connections is the baseline, and the runner with metrics, logs, health and one proxy rule is what is measured.
//! Rounds are interleaved (direct, nginx, buntime, direct, …) so that a machine that slows down slows all of them, and
//! the median round counts. Everything listens on loopback, in a temporary directory, for a bounded time.

mod gateway;
mod nginx;
mod report;
mod wrk;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use self::{
    gateway::Gateway,
    nginx::Nginx,
    report::{Memory, Reload, Report, Row},
    wrk::{Load, Measured},
};
use crate::{
    Result,
    child::pause,
    workspace::{self, root},
};

/// What a client asks for.
const TARGETS: [&str; 3] = ["direct", "nginx", "buntime"];
const CONCURRENCY: [u32; 2] = [1, 50];
/// Leaves requests time to run on each configuration.
const BETWEEN_CHANGES: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds of 3 seconds, and fewer requests for the memory figures
    #[arg(long)]
    quick: bool,
    /// Seconds of one round
    #[arg(long, default_value_t = 8, conflicts_with = "quick", value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// Rounds of each target and concurrency
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=50))]
    rounds: u64,
    /// The servers write an access log, nginx to a file and the runner to its output
    #[arg(long)]
    access_log: bool,
    /// A runner that is built already, instead of building it
    #[arg(long, value_name = "FILE")]
    runner: Option<PathBuf>,
    /// Where the figures go [default: bench/bench.json in the target directory]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when a budget is missed
    #[arg(long)]
    enforce: bool,
}

pub(crate) fn run(args: &Args) -> Result {
    let (round, rounds) = if args.quick { (3, args.rounds.min(3)) } else { (args.seconds, args.rounds) };
    let program = match &args.runner {
        Some(file) => file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?,
        None => workspace::build("runner", &["--release", "-p", "runner"])?,
    };
    let wrk = wrk::Wrk::find()?;
    let dir = tempfile::tempdir()?;
    let upstream = Nginx::upstream(dir.path(), args.access_log)?;
    let baseline = Nginx::proxy(dir.path(), upstream.port, args.access_log)?;

    let starts = start_times(&program, dir.path(), upstream.port)?;
    let mut gateway = Gateway::start(&program, dir.path(), upstream.port, args.access_log)?;
    pause_for_rest();
    let mut memory = Memory { rest: gateway.rss()?, ..Memory::default() };

    let ports = [upstream.port, baseline.port, gateway.port];
    let rows = measure(&wrk, ports, Duration::from_secs(round), rounds)?;

    let (warm, many) = if args.quick { (20_000, 100_000) } else { (100_000, 1_000_000) };
    memory.requests = many;
    memory.warm = load_until(&wrk, &gateway, warm)?;
    memory.loaded = load_until(&wrk, &gateway, many)?;
    let reload = reload_under_load(&wrk, &mut gateway, Duration::from_secs(round.max(5)))?;

    let report = Report::new(starts, rows, memory, reload, Duration::from_secs(round), rounds, args.access_log);
    let file = match &args.json {
        Some(file) => file.clone(),
        None => workspace::metadata()?.target_directory.join("bench/bench.json"),
    };
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(&file, serde_json::to_string_pretty(&report)? + "\n")?;
    println!("{report}");
    println!("written to {}", file.strip_prefix(root()).unwrap_or(&file).display());
    match report.missed() {
        0 => Ok(()),
        missed if args.enforce => Err(format!("{missed} budgets missed").into()),
        _ => Ok(()),
    }
}

/// From the start of the process to its first answer, in milliseconds; several times, since it is short.
fn start_times(program: &Path, dir: &Path, upstream: u16) -> Result<Vec<f64>> {
    (0..5).map(|_| Gateway::start(program, dir, upstream, false).map(|gateway| gateway.first_answer_ms)).collect()
}

/// Lets what a start leaves behind settle before memory at rest is read.
fn pause_for_rest() {
    let end = std::time::Instant::now() + Duration::from_secs(1);
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        pause(left);
    }
}

fn measure(wrk: &wrk::Wrk, ports: [u16; 3], round: Duration, rounds: u64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for concurrency in CONCURRENCY {
        let mut measured: [Vec<Measured>; 3] = Default::default();
        for port in ports {
            wrk.run(&Load { port, concurrency, time: Duration::from_secs(1) })?;
        }
        for at in 0..rounds {
            eprintln!("bench: {concurrency} connections, round {} of {rounds}", at + 1);
            // Another one begins each time: the first of a round finds a machine that has rested.
            for step in 0..TARGETS.len() {
                let target = (step + at as usize) % TARGETS.len();
                let (Some(port), Some(list)) = (ports.get(target), measured.get_mut(target)) else { continue };
                let result = wrk.run(&Load { port: *port, concurrency, time: round })?;
                if result.failures() > 0 {
                    let name = TARGETS.get(target).unwrap_or(&"?");
                    return Err(format!("{name} failed {} requests under load: {result:?}", result.failures()).into());
                }
                list.push(result);
            }
        }
        rows.extend(TARGETS.iter().zip(measured).map(|(target, rounds)| Row::median(target, concurrency, &rounds)));
    }
    Ok(rows)
}

/// At least so many requests more; then its memory in bytes.
fn load_until(wrk: &wrk::Wrk, gateway: &Gateway, requests: u64) -> Result<u64> {
    let mut done = 0;
    while done < requests {
        eprintln!("bench: memory, {done} of {requests} requests");
        let result = wrk.run(&Load { port: gateway.port, concurrency: 50, time: Duration::from_secs(3) })?;
        if result.requests == 0 {
            return Err("the gateway answers nothing under load".into());
        }
        done += result.requests;
    }
    gateway.rss()
}

/// Changes the configuration again and again while requests run: half of the times seen by the watch of the file, half
/// by SIGHUP. Counts what failed, and how often the change was seen to be in force.
fn reload_under_load(wrk: &wrk::Wrk, gateway: &mut Gateway, time: Duration) -> Result<Reload> {
    eprintln!("bench: reloads under load");
    let load = Load { port: gateway.port, concurrency: 50, time };
    let mut running = wrk.start(&load)?;
    let mut reload = Reload::default();
    while !running.ended()? {
        reload.changes += 1;
        gateway.change(reload.changes)?;
        if reload.changes % 2 == 0 {
            gateway.hang_up()?;
        }
        reload.seen += u64::from(gateway.sees(reload.changes, Duration::from_secs(2)));
        pause(BETWEEN_CHANGES);
    }
    let result = running.finish()?;
    reload.requests = result.requests;
    reload.failures = result.failures();
    Ok(reload)
}
