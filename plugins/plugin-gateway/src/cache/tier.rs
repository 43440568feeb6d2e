//! Answers in Redis, which several nodes share: looked for before the upstream is asked, written when they are stored.
//!
//! A URL has a small entry with a random generation and what its answers vary by, and an answer a key made of all of it, so
//! that to forget a URL is to delete the small entry. What is invalidated is also written to a stream, which every node
//! reads each second and does the same to its memory. Redis that is away, or says nonsense, is a miss; what could not be
//! invalidated there meanwhile is made up for by forgetting everything when it is back.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use buntime_core::{Clock, PluginContext, Scope};
use http::{HeaderMap, HeaderName};
use redis::Cmd;
use serde::{Deserialize, Serialize};

use super::{
    entry::{Stored, Variant},
    invalidate::{Meant, What},
    key::Key,
    store::Store,
    wire,
};
use crate::limits::{key::hex, shared::Shared};

/// How often other nodes' invalidations are read.
const EVERY: Duration = Duration::from_secs(1);
/// How many the stream holds, about, and how many are read at once.
const LOGGED: usize = 10_000;
const BATCH: usize = 1_000;
/// How long the entry of a URL is kept, at least.
const LEAST: Duration = Duration::from_secs(86_400);
/// What one step of a sweep looks at.
const SCANNED: usize = 500;

/// See the module.
pub(crate) struct Tier {
    redis: Arc<Shared>,
    context: PluginContext,
    /// What keys begin with.
    place: String,
    /// Tells what this node has written to the stream itself.
    node: String,
    /// Something could not be invalidated there.
    behind: AtomicBool,
    seen: Mutex<String>,
}

/// Makes the entry of a URL, or adds to it; says its generation. What varies otherwise, or is no entry, begins anew.
const ADD: &str = "\
local before = redis.pcall('HGET', KEYS[1], 'vary')
if type(before) == 'table' or (before and before ~= ARGV[3]) then redis.call('DEL', KEYS[1]) end
redis.call('HSETNX', KEYS[1], 'generation', ARGV[2])
redis.call('HSET', KEYS[1], 'key', ARGV[1], 'vary', ARGV[3])
for at = 5, #ARGV do redis.call('HSET', KEYS[1], 'tag:' .. ARGV[at], '') end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return redis.call('HGET', KEYS[1], 'generation')";

/// Reads entries of URLs; one that is none is empty.
const LIST: &str = "\
local all = {}
for at, key in ipairs(KEYS) do
  local entry = redis.pcall('HGETALL', key)
  all[at] = entry.err and {} or entry
end
return all";

/// The entry of a URL.
#[derive(Debug)]
struct Url {
    key: String,
    generation: String,
    /// Names of fields, with commas between them.
    vary: String,
}

/// What is written to the stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Forgotten {
    Url(String),
    What(What),
}

type Logged = Vec<(String, Vec<String>)>;

impl Tier {
    /// Begins to follow what other nodes invalidate.
    pub(super) fn start(context: &PluginContext, redis: Arc<Shared>, level: &Scope, store: &Arc<Store>) -> Arc<Self> {
        let place = redis.key(&format!("cache:{}:", hex(&digest(&SHA256, level.to_string().as_bytes()).as_ref()[..8])));
        let tier = Arc::new(Self {
            redis,
            context: context.clone(),
            place,
            node: format!("{:016x}", random()),
            behind: AtomicBool::new(false),
            seen: Mutex::new(String::new()),
        });
        let (follower, store) = (Arc::downgrade(&tier), Arc::downgrade(store));
        context.spawn(async move { follow(follower, store).await });
        tier
    }

    /// Is Redis there?
    pub(crate) fn is_there(&self) -> bool {
        self.redis.is_there()
    }

    fn url_key(&self, key: &Key) -> String {
        format!("{}u:{}", self.place, hex(digest(&SHA256, key.show().as_bytes()).as_ref()))
    }

    fn answer_key(&self, url: &Url, variant: &Variant) -> String {
        let mut told = Vec::new();
        let mut put = |part: &[u8]| {
            told.extend_from_slice(&(part.len() as u64).to_be_bytes());
            told.extend_from_slice(part);
        };
        put(url.key.as_bytes());
        put(variant.route.as_deref().unwrap_or_default().as_bytes());
        put(&variant.by);
        for (name, value) in &variant.fields {
            put(name.as_str().as_bytes());
            put(&[u8::from(value.is_some())]);
            put(value.as_deref().unwrap_or_default());
        }
        put(url.generation.as_bytes());
        format!("{}a:{}", self.place, hex(digest(&SHA256, &told).as_ref()))
    }

