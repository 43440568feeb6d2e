//! Counters in Redis: one script that takes a request from all of its limits or from none, over one connection on which
//! requests are pipelined.
//!
//! When Redis does not answer in time, or answers nonsense, it is away: requests are decided at once, without waiting,
//! as `onUnavailable` says, and each second it is tried again. Whole numbers up to 2^53 are exact there: a limit whose
//! `burst` times its window in microseconds is larger is rounded by less than one part in 10^15.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use buntime_core::{BoxError, PluginContext, Scope};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisResult, aio::MultiplexedConnection};
use tokio::sync::{Mutex, Notify};

use super::{
    algorithm::{Kind, Verdict, nanos},
    limit::Limit,
};
use crate::config::{ModeName, RedisSettings};

/// How often it is tried again, and how often it is asked whether it is still there.
const EVERY: Duration = Duration::from_secs(1);
/// What one step of a listing looks at.
const SCANNED: usize = 1000;
/// What one listing looks at, at most, in steps.
const MOST_SCANS: usize = 1000;

/// Redis is away.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("Redis does not answer")]
pub(crate) struct Away;

const SCRIPT: &str = include_str!("take.lua");

/// A connection, and what the server calls the script.
struct Connected {
    connection: MultiplexedConnection,
    script: String,
}

/// One Redis server, and a connection to it. Shared by the instances that one level configured.
pub(crate) struct Shared {
    client: Client,
    connection: ArcSwapOption<Connected>,
    timeout: Duration,
    prefix: String,
    /// What does not happen while it is away.
    without: &'static str,
    lost: Notify,
    /// Held by the instance that keeps the connection.
    keeper: Mutex<()>,
    instances: AtomicUsize,
    failures: AtomicU64,
}

/// What one limit is asked in Redis.
pub(crate) struct Asked {
    /// Without the prefix.
    key: Vec<u8>,
    kind: &'static str,
    numbers: [u64; 6],
}

impl Asked {
    /// About a key; a cost of 0 only looks.
    pub(crate) fn new(limit: &Limit, key: &[u8], cost: u64) -> Self {
        let micros = |nanos: u64| nanos.div_ceil(1000);
        let window = micros(nanos(limit.settings.window()));
        let kind = match limit.algorithm.kind {
            Kind::Bucket { .. } => "b",
            Kind::Fixed(_) | Kind::Calendar(_) => "f",
            Kind::Sliding(_) => "s",
        };
        let enforced = u64::from(limit.mode != ModeName::Observe);
        let mut whole = place(limit).into_bytes();
        whole.extend_from_slice(key);
        let delay = micros(nanos(limit.delay));
        let numbers = [limit.algorithm.requests, window, limit.at_once(), cost, delay, enforced];
        Self { key: whole, kind, numbers }
    }
}

/// Where the cells of a limit are: `limit:consumer/acme:default:b60000000:`. Another way of counting is another place.
fn place(limit: &Limit) -> String {
    let scope = match &limit.scope {
        Scope::Service(service) => format!("service/{service}"),
        Scope::Route(service, route) => format!("route/{service}/{route}"),
        Scope::ConsumerGroup(group) => format!("group/{group}"),
        Scope::Consumer(consumer) => format!("consumer/{consumer}"),
        _ => "gateway".to_owned(),
    };
    let way = match limit.algorithm.kind {
        Kind::Bucket { .. } => format!("b{}/{}", limit.settings.requests(), nanos(limit.settings.window()) / 1000),
        Kind::Fixed(window) => format!("f{}", window / 1000),
        Kind::Sliding(window) => format!("s{}", window / 1000),
        Kind::Calendar(_) => "q".to_owned(),
    };
    format!("limit:{scope}:{}:{way}:", limit.name)
}

