//! Measures KeyVal through real Deno beside Deno's own file and the `denokv` server, in one run on one disk.
//!
//! The clients share the machine with the servers, so that processor time per call says more than calls per second.
//! Rounds are interleaved (each store once, then each again), and the median round counts. Everything listens on
//! loopback, in a temporary directory, for a bounded time.

mod disk;
mod peers;
mod report;
mod rest;

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use self::{
    disk::Disk,
    peers::Peer,
    report::{Report, Row},
};
use crate::{
    Result,
    workspace::{self, root},
};

const CALLS: [&str; 5] = ["set", "get", "getMany", "list", "atomic"];
const CLIENTS: [u32; 2] = [1, 32];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of one round
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// Rounds of each store, call and number of clients
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=50))]
    rounds: u64,
    /// A runner that is built already, instead of building it
    #[arg(long, value_name = "FILE")]
    runner: Option<PathBuf>,
    /// The `denokv` server [default: that of the path, if there is one]
    #[arg(long, value_name = "FILE")]
    denokv: Option<PathBuf>,
    /// Milliseconds that each flush of the disk takes longer, for every store (needs a C compiler)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    flush: u64,
    /// Fail when a budget is missed
    #[arg(long)]
    enforce: bool,
}

/// What the script counted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Counted {
    calls: u64,
    seconds: f64,
    p50_us: f64,
    p99_us: f64,
    client_cpu_us: f64,
    /// Not the script's: what the server used meanwhile.
    #[serde(skip)]
    server_cpu_us: Option<f64>,
}

pub(crate) fn run(args: &Args) -> Result {
    let program = match &args.runner {
        Some(file) => file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?,
        None => workspace::build("runner", &["--release", "-p", "runner"])?,
    };
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let script = root().join("xtask/src/bench/keyval/load.ts");
    let disk = Disk::new(Duration::from_millis(args.flush), dir)?;
    let peers = peers::all(&program, args.denokv.as_ref(), dir, &disk)?;
    for peer in &peers {
        peers::deno(&script, dir, &[&peer.at, "fill", "1", "0"], &peer.disk)?;
    }
    let time = Duration::from_secs(args.seconds);
    let mut rows = Vec::new();
    for clients in CLIENTS {
        for call in CALLS {
            eprintln!("bench: {call}, {clients} clients");
            let mut counted = vec![Vec::new(); peers.len()];
            for _ in 0..args.rounds {
                for (peer, list) in peers.iter().zip(&mut counted) {
                    list.push(one(peer, &script, dir, call, clients, time)?);
                }
            }
            rows.extend(peers.iter().zip(counted).map(|(peer, rounds)| Row::median(peer.name, call, clients, &rounds)));
        }
    }
    let rest = rest::measure(peers.last().ok_or("no runner")?, dir, &script, time, &disk)?;
    let report = Report::new(rows, rest);
    println!("{report}");
    match report.missed() {
        missed @ 1.. if args.enforce => Err(format!("{missed} budgets missed").into()),
        _ => Ok(()),
    }
}

/// One round.
fn one(
    peer: &Peer,
    script: &std::path::Path,
    dir: &std::path::Path,
    call: &str,
    clients: u32,
    time: Duration,
) -> Result<Counted> {
    let before = peer.processor_us()?;
    let (clients, millis) = (clients.to_string(), time.as_millis().to_string());
    let said = peers::deno(script, dir, &[&peer.at, call, &clients, &millis], &peer.disk)?;
    let mut counted: Counted = serde_json::from_str(said.trim())?;
    counted.server_cpu_us = before.zip(peer.processor_us()?).map(|(before, after)| after - before);
    Ok(counted)
}
