//! Over REST, from `wrk`: writes of many clients beside SQLite that commits each write for itself on the same disk, and
//! reads of one key beside a route of the runner that does nothing.

use std::{path::Path, time::Duration};

use super::{
    disk::Disk,
    peers::{self, Peer},
};
use crate::{
    Result,
    bench::wrk::{Asks, Load, Measured, Wrk},
};

const WRITERS: u32 = 64;
const READERS: u32 = 50;
const ROUNDS: usize = 3;

/// Medians, a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rest {
    pub(super) writes: f64,
    pub(super) one_by_one: f64,
    pub(super) reads: f64,
    pub(super) trivial: f64,
}

pub(super) fn measure(peer: &Peer, dir: &Path, script: &Path, time: Duration, disk: &Disk) -> Result<Rest> {
    let port = peer.port().ok_or("the runner has no port")?;
    let wrk = Wrk::find()?;
    let ask = |asks, concurrency| -> Result<f64> {
        let measured = wrk.run(&Load { port, asks, concurrency, time })?;
        all_well(&measured, asks)?;
        Ok(measured.per_second)
    };
    let one_by_one = script.with_file_name("one_by_one.ts");
    let millis = time.as_millis().to_string();
    let (mut writes, mut alone, mut reads, mut trivial) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        eprintln!("bench: REST, round {} of {ROUNDS}", round + 1);
        let file = dir.join(format!("one-by-one-{round}.sqlite")).display().to_string();
        alone.push(peers::deno(&one_by_one, dir, &[&file, &millis], disk)?.trim().parse()?);
        writes.push(ask(Asks { script: Some("xtask/src/bench/keyval/put.lua"), ..Asks::ROOT }, WRITERS)?);
        trivial.push(ask(Asks { script: Some("xtask/src/bench/keyval/live.lua"), ..Asks::ROOT }, READERS)?);
        reads.push(ask(Asks { script: Some("xtask/src/bench/keyval/get.lua"), ..Asks::ROOT }, READERS)?);
    }
    let median = crate::bench::report::median;
    Ok(Rest { writes: median(writes), one_by_one: median(alone), reads: median(reads), trivial: median(trivial) })
}

fn all_well(measured: &Measured, asks: Asks) -> Result {
    if measured.failures() > 0 || measured.requests == 0 {
        return Err(format!("{asks:?} failed: {measured:?}").into());
    }
    Ok(())
}