impl Shared {
    /// A server, not yet connected to. `without`: what does not happen while it is away.
    pub(crate) fn new(settings: &RedisSettings, without: &'static str) -> Result<Self, BoxError> {
        // The error may repeat the URL, which may hold a password.
        let client = Client::open(settings.url.as_str()).map_err(|_| "`redis.url` is no URL of a Redis server")?;
        Ok(Self {
            client,
            connection: ArcSwapOption::empty(),
            timeout: settings.timeout(),
            prefix: format!("{}:", settings.prefix()),
            without,
            lost: Notify::new(),
            keeper: Mutex::new(()),
            instances: AtomicUsize::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Is it there?
    pub(crate) fn is_there(&self) -> bool {
        self.connection.load().is_some()
    }

    /// How often it went away.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Takes a request from all of these limits, or from none that refuses: a verdict for each.
    pub(crate) async fn ask(&self, asked: &[&Asked]) -> Result<Vec<Verdict>, Away> {
        let Some(connection) = self.connection.load_full() else { return Err(Away) };
        let answer = tokio::time::timeout(self.timeout, self.run(&connection, asked)).await;
        let answer: Vec<i64> = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.lose(&connection, &error)),
            Err(_) => return Err(self.lose(&connection, &"no answer in time")),
        };
        let number = |number: i64| u64::try_from(number).ok();
        let micros = |micros: i64| number(micros).map(Duration::from_micros);
        let verdict = |five: &[i64]| match *five {
            [allowed @ (0 | 1), wait, remaining, reset, retry] => Some(Verdict {
                allowed: allowed == 1,
                wait: micros(wait)?,
                remaining: number(remaining)?,
                reset: micros(reset)?,
                retry: micros(retry)?,
            }),
            _ => None,
        };
        let verdicts: Option<Vec<Verdict>> = answer.chunks(5).map(verdict).collect();
        let verdicts = verdicts.filter(|verdicts| verdicts.len() == asked.len());
        verdicts.ok_or_else(|| self.lose(&connection, &"an answer that makes no sense"))
    }

    async fn run(&self, connected: &Connected, asked: &[&Asked]) -> RedisResult<Vec<i64>> {
        let mut connection = connected.connection.clone();
        let by_name = self.call("EVALSHA", &connected.script, asked).query_async(&mut connection).await;
        match by_name {
            // Somebody flushed its scripts: told anew, it knows this one again.
            Err(error) if error.code() == Some("NOSCRIPT") => {
                self.call("EVAL", SCRIPT, asked).query_async(&mut connection).await
            }
            other => other,
        }
    }

    fn call(&self, how: &str, script: &str, asked: &[&Asked]) -> Cmd {
        let mut call = redis::cmd(how);
        call.arg(script).arg(asked.len());
        for one in asked {
            call.arg([self.prefix.as_bytes(), &one.key].concat());
        }
        for one in asked {
            call.arg(one.kind);
            for number in one.numbers {
                call.arg(number);
            }
        }
        call
    }

    /// It is away: later requests need not find out for themselves.
    fn lose(&self, connection: &Arc<Connected>, why: &dyn fmt::Display) -> Away {
        let before = self.connection.compare_and_swap(connection, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, connection)) {
            self.failures.fetch_add(1, Relaxed);
            tracing::warn!("Redis is away, {}: {why}", self.without);
            self.lost.notify_one();
        }
        Away
    }

