//! What the API shows, and what it changes.

use buntime_core::{Error, ErrorKind};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Api;
use crate::{
    config::ModeName,
    desk::Found,
    limits::{
        algorithm::Verdict,
        counted::Snapshot,
        limit::{Limit, whole_seconds},
        shared::{Asked, Shared},
    },
};

/// How many keys are looked for in Redis when they are reset by what a person reads.
const MOST_IN_REDIS: usize = 1_000_000;

impl Api {
    /// Every limit with its figures.
    pub(super) fn limits(&self) -> Vec<Value> {
        let show = |(limits, at): Found| {
            let limit = &limits[at];
            let mut shown = json!({
                "name": &*limit.name,
                "scope": limit.scope,
                "requests": limit.settings.requests(),
                "windowSeconds": limit.seconds(),
                "algorithm": limit.settings.algorithm(),
                "keyBy": limit.key_by,
                "mode": limit.mode,
                "store": store(limit),
                "figures": limit.counted.figures.snapshot(),
            });
            if let Some(period) = limit.settings.period {
                shown["period"] = json!(period);
            }
            if !limit.shared {
                shown["activeBuckets"] = json!(limit.counted.table.len());
                shown["forgotten"] = json!(limit.counted.table.forgotten());
            }
            shown
        };
        self.desk.limits().into_iter().map(show).collect()
    }

    /// The figures of all limits together.
    pub(super) fn totals(&self) -> Value {
        let mut sum = Snapshot::default();
        let mut keys = 0;
        for (limits, at) in self.desk.limits() {
            let one = limits[at].counted.figures.snapshot();
            sum.allowed += one.allowed;
            sum.refused += one.refused;
            sum.observed += one.observed;
            sum.delayed += one.delayed;
            sum.bypassed += one.bypassed;
            sum.uncounted += one.uncounted;
            keys += limits[at].counted.table.len();
        }
        json!({
            "totalRequests": sum.allowed + sum.refused + sum.observed + sum.uncounted,
            "allowedRequests": sum.allowed,
            "blockedRequests": sum.refused,
            "observedRequests": sum.observed,
            "delayedRequests": sum.delayed,
            "bypassedRequests": sum.bypassed,
            "uncountedRequests": sum.uncounted,
            "activeBuckets": keys,
        })
    }

    pub(super) fn stats(&self) -> Value {
        let limits = self.limits();
        json!({
            "rateLimit": { "enabled": !limits.is_empty(), "metrics": self.totals(), "limits": limits },
            "cache": self.cache_totals(),
            "cors": { "enabled": self.settings.cors.is_some() },
            "redis": self.redis.as_ref().map(|redis| json!({ "connected": redis.is_there(), "failures": redis.failures() })),
            "shell": self.shell_state(),
            "logs": self.log_stats(),
        })
    }

    /// What a live stream says.
    pub(super) fn moment(&self) -> Value {
        let now = OffsetDateTime::from(self.context.clock().wall());
        let mut moment = self.stats();
        moment["timestamp"] = json!(now.format(&Rfc3339).unwrap_or_default());
        moment["recentLogs"] = self.recent(10);
        moment
    }

    fn named(&self, name: Option<&str>) -> Result<Vec<Found>, Error> {
        let all = self.desk.limits();
        if all.is_empty() {
            return Err(Error::new(ErrorKind::Malformed).with_detail("Rate limiting not enabled"));
        }
        let found: Vec<_> = all.into_iter().filter(|(l, at)| name.is_none_or(|name| *l[*at].name == *name)).collect();
        match (found.is_empty(), name) {
            (true, Some(name)) => {
                Err(Error::new(ErrorKind::NotFound).with_detail(format!("There is no limit named `{name}`")))
            }
            _ => Ok(found),
        }
    }

    /// Keys whose reading begins with `prefix`, at most so many.
    pub(super) async fn buckets(&self, most: usize, prefix: String, name: Option<String>) -> Result<Vec<Value>, Error> {
        let mut shown = Vec::new();
        for (limits, at) in self.named(name.as_deref())? {
            let left = most - shown.len();
            if left == 0 {
                break;
            }
            if limits[at].shared {
                shown.extend(self.in_redis(&limits[at], left, &prefix).await?);
                continue;
            }
            let (prefix, now) = (prefix.clone(), self.context.clock().now());
            // Reading many keys takes a while: not on a thread that serves requests.
            let read = tokio::task::spawn_blocking(move || in_memory(&limits[at], left, &prefix, now));
            shown.extend(read.await.map_err(Error::internal)?);
        }
        Ok(shown)
    }

