//! Measures the gateway against its upstreams, nginx and haproxy, in one run on one machine.
//!
//! nginx that answers 1 KB are the upstreams; one asked directly is the ceiling. An nginx and a haproxy that proxy with
//! kept connections are the baselines, and the runner with metrics, logs and health is what is measured: with one proxy
//! rule for one upstream, with a service that is balanced over three, with few routes and very many, and behind policies:
//! a limit, a governed chain, and the response cache (its hits against those of nginx).
//! Rounds are interleaved (direct, nginx, haproxy, buntime, direct, …) so that a machine that slows down slows all of
//! them, and the median round counts. Everything listens on loopback, in a temporary directory, for a bounded time.

mod gateway;
mod haproxy;
pub(crate) mod keyval;
mod nginx;
mod report;
mod wrk;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use self::{
    gateway::{Gateway, Policies, Through},
    haproxy::Haproxy,
    nginx::Nginx,
    report::{Memory, Reload, Report, Row, Scenario},
    wrk::{Asks, Load, Measured},
};
use crate::{
    Result,
    child::pause,
    loopback,
    workspace::{self, root},
};

const CONCURRENCY: [u32; 2] = [1, 50];
/// How many upstreams are balanced.
const UPSTREAMS: usize = 3;
/// Leaves requests time to run on each configuration.
const BETWEEN_CHANGES: Duration = Duration::from_millis(100);

/// Somebody who is asked.
struct Contender {
    scenario: Scenario,
    target: &'static str,
    port: u16,
    asks: Asks,
}

impl Contender {
    const fn new(scenario: Scenario, target: &'static str, port: u16) -> Self {
        Self { scenario, target, port, asks: Asks::ROOT }
    }
}

/// What all parts of a run share.
struct Bench<'a> {
    wrk: &'a wrk::Wrk,
    program: &'a Path,
    dir: &'a Path,
    /// How long one round of a contender is.
    round: Duration,
    rounds: u64,
}

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
    let dir = dir.path();
    let log = args.access_log;
    let upstreams = (0..UPSTREAMS).map(|at| Nginx::upstream(&format!("upstream-{at}"), dir, log));
    let upstreams = upstreams.collect::<Result<Vec<_>>>()?;
    let ports: Vec<u16> = upstreams.iter().map(|upstream| upstream.port).collect();
    let first = *ports.first().ok_or("no upstream")?;

    let starts = start_times(&program, dir, first)?;
    let mut gateway = Gateway::start("buntime", &program, dir, Through::Rule(first), log)?;
    pause_for_rest();
    let mut memory = Memory { rest: gateway.rss()?, ..Memory::default() };

    let round_time = Duration::from_secs(round);
    let bench = Bench { wrk: &wrk, program: &program, dir, round: round_time, rounds };
    let mut rows = {
        let nginx = Nginx::proxy("nginx", dir, &[first], log)?;
        let haproxy = Haproxy::start("haproxy", dir, &[first], log)?;
        let nginx_of_all = Nginx::proxy("nginx-balanced", dir, &ports, log)?;
        let haproxy_of_all = Haproxy::start("haproxy-balanced", dir, &ports, log)?;
        let balanced = Gateway::start("buntime-balanced", &program, dir, Through::Balanced(ports), log)?;
        let contenders = [
            Contender::new(Scenario::One, "direct", first),
            Contender::new(Scenario::One, "nginx", nginx.port),
            Contender::new(Scenario::One, "haproxy", haproxy.port),
            Contender::new(Scenario::One, "buntime", gateway.port),
            Contender::new(Scenario::Balanced, "nginx", nginx_of_all.port),
            Contender::new(Scenario::Balanced, "haproxy", haproxy_of_all.port),
            Contender::new(Scenario::Balanced, "buntime", balanced.port),
        ];
        bench.measure(&contenders, &CONCURRENCY)?
    };
    rows.extend(few_and_many_routes(&bench, first)?);
    rows.extend(policies(&bench, first)?);
    rows.extend(cache_hits(&bench, first)?);

    let (warm, many) = if args.quick { (20_000, 100_000) } else { (100_000, 1_000_000) };
    memory.requests = many;
    memory.warm = load_until(&wrk, &gateway, warm)?;
    memory.loaded = load_until(&wrk, &gateway, many)?;
    let reload = reload_under_load(&wrk, &mut gateway, Duration::from_secs(round.max(5)))?;

    let mut report = Report::new(starts, rows, memory, reload, round_time, rounds, log);
    if args.runner.is_some() {
        report.of_given_runner();
    }
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
    let start = || Gateway::start("buntime-start", program, dir, Through::Rule(upstream), false);
    (0..5).map(|_| start().map(|gateway| gateway.first_answer_ms)).collect()
}