    /// A key of this program.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Asks anything else of it. What it refuses is no answer either, but it is there.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, Away> {
        let Some(connection) = self.connection.load_full() else { return Err(Away) };
        let mut used = connection.connection.clone();
        match tokio::time::timeout(self.timeout, command.query_async::<T>(&mut used)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.code().is_some() => Err(Away),
            Ok(Err(error)) => Err(self.lose(&connection, &error)),
            Err(_) => Err(self.lose(&connection, &"no answer in time")),
        }
    }

    /// Connects, unless it is connected; false if that fails.
    pub(crate) async fn connect(&self) -> bool {
        if self.is_there() {
            return true;
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout.max(EVERY)))
            .set_response_timeout(Some(self.timeout));
        let connecting = async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            let script: String = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(&mut connection).await?;
            Ok::<_, redis::RedisError>(Connected { connection, script })
        };
        let Ok(Ok(connected)) = tokio::time::timeout(EVERY * 4, connecting).await else { return false };
        let is_digest = connected.script.len() == 40 && connected.script.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digest {
            self.connection.store(Some(Arc::new(connected)));
        }
        is_digest
    }

    /// Keeps the connection for as long as an instance lives: notices that it is lost, and that it is back. One
    /// instance does it for all; when it ends, another goes on.
    pub(crate) async fn keep(&self, context: &PluginContext) {
        self.instances.fetch_add(1, Relaxed);
        tokio::select! {
            () = context.cancelled().cancelled() => {}
            () = self.watch() => {}
        }
        if self.instances.fetch_sub(1, Relaxed) == 1 {
            self.connection.store(None);
        }
    }

    async fn watch(&self) {
        let _keeper = self.keeper.lock().await;
        let mut was_there = self.is_there();
        loop {
            if let Some(connection) = self.connection.load_full() {
                let mut used = connection.connection.clone();
                let ping = redis::cmd("PING");
                let pong = tokio::time::timeout(self.timeout, ping.query_async::<String>(&mut used)).await;
                if !matches!(pong, Ok(Ok(_))) {
                    self.lose(&connection, &"it does not answer a ping");
                }
            }
            if !self.is_there() {
                was_there = was_there && self.failures() == 0;
                if self.connect().await && !was_there {
                    tracing::info!("Redis is there; while it was away, {}", self.without);
                    was_there = true;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                // Once at once, then each second.
                () = self.lost.notified() => { was_there = false; }
            }
        }
    }

    /// Keys of a limit, at most so many, as they were asked.
    pub(crate) async fn list(&self, limit: &Limit, most: usize) -> Result<Vec<Vec<u8>>, Away> {
        let connection = self.connection.load_full().ok_or(Away)?;
        let mut used = connection.connection.clone();
        let begin = [self.prefix.as_bytes(), place(limit).as_bytes()].concat();
        let mut pattern: Vec<u8> = Vec::with_capacity(begin.len() * 2 + 1);
        for byte in &begin {
            if br"*?[]\^-".contains(byte) {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
        pattern.push(b'*');
        let (mut found, mut cursor) = (Vec::new(), 0_u64);
        for _ in 0..MOST_SCANS {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCANNED);
            let step = tokio::time::timeout(EVERY, scan.query_async::<(u64, Vec<Vec<u8>>)>(&mut used)).await;
            let Ok(Ok((next, keys))) = step else { return Err(Away) };
            found.extend(keys.into_iter().filter_map(|key| key.strip_prefix(begin.as_slice()).map(<[u8]>::to_vec)));
            cursor = next;
            if cursor == 0 || found.len() >= most {
                break;
            }
        }
        // A scan may tell a key twice.
        found.sort_unstable();
        found.dedup();
        found.truncate(most);
        Ok(found)
    }

    /// Forgets keys of a limit; says how many there were.
    pub(crate) async fn forget(&self, limit: &Limit, keys: &[Vec<u8>]) -> Result<u64, Away> {
        let connection = self.connection.load_full().ok_or(Away)?;
        let mut used = connection.connection.clone();
        let begin = [self.prefix.as_bytes(), place(limit).as_bytes()].concat();
        let mut forgotten = 0;
        for some in keys.chunks(SCANNED) {
            let mut unlink = redis::cmd("UNLINK");
            for key in some {
                unlink.arg([begin.as_slice(), key].concat());
            }
            let step = tokio::time::timeout(EVERY, unlink.query_async::<u64>(&mut used)).await;
            let Ok(Ok(count)) = step else { return Err(Away) };
            forgotten += count;
        }
        Ok(forgotten)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("is_there", &self.is_there()).finish_non_exhaustive()
    }
}