    fn redis(&self) -> Result<&Shared, Error> {
        self.redis.as_deref().ok_or_else(away)
    }

    async fn in_redis(&self, limit: &Limit, most: usize, prefix: &str) -> Result<Vec<Value>, Error> {
        let redis = self.redis()?;
        let found = if prefix.is_empty() { most } else { MOST_IN_REDIS };
        let keys = redis.list(limit, found).await.map_err(|_| away())?;
        let matching = keys.into_iter().filter(|key| limit.keys.show(key).starts_with(prefix)).take(most);
        let keys: Vec<Vec<u8>> = matching.collect();
        let mut shown = Vec::with_capacity(keys.len());
        for some in keys.chunks(100) {
            let asked: Vec<Asked> = some.iter().map(|key| Asked::new(limit, key, 0)).collect();
            let verdicts = redis.ask(&asked.iter().collect::<Vec<_>>()).await.map_err(|_| away())?;
            shown.extend(some.iter().zip(verdicts).map(|(key, verdict)| bucket(limit, key, &verdict)));
        }
        Ok(shown)
    }

    /// Forgets the keys that read like this; says how many there were.
    pub(super) async fn reset(&self, key: String, name: Option<String>) -> Result<u64, Error> {
        let mut deleted = 0;
        for (limits, at) in self.named(name.as_deref())? {
            let limit = &limits[at];
            if limit.shared {
                let redis = self.redis()?;
                let keys = redis.list(limit, MOST_IN_REDIS).await.map_err(|_| away())?;
                let keys: Vec<_> = keys.into_iter().filter(|found| limit.keys.show(found) == key).collect();
                deleted += redis.forget(limit, &keys).await.map_err(|_| away())?;
                continue;
            }
            let (key, now) = (key.clone(), self.context.clock().now());
            let reset = tokio::task::spawn_blocking(move || {
                let limit = &limits[at];
                let found = limit.counted.list(usize::MAX, |found| limit.keys.show(found) == key);
                found.iter().filter(|(key, _)| limit.counted.reset(key, &limit.algorithm, now)).count() as u64
            });
            deleted += reset.await.map_err(Error::internal)?;
        }
        Ok(deleted)
    }

    /// Forgets all keys; says how many there were.
    pub(super) async fn clear(&self, name: Option<String>) -> Result<u64, Error> {
        let mut cleared = 0;
        for (limits, at) in self.named(name.as_deref())? {
            let limit = &limits[at];
            if limit.shared {
                let redis = self.redis()?;
                let keys = redis.list(limit, MOST_IN_REDIS).await.map_err(|_| away())?;
                cleared += redis.forget(limit, &keys).await.map_err(|_| away())?;
                continue;
            }
            let now = self.context.clock().now();
            let clear = tokio::task::spawn_blocking(move || {
                let limit = &limits[at];
                if limit.counted.ledger.is_none() {
                    return limit.counted.table.clear() as u64;
                }
                let all = limit.counted.list(usize::MAX, |_| true);
                all.iter().filter(|(key, _)| limit.counted.reset(key, &limit.algorithm, now)).count() as u64
            });
            cleared += clear.await.map_err(Error::internal)?;
        }
        Ok(cleared)
    }
}

fn away() -> Error {
    Error::new(ErrorKind::PluginFailed).with_code("limits_unavailable").with_detail("Redis does not answer")
}

fn store(limit: &Limit) -> &'static str {
    match (limit.shared, limit.settings.period) {
        (true, _) => "redis",
        (false, Some(_)) => "database",
        (false, None) => "memory",
    }
}

fn in_memory(limit: &Limit, most: usize, prefix: &str, now: std::time::Instant) -> Vec<Value> {
    let found = limit.counted.list(most, |key| prefix.is_empty() || limit.keys.show(key).starts_with(prefix));
    let time = limit.counted.time(&limit.algorithm, now);
    let show = |(key, mut cell): (Box<[u8]>, _)| {
        let verdict = limit.algorithm.take(&mut cell, time, 0, std::time::Duration::ZERO);
        bucket(limit, &key, &verdict)
    };
    found.into_iter().map(show).collect()
}

fn bucket(limit: &Limit, key: &[u8], verdict: &Verdict) -> Value {
    let limited = verdict.remaining == 0 && limit.mode != ModeName::Observe;
    json!({
        "key": limit.keys.show(key),
        "limit": &*limit.name,
        "scope": limit.scope,
        "tokens": verdict.remaining,
        "limited": limited,
        "resetAfter": whole_seconds(verdict.reset),
    })
}