    async fn url(&self, key: &Key) -> Option<Url> {
        let mut get = redis::cmd("HMGET");
        get.arg(self.url_key(key)).arg("key").arg("generation").arg("vary");
        let (known, generation, vary): (Option<String>, Option<String>, Option<String>) =
            self.redis.command(&get).await.ok()?;
        // Another URL of the same digest there is not, but nonsense there may be.
        Some(Url { key: known?, generation: generation?, vary: vary? }).filter(|url| url.key == key.show())
    }

    /// An answer for such a request.
    pub(super) async fn find(
        &self,
        key: &Key,
        route: Option<Arc<str>>,
        by: &[u8],
        headers: &HeaderMap,
        clock: &Clock,
    ) -> Option<Stored> {
        let url = self.url(key).await?;
        let names = url.vary.split(',').filter(|name| !name.is_empty());
        let names: Option<Vec<HeaderName>> = names.map(|name| name.parse().ok()).collect();
        let variant = Variant::new(route, by, names?, headers);
        let mut get = redis::cmd("GET");
        let bytes: Option<Vec<u8>> = self.redis.command(get.arg(self.answer_key(&url, &variant))).await.ok()?;
        wire::read(&bytes?, variant, clock.now(), clock.wall())
    }

    /// Writes an answer, in a task of its own.
    pub(super) fn put(self: &Arc<Self>, key: &Key, stored: &Arc<Stored>, clock: &Clock) {
        let (now, wall) = (clock.now(), clock.wall());
        let left = stored.life.longest().saturating_sub(stored.age(now));
        // What must be validated each time is of no use to others.
        if !self.is_there() || stored.life.no_cache || left.is_zero() {
            return;
        }
        let Some(bytes) = wire::write(stored, now, wall) else { return };
        let (tier, key, stored) = (self.clone(), key.clone(), stored.clone());
        self.context.spawn(async move { tier.write(&key, &stored, bytes, left).await });
    }

    async fn write(&self, key: &Key, stored: &Stored, bytes: Vec<u8>, left: Duration) {
        let millis = |lives: Duration| u64::try_from(lives.as_millis()).unwrap_or(u64::MAX).max(1);
        let names: Vec<&str> = stored.variant.fields.iter().map(|(name, _)| name.as_str()).collect();
        let (key_text, vary) = (key.show(), names.join(","));
        let mut add = redis::cmd("EVAL");
        add.arg(ADD).arg(1).arg(self.url_key(key));
        add.arg(&key_text).arg(format!("{:016x}", random())).arg(&vary).arg(millis(left.max(LEAST)));
        for tag in &stored.tags {
            add.arg(&**tag);
        }
        // First the entry: one that leads nowhere is only a miss.
        let Ok(generation) = self.redis.command::<String>(&add).await else { return };
        let url = Url { key: key_text, generation, vary };
        let mut set = redis::cmd("SET");
        set.arg(self.answer_key(&url, &stored.variant)).arg(bytes).arg("PX").arg(millis(left));
        // Not written, it is fetched by the others themselves.
        let _ = self.redis.command::<()>(&set).await;
    }

    /// Forgets a URL, and tells the other nodes, in a task of its own.
    pub(super) fn forget(self: &Arc<Self>, key: &Key) {
        let (tier, key) = (self.clone(), key.clone());
        self.context.spawn(async move {
            let forgotten = tier.delete(&key).await && tier.tell(&Forgotten::Url(key.show())).await;
            if !forgotten {
                tier.behind.store(true, Relaxed);
            }
        });
    }

    async fn delete(&self, key: &Key) -> bool {
        let mut delete = redis::cmd("DEL");
        self.redis.command::<u64>(delete.arg(self.url_key(key))).await.is_ok()
    }

    async fn tell(&self, forgotten: &Forgotten) -> bool {
        let Ok(text) = serde_json::to_string(forgotten) else { return false };
        let mut add = redis::cmd("XADD");
        add.arg(format!("{}log", self.place)).arg("MAXLEN").arg("~").arg(LOGGED).arg("*").arg(&self.node).arg(text);
        self.redis.command::<String>(&add).await.is_ok()
    }

    /// Forgets what an operator means, and tells the other nodes.
    pub(crate) async fn sweep(&self, what: &What) {
        let swept = self.delete_meant(what).await && self.tell(&Forgotten::What(what.clone())).await;
        if !swept {
            self.behind.store(true, Relaxed);
        }
    }

