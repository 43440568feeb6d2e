//! Clients that do random things.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use buntime_keyval::{
    Atomic, Change, Committed, DEFAULT_QUEUE, Entry, Error, Key, Message, Range, Remote, RemoteOptions, Selector,
    Value, Versionstamp, key,
};
use fastrand::Rng;
use tokio::task::JoinSet;

use super::{Checked, Did, Op, Outcome, Recorder, check};

/// Keys that are set and deleted, and keys that are counted.
const KEYS: (u32, u32) = (24, 8);
/// Keys of a watch.
const WATCHED: usize = 3;

/// A run.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the store is.
    pub url: String,
    /// Other nodes of the same store, which clients ask in turn.
    pub others: Vec<String>,
    /// Its token.
    pub token: String,
    /// Clients that read and write.
    pub clients: u64,
    /// Clients that watch.
    pub watches: usize,
    /// How long.
    pub lasts: Duration,
    /// What makes it happen again as it did, but for time.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    ops: Vec<Op>,
    end: Vec<Entry>,
    messages: Vec<u32>,
}

impl Ran {
    /// Checks it.
    ///
    /// # Errors
    /// What cannot be.
    pub fn check(&self) -> Result<Checked, String> {
        check(&self.ops, &self.end, &self.messages)
    }

    /// All entries that there were in the end.
    pub fn end(&self) -> &[Entry] {
        &self.end
    }
}

impl Load {
    /// Of the client of that number.
    fn remote(&self, client: usize) -> Remote {
        let options = RemoteOptions {
            timeout: Duration::from_secs(5),
            attempt: Duration::from_secs(2),
            silence: Duration::from_secs(5),
            ..RemoteOptions::default()
        };
        let urls: Vec<&String> = std::iter::once(&self.url).chain(&self.others).collect();
        Remote::new(urls[client % urls.len()], &self.token, options).expect("a URL of a store")
    }

    /// Runs, while `chaos` does its worst; then waits until everything is quiet.
    ///
    /// # Panics
    /// When a watch is not told the last state, or the store does not answer in the end.
    pub async fn run(&self, chaos: impl Future<Output = ()>) -> Ran {
        let recorder = Recorder::default();
        let until = Instant::now() + self.lasts;
        let mut clients = JoinSet::new();
        for at in 0..self.clients {
            let client =
                Client::new(self.remote(at as usize), recorder.clone(), self.seed.wrapping_mul(1009).wrapping_add(at));
            clients.spawn(client.run(until));
        }
        let mut watchers = JoinSet::new();
        let (quiet, ended) = tokio::sync::watch::channel(None::<Arc<Vec<Entry>>>);
        for at in 0..self.watches {
            let rng = Rng::with_seed(self.seed.wrapping_add(77 + at as u64));
            watchers.spawn(watch(self.remote(at), recorder.clone(), at, rng, ended.clone()));
        }
        tokio::join!(chaos, async {
            while clients.join_next().await.transpose().expect("no client fails").is_some() {}
        });
        // What is still under way somewhere ends.
        let end = self.all().await;
        quiet.send_replace(Some(Arc::new(end.clone())));
        while watchers.join_next().await.transpose().expect("no watch fails").is_some() {}
        Ran { ops: recorder.take(), end, messages: self.messages().await }
    }

    /// Every message there is, by the write that put it there.
    async fn messages(&self) -> Vec<u32> {
        let (remote, mut all) = (self.remote(0), Vec::new());
        loop {
            let got = remote.lease(DEFAULT_QUEUE, 500, Duration::from_secs(3600)).await.expect("messages are taken");
            if got.is_empty() {
                return all;
            }
            all.extend(got.iter().map(|message| message.payload.to::<u32>().expect("a write's number")));
        }
    }

    /// Everything there is, once two looks at it are the same: a write whose client gave up may still be under way.
    async fn all(&self) -> Vec<Entry> {
        let remote = self.remote(0);
        let mut before = None;
        for _ in 0..100 {
            let now = everything(&remote).await;
            if now.is_some() && now == before {
                return now.unwrap_or_default();
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        panic!("the store is not quiet in the end");
    }
}

async fn everything(remote: &Remote) -> Option<Vec<Entry>> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let cursor = all.last().map(|entry| buntime_keyval::cursor(&entry.key));
        let range = Selector::default().range(cursor.as_deref(), 500, false).ok()?;
        let page = remote.snapshot(&[range]).await.ok()?.pop()?;
        if page.is_empty() {
            return Some(all);
        }
        all.extend(page);
    }
}

struct Client {
    remote: Remote,
    recorder: Recorder,
    rng: Rng,
    /// What it saw of each key last: what it makes checks of.
    seen: HashMap<Key, Option<Versionstamp>>,
}

impl Client {
    fn new(remote: Remote, recorder: Recorder, seed: u64) -> Self {
        Self { remote, recorder, rng: Rng::with_seed(seed), seen: HashMap::new() }
    }

    async fn run(mut self, until: Instant) {
        while Instant::now() < until {
            let well = if self.rng.u8(..100) < 45 { self.write().await } else { self.read().await };
            if !well {
                tokio::time::sleep(Duration::from_millis(self.rng.u64(5..50))).await;
            }
        }
    }

    fn key(&mut self) -> Key {
        // Some are asked for more often than others.
        let most = if self.rng.bool() { 4 } else { KEYS.0 };
        key!["k", self.rng.u32(..most)]
    }

