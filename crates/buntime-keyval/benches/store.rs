//! The store on a SQLite file: commits in groups, queues in batches, and reads while the number of keys grows.
//!
//! `cargo bench -p buntime-keyval --bench store -- [keys…]`: the numbers of keys at which reads are measured (10000,
//! 100000 and 1000000 where none are given). Prints tables; nothing is asserted, for how quick a disk is depends on the
//! machine.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is what it is for")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use buntime_database::sqlite::{Options as File, Sqlite};
use buntime_keyval::{Atomic, Engine, Key, Limits, Message, Namespace, Options, Selector, Value, key};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Entries of one list, and of one group of keys.
const LISTED: u32 = 100;
/// Entries that one commit fills in.
const FILLED: u32 = 1000;
const LEASE: Duration = Duration::from_secs(60);
/// How long commits are counted.
const COUNTED: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result {
    let mut sizes: Vec<u32> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.extend([10_000, 100_000, 1_000_000]);
    }
    let dir = tempfile::tempdir()?;
    commits(&open(dir.path(), "commits").await?).await?;
    queues(&open(dir.path(), "queues").await?).await?;
    reads(&open(dir.path(), "reads").await?, &sizes).await
}

async fn open(dir: &Path, name: &str) -> Result<Namespace> {
    let database = Sqlite::open(File::file(dir.join(format!("{name}.sqlite")))).await?;
    let engine = Engine::open(Arc::new(database), Options::default()).await?;
    Ok(engine.namespace("default", Limits::DENO).await?)
}

fn value(number: u32) -> Value {
    Value::Bytes(format!("{number:0>100}").into_bytes().into())
}

fn place(number: u32) -> Key {
    key!["bench", number / LISTED, number % LISTED]
}

/// Each write is a commit of its own and durable when it is acknowledged; many writers share what that costs.
async fn commits(kv: &Namespace) -> Result {
    println!("| writers | commits/s |\n| ---: | ---: |");
    for writers in [1, 8, 64, 256] {
        let end = Instant::now() + COUNTED;
        let tasks = (0..writers).map(|writer| {
            let kv = kv.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while Instant::now() < end {
                    kv.commit(Atomic::new().set(place(writer * FILLED + done % FILLED), value(done))).await?;
                    done += 1;
                }
                Ok(done)
            })
        });
        println!("| {writers} | {:.0} |", f64::from(total(tasks.collect()).await?) / COUNTED.as_secs_f64());
    }
    Ok(())
}

/// Two producers and two consumers at the same time: what comes out is what went in.
async fn queues(kv: &Namespace) -> Result {
    println!("\n| messages of a batch | messages/s in and out |\n| ---: | ---: |");
    for (batch, messages) in [(1, 2_000), (10, 20_000), (100, 100_000)] {
        let begun = Instant::now();
        let left = Arc::new(AtomicI64::new(messages));
        let tasks = (0..2).flat_map(|_| {
            let producer = tokio::spawn(produce(kv.clone(), messages / 2, batch));
            [producer, tokio::spawn(consume(kv.clone(), Arc::clone(&left), batch))]
        });
        let out = total(tasks.collect()).await?;
        println!("| {batch} | {:.0} |", f64::from(out) / begun.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn produce(kv: Namespace, messages: i64, batch: usize) -> Result<u32> {
    for _ in 0..messages / batch as i64 {
        kv.enqueue_all((0..batch).map(|_| Message::new(value(7)).to("bench")).collect()).await?;
    }
    Ok(0)
}

async fn consume(kv: Namespace, left: Arc<AtomicI64>, batch: usize) -> Result<u32> {
    let mut seen = 0;
    while left.load(SeqCst) > 0 {
        // The other may take the last: then there is nothing to wait for.
        let waiting = kv.receive("bench", batch, LEASE);
        let Ok(got) = tokio::time::timeout(Duration::from_millis(100), waiting).await else { continue };
        let got = got?;
        let done: Vec<_> = got.iter().map(|one| (one.id.as_str(), Some(one.lease.as_str()))).collect();
        let finished = kv.finish(&done).await?.iter().filter(|was_mine| **was_mine).count();
        left.fetch_sub(finished as i64, SeqCst);
        seen += finished as u32;
    }
    Ok(seen)
}

async fn total(tasks: Vec<tokio::task::JoinHandle<Result<u32>>>) -> Result<u32> {
    let mut all = 0;
    for task in tasks {
        all += task.await??;
    }
    Ok(all)
}

/// Medians of reads and writes at random places.
async fn reads(kv: &Namespace, sizes: &[u32]) -> Result {
    println!("\n| keys | get µs | list of {LISTED} µs | set µs | resident MB |\n| ---: | ---: | ---: | ---: | ---: |");
    let mut filled = 0;
    for size in sizes.iter().copied() {
        fill(kv, &mut filled, size).await?;
        let (mut gets, mut lists, mut sets) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3000 {
            let begun = Instant::now();
            kv.get(&place(fastrand::u32(..size))).await?.ok_or("a key is missing")?;
            gets.push(begun.elapsed());
        }
        for _ in 0..1000 {
            let group = Selector::prefix(key!["bench", fastrand::u32(..size / LISTED)]);
            let begun = Instant::now();
            let found = kv.snapshot(&[group.range(None, LISTED, false)?]).await?;
            lists.push(begun.elapsed());
            if found.first().map(Vec::len) != Some(LISTED as usize) {
                return Err("a list is not whole".into());
            }
        }
        for _ in 0..300 {
            let begun = Instant::now();
            kv.commit(Atomic::new().set(place(fastrand::u32(..size)), value(0))).await?;
            sets.push(begun.elapsed());
        }
        println!("| {size} | {} | {} | {} | {} |", median(gets), median(lists), median(sets), resident_mb());
    }
    Ok(())
}

async fn fill(kv: &Namespace, filled: &mut u32, size: u32) -> Result {
    while *filled < size {
        let until = (*filled + FILLED).min(size);
        let write = (*filled..until).fold(Atomic::new(), |write, at| write.set(place(at), value(at)));
        kv.commit(write).await?;
        *filled = until;
        if until.is_multiple_of(1_000_000) {
            eprintln!("bench: {until} keys");
        }
    }
    Ok(())
}

/// In microseconds.
fn median(mut times: Vec<Duration>) -> u128 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0, Duration::as_micros)
}

fn resident_mb() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kib = line.and_then(|kib| kib.parse::<u64>().ok());
    kib.map_or_else(|| "unknown".to_owned(), |kib| (kib / 1024).to_string())
}