/// Lets what a start leaves behind settle before memory at rest is read.
fn pause_for_rest() {
    let end = std::time::Instant::now() + Duration::from_secs(1);
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        pause(left);
    }
}

/// The same gateway with 10 routes and with 10,000.
fn few_and_many_routes(bench: &Bench<'_>, upstream: u16) -> Result<Vec<Row>> {
    let start = |name: &str, count: usize| {
        let through = Through::Routes(count, upstream);
        let asks = through.asks();
        bench.start(name, through).map(|gateway| (gateway, asks))
    };
    let (few, many) = (start("buntime-few", 10)?, start("buntime-many", 10_000)?);
    let contender = |target, (gateway, asks): &(Gateway, Asks)| Contender {
        asks: *asks,
        ..Contender::new(Scenario::Routes, target, gateway.port)
    };
    let contenders = [contender("10 routes", &few), contender("10,000 routes", &many)];
    bench.measure(&contenders, &[50])
}

/// A service with nothing before it, with the usual, with a limit, and with what a public API has.
fn policies(bench: &Bench<'_>, upstream: u16) -> Result<Vec<Row>> {
    let all = [Policies::Nothing, Policies::Usual, Policies::Limit, Policies::Governed];
    let start = |policies: Policies| {
        let through = Through::Behind(policies, upstream);
        let asks = through.asks();
        bench.start(policies.words(), through).map(|gateway| (policies, gateway, asks))
    };
    let running = all.into_iter().map(start).collect::<Result<Vec<_>>>()?;
    let contenders: Vec<_> = running
        .iter()
        .map(|(policies, gateway, asks)| Contender {
            asks: *asks,
            ..Contender::new(Scenario::Policies, policies.words(), gateway.port)
        })
        .collect();
    bench.measure(&contenders, &CONCURRENCY)
}

/// Answers that both have stored.
fn cache_hits(bench: &Bench<'_>, upstream: u16) -> Result<Vec<Row>> {
    let nginx = Nginx::cache("nginx-cache", bench.dir, upstream, false)?;
    let gateway = bench.start("buntime-cache", Through::Behind(Policies::Cache, upstream))?;
    let contenders = [("nginx", nginx.port), ("buntime", gateway.port)];
    for (name, port) in contenders {
        loopback::get(port, "/")?;
        let (head, _) = loopback::ask(port, "/")?;
        if !head.to_ascii_lowercase().contains("x-cache: hit") {
            return Err(format!("{name} did not store what the upstream answers: {head}").into());
        }
    }
    let contenders = contenders.map(|(name, port)| Contender::new(Scenario::Cache, name, port));
    bench.measure(&contenders, &[50])
}

impl Bench<'_> {
    fn start(&self, name: &str, through: Through) -> Result<Gateway> {
        Gateway::start(name, self.program, self.dir, through, false)
    }

    fn measure(&self, contenders: &[Contender], concurrencies: &[u32]) -> Result<Vec<Row>> {
        let Self { wrk, round, rounds, .. } = *self;
        let mut rows = Vec::new();
        for concurrency in concurrencies.iter().copied() {
            let load = |one: &Contender, time| Load { port: one.port, asks: one.asks, concurrency, time };
            let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); contenders.len()];
            for one in contenders {
                wrk.run(&load(one, Duration::from_secs(1)))?;
            }
            for at in 0..rounds {
                eprintln!("bench: {concurrency} connections, round {} of {rounds}", at + 1);
                // Another one begins each time: the first of a round finds a machine that has rested.
                for step in 0..contenders.len() {
                    let index = (step + at as usize) % contenders.len();
                    let (Some(one), Some(list)) = (contenders.get(index), measured.get_mut(index)) else { continue };
                    let result = wrk.run(&load(one, round))?;
                    if result.failures() > 0 {
                        let (name, failures) = (one.target, result.failures());
                        return Err(format!("{name} failed {failures} requests under load: {result:?}").into());
                    }
                    list.push(result);
                }
            }
            let results = contenders.iter().zip(measured);
            rows.extend(results.map(|(one, rounds)| Row::median(one.scenario, one.target, concurrency, &rounds)));
        }
        Ok(rows)
    }
}

/// At least so many requests more; then its memory in bytes.
fn load_until(wrk: &wrk::Wrk, gateway: &Gateway, requests: u64) -> Result<u64> {
    let mut done = 0;
    while done < requests {
        eprintln!("bench: memory, {done} of {requests} requests");
        let result =
            wrk.run(&Load { port: gateway.port, asks: Asks::ROOT, concurrency: 50, time: Duration::from_secs(3) })?;
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
    let load = Load { port: gateway.port, asks: Asks::ROOT, concurrency: 50, time };
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