    async fn write(&mut self) -> bool {
        let mut write = Atomic::new();
        let mut keys: Vec<Key> = (0..self.rng.usize(1..5)).map(|_| self.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in &keys {
            if self.rng.u8(..100) < 25 {
                let seen = self.seen.get(key).copied().flatten();
                write = write.check(key.clone(), seen);
            }
        }
        let (id, _) = self.recorder.write(Atomic::new());
        for (at, key) in keys.into_iter().enumerate() {
            write = match self.rng.u8(..10) {
                0..2 => write.delete(key),
                // No two writes write the same.
                _ => write.set(key, Value::Bytes([id.to_be_bytes(), (at as u32).to_be_bytes()].concat().into())),
            };
        }
        for _ in 0..self.rng.usize(..3) {
            let number = key!["n", self.rng.u32(..KEYS.1)];
            let operand = Value::U64(self.rng.u64(..1 << 40));
            let change = match self.rng.u8(..6) {
                0 => Change::Max(operand),
                1 => Change::Min(operand),
                _ => Change::Sum(operand, buntime_keyval::SumLimits::default()),
            };
            write = write.mutate(number, change);
        }
        if self.rng.u8(..5) == 0 {
            write = write.enqueue(Message::new(Value::of(&id).expect("a number can be written")));
        }
        let write = super::journaled(id, write);
        let start = self.recorder.now();
        let done = self.remote.commit(&write).await;
        let outcome = match &done {
            Ok(Committed::Yes(stamp)) => Outcome::Yes(*stamp),
            Ok(Committed::No(failed)) => Outcome::No(failed.clone()),
            Err(Error::Uncertain) => Outcome::Unknown,
            Err(error) => Outcome::Nothing(error.to_string()),
        };
        if let Outcome::Yes(stamp) = outcome {
            for mutation in &write.mutations {
                let there = !matches!(mutation.change, Change::Delete);
                self.seen.insert(mutation.key.clone(), there.then_some(stamp));
            }
        }
        self.recorder.note(start, Did::Write { id, write, outcome });
        done.is_ok()
    }

    async fn read(&mut self) -> bool {
        let ranges: Vec<Range> = (0..self.rng.usize(1..5)).map(|_| self.range()).collect();
        let start = self.recorder.now();
        let Ok(found) = self.remote.snapshot(&ranges).await else { return false };
        for (range, found) in ranges.iter().zip(&found) {
            if let ([], 1, Ok(key)) = (found.as_slice(), range.limit, Key::from_bytes(range.start.clone())) {
                self.seen.insert(key, None);
            }
            for entry in found {
                self.seen.insert(entry.key.clone(), Some(entry.versionstamp));
            }
        }
        self.recorder.note(start, Did::Read { ranges, found });
        true
    }

    fn range(&mut self) -> Range {
        match self.rng.u8(..10) {
            0..6 => Range::of_key(&self.key()),
            6..8 => Range::of_key(&key!["n", self.rng.u32(..KEYS.1)]),
            _ => {
                let below = if self.rng.bool() { key!["k"] } else { key!["n"] };
                let (limit, reverse) = (self.rng.u32(1..40), self.rng.bool());
                Selector::prefix(below).range(None, limit, reverse).expect("a range below a prefix")
            }
        }
    }
}

/// Watches until it was told what there is in the end.
async fn watch(
    remote: Remote,
    recorder: Recorder,
    at: usize,
    mut rng: Rng,
    mut ended: tokio::sync::watch::Receiver<Option<Arc<Vec<Entry>>>>,
) {
    let keys: Vec<Key> =
        (0..WATCHED).map(|_| if rng.bool() { key!["k", rng.u32(..4)] } else { key!["n", rng.u32(..KEYS.1)] }).collect();
    let mut watch = remote.watch(keys.clone());
    let mut state: Option<Vec<Option<Entry>>> = None;
    let mut end: Option<Arc<Vec<Entry>>> = None;
    let patience = Duration::from_secs(30);
    loop {
        let is_last = |end: &Arc<Vec<Entry>>| state.as_ref().is_some_and(|state| last(&keys, state, end));
        if end.as_ref().is_some_and(is_last) {
            return;
        }
        let start = recorder.now();
        tokio::select! {
            told = tokio::time::timeout(patience, watch.next()) => match told {
                Ok(Ok(told)) => {
                    let now: Vec<Option<Entry>> = told.into_iter().map(|(_, entry)| entry).collect();
                    recorder.note(start, Did::Told { watch: at, keys: keys.clone(), state: now.clone() });
                    state = Some(now);
                }
                Ok(Err(error)) => panic!("a watch failed: {error}"),
                Err(_) if end.is_some() => panic!("watch {at} of {keys:?} was not told the last state; it has {state:?}"),
                Err(_) => {}
            },
            changed = ended.changed(), if end.is_none() => {
                changed.expect("the run goes on");
                end.clone_from(&ended.borrow_and_update());
            }
        }
    }
}

fn last(keys: &[Key], state: &[Option<Entry>], end: &[Entry]) -> bool {
    keys.iter().zip(state).all(|(key, told)| {
        let there = end.iter().find(|entry| entry.key == *key);
        there.map(|entry| entry.versionstamp) == told.as_ref().map(|entry| entry.versionstamp)
    })
}