    async fn delete_meant(&self, what: &What) -> bool {
        let Ok(meant) = Meant::new(what) else { return true };
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}u:*", escaped(&self.place))).arg("COUNT").arg(SCANNED);
            let Ok((next, names)) = self.redis.command::<(u64, Vec<String>)>(&scan).await else { return false };
            if !self.delete_some(&meant, names).await {
                return false;
            }
            cursor = next;
            if cursor == 0 {
                return true;
            }
        }
    }

    async fn delete_some(&self, meant: &Meant, names: Vec<String>) -> bool {
        if names.is_empty() {
            return true;
        }
        let mut list = redis::cmd("EVAL");
        list.arg(LIST).arg(names.len()).arg(&names);
        let Ok(entries) = self.redis.command::<Vec<Vec<Vec<u8>>>>(&list).await else { return false };
        let is_meant = |entry: &Vec<Vec<u8>>| {
            let fields: Vec<&str> = entry.iter().map(|text| std::str::from_utf8(text).unwrap_or_default()).collect();
            let pairs = fields.chunks_exact(2);
            let key = pairs.clone().find(|pair| pair[0] == "key").and_then(|pair| Key::read(pair[1]));
            let tags: Vec<Box<str>> = pairs.filter_map(|pair| pair[0].strip_prefix("tag:")).map(Into::into).collect();
            // What cannot be read is of no use anyway.
            key.is_none_or(|key| meant.has(&key, &tags))
        };
        let doomed: Vec<&String> =
            names.iter().zip(&entries).filter(|(_, e)| is_meant(e)).map(|(name, _)| name).collect();
        if doomed.is_empty() {
            return true;
        }
        let mut delete = redis::cmd("DEL");
        self.redis.command::<u64>(delete.arg(&doomed)).await.is_ok()
    }

    /// Makes up for what could not be invalidated, and does what other nodes did.
    async fn catch_up(&self, store: &Store) {
        if !self.is_there() {
            return;
        }
        if self.behind.swap(false, Relaxed) {
            self.sweep(&What::default()).await;
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if seen.is_empty() {
            // What was invalidated before it came concerns it not.
            let mut last = redis::cmd("XREVRANGE");
            last.arg(format!("{}log", self.place)).arg("+").arg("-").arg("COUNT").arg(1);
            if let Ok(last) = self.redis.command::<Logged>(&last).await {
                self.has_seen(last.first().map_or("0-0", |(id, _)| id));
            }
            return;
        }
        for _ in 0..LOGGED / BATCH {
            let mut range = Cmd::new();
            let from = format!("({}", self.seen.lock().unwrap_or_else(PoisonError::into_inner));
            range.arg("XRANGE").arg(format!("{}log", self.place)).arg(from).arg("+").arg("COUNT").arg(BATCH);
            let Ok(logged) = self.redis.command::<Logged>(&range).await else { return };
            for (id, fields) in &logged {
                self.has_seen(id);
                self.do_as_others(store, fields).await;
            }
            if logged.len() < BATCH {
                return;
            }
        }
        // More than the stream holds: nobody knows what.
        store.sweep(self.context.clock().now(), |_, _| true);
    }

    fn has_seen(&self, id: &str) {
        id.clone_into(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn do_as_others(&self, store: &Store, fields: &[String]) {
        let [node, text] = fields else { return };
        if *node == self.node {
            return;
        }
        let now = self.context.clock().now();
        match serde_json::from_str(text) {
            Ok(Forgotten::Url(url)) => {
                let Some(key) = Key::read(&url) else { return };
                store.invalidate(&key, now);
                // This node may have written what it had asked for before.
                self.delete(&key).await;
            }
            Ok(Forgotten::What(what)) => {
                if let Ok(meant) = Meant::new(&what) {
                    store.sweep(now, |key, stored| meant.has(key, &stored.tags));
                }
            }
            Err(_) => tracing::warn!("what another node wrote of invalidations cannot be read"),
        }
    }
}

async fn follow(tier: Weak<Tier>, store: Weak<Store>) {
    loop {
        let Some((tier, store)) = tier.upgrade().zip(store.upgrade()) else { return };
        tier.catch_up(&store).await;
        drop((tier, store));
        tokio::time::sleep(EVERY).await;
    }
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now())
}

fn escaped(place: &str) -> String {
    let mut text = String::with_capacity(place.len() * 2);
    for c in place.chars() {
        if r"*?[]\^-".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

impl std::fmt::Debug for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tier").field("is_there", &self.is_there()).finish_non_exhaustive()
    }
}
