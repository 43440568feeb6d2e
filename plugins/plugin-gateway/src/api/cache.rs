//! What is cached, and what an operator no longer wants to be.

use axum::{Json, extract::State};
use buntime_core::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, Query, malformed};
use crate::cache::{
    entry::Stored,
    invalidate::{Meant, What, spelled},
    key::Key,
    plan::Inner,
    store::Snapshot,
};

/// Most entries of one answer.
const MOST_ENTRIES: usize = 1_000;

impl Api {
    /// Every store with its figures.
    pub(super) fn caches(&self) -> Vec<Value> {
        let show = |(scope, cache): (buntime_core::Scope, std::sync::Arc<Inner>)| {
            let redis = cache.tier.as_ref().map(|tier| json!({ "connected": tier.is_there() }));
            json!({ "scope": scope, "figures": cache.store.snapshot(), "redis": redis })
        };
        self.desk.caches().into_iter().map(show).collect()
    }

    /// The figures of all stores together; `null` if there is none.
    pub(super) fn cache_totals(&self) -> Value {
        let caches = self.desk.caches();
        if caches.is_empty() {
            return Value::Null;
        }
        let mut sum = Snapshot::default();
        for (_, cache) in caches {
            sum.add(&cache.store.snapshot());
        }
        json!(sum)
    }
}

pub(super) async fn figures(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "totals": api.cache_totals(), "caches": api.caches() }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WhichEntries {
    limit: Option<usize>,
    prefix: Option<String>,
}

pub(super) async fn entries(State(api): State<Api>, Query(which): Query<WhichEntries>) -> Result<Json<Value>, Error> {
    let most = which.limit.unwrap_or(100);
    if !(1..=MOST_ENTRIES).contains(&most) {
        return Err(malformed(format!("`limit` is a number from 1 to {MOST_ENTRIES}")));
    }
    let (caches, now) = (api.desk.caches(), api.context.clock().now());
    // Looking at many entries takes a while: not on a thread that serves requests.
    let read = tokio::task::spawn_blocking(move || {
        let mut shown = Vec::new();
        for (scope, cache) in caches {
            let is_meant = |key: &Key| {
                which.prefix.as_ref().is_none_or(|prefix| spelled(key, prefix).starts_with(prefix.as_str()))
            };
            for (key, variants) in cache.store.list(most.saturating_sub(shown.len()), is_meant) {
                shown.extend(variants.iter().map(|stored| show(&key, stored, &scope, now)));
            }
        }
        shown.truncate(most);
        shown
    });
    Ok(Json(Value::Array(read.await.map_err(Error::internal)?)))
}

fn show(key: &Key, stored: &Stored, scope: &buntime_core::Scope, now: std::time::Instant) -> Value {
    let age = stored.age(now);
    let lifetime = i64::try_from(stored.life.lifetime.as_secs()).unwrap_or(i64::MAX);
    json!({
        "key": key.show(),
        "scope": scope,
        "route": stored.variant.route.as_deref(),
        // What they said may be secret.
        "vary": stored.variant.fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        "status": stored.status.as_u16(),
        "bytes": stored.weight,
        "age": age.as_secs(),
        "ttl": lifetime.saturating_sub_unsigned(age.as_secs()),
        "tags": stored.tags,
    })
}

pub(super) async fn invalidate(State(api): State<Api>, body: axum::body::Bytes) -> Result<Json<Value>, Error> {
    let what: What = if body.trim_ascii().is_empty() {
        What::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?
    };
    let caches = api.desk.caches();
    if caches.is_empty() {
        return Err(Error::new(ErrorKind::Malformed).with_detail("Cache not enabled"));
    }
    let meant = Meant::new(&what).map_err(|error| malformed(format!("`pattern`: {error}")))?;
    let (all, now) = (meant.is_all(), api.context.clock().now());
    let tiers: Vec<_> = caches.iter().filter_map(|(_, cache)| cache.tier.clone()).collect();
    let sweep = move || {
        let sweep = |cache: &Inner| cache.store.sweep(now, |key, stored| meant.has(key, &stored.tags));
        caches.iter().map(|(_, cache)| sweep(cache)).sum::<u64>()
    };
    let invalidated = tokio::task::spawn_blocking(sweep).await.map_err(Error::internal)?;
    for tier in tiers {
        tier.sweep(&what).await;
    }
    Ok(Json(json!({ "invalidated": if all { json!("all") } else { json!(invalidated) } })))
}
