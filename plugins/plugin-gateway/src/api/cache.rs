//! What is cached, and what an operator no longer wants to be.

use axum::{Json, extract::State};
use buntime_core::{Error, ErrorKind};
use buntime_router::PathPattern;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, Query, malformed};
use crate::cache::{entry::Stored, key::Key, store::Snapshot};

/// Most entries of one answer.
const MOST_ENTRIES: usize = 1_000;

impl Api {
    /// Every store with its figures.
    pub(super) fn caches(&self) -> Vec<Value> {
        let show = |(scope, store): (buntime_core::Scope, std::sync::Arc<crate::cache::store::Store>)| json!({ "scope": scope, "figures": store.snapshot() });
        self.desk.caches().into_iter().map(show).collect()
    }

    /// The figures of all stores together; `null` if there is none.
    pub(super) fn cache_totals(&self) -> Value {
        let caches = self.desk.caches();
        if caches.is_empty() {
            return Value::Null;
        }
        let mut sum = Snapshot::default();
        for (_, store) in caches {
            sum.add(&store.snapshot());
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
        for (scope, store) in caches {
            let is_meant = |key: &Key| {
                which.prefix.as_ref().is_none_or(|prefix| spelled(key, prefix).starts_with(prefix.as_str()))
            };
            for (key, variants) in store.list(most.saturating_sub(shown.len()), is_meant) {
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

/// What is to be invalidated: all that is said must be so; nothing said is everything.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct What {
    key: Option<String>,
    prefix: Option<String>,
    pattern: Option<String>,
    tag: Option<String>,
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
    let meant = Meant::new(what)?;
    let (all, now) = (meant.is_all(), api.context.clock().now());
    let swept = tokio::task::spawn_blocking(move || {
        caches.iter().map(|(_, store)| store.sweep(now, |key, stored| meant.has(key, &stored.tags))).sum::<u64>()
    });
    let invalidated = swept.await.map_err(Error::internal)?;
    Ok(Json(json!({ "invalidated": if all { json!("all") } else { json!(invalidated) } })))
}

/// [`What`], ready to compare.
#[derive(Debug, Default)]
struct Meant {
    key: Option<String>,
    prefix: Option<String>,
    pattern: Option<PathPattern>,
    tag: Option<String>,
}

impl Meant {
    fn new(what: What) -> Result<Self, Error> {
        let pattern = what.pattern.as_deref().map(PathPattern::new).transpose();
        let pattern = pattern.map_err(|error| malformed(format!("`pattern`: {error}")))?;
        // As the original wrote its keys.
        let plain =
            |text: Option<String>| text.map(|text| text.strip_prefix("GET:").map_or(text.clone(), str::to_owned));
        Ok(Self { key: plain(what.key), prefix: plain(what.prefix), pattern, tag: what.tag })
    }

    fn is_all(&self) -> bool {
        self.key.is_none() && self.prefix.is_none() && self.pattern.is_none() && self.tag.is_none()
    }

    fn has(&self, key: &Key, tags: &[Box<str>]) -> bool {
        self.key.as_ref().is_none_or(|text| spelled(key, text) == *text)
            && self.prefix.as_ref().is_none_or(|text| spelled(key, text).starts_with(text.as_str()))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(key.path()))
            && self.tag.as_ref().is_none_or(|tag| tags.iter().any(|one| **one == **tag))
    }
}

/// The key as that text spells keys: with its scheme, with its host, or from the path on.
fn spelled<'k>(key: &'k Key, text: &str) -> std::borrow::Cow<'k, str> {
    if text.starts_with('/') {
        (&*key.target).into()
    } else if text.contains("://") {
        key.show().into()
    } else {
        format!("{}{}", key.host, key.target).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelled_in_three_ways() {
        let key = Key { scheme: "http", host: "a.example".into(), target: "/x/y?z=1".into() };
        let has = |what: Value| {
            let what: What = serde_json::from_value(what).unwrap();
            Meant::new(what).unwrap().has(&key, &["blue".into()])
        };
        for what in [
            json!({ "key": "/x/y?z=1" }),
            json!({ "key": "GET:/x/y?z=1" }),
            json!({ "key": "a.example/x/y?z=1" }),
            json!({ "key": "http://a.example/x/y?z=1" }),
            json!({ "prefix": "/x" }),
            json!({ "prefix": "a.ex" }),
            json!({ "pattern": "/x/*" }),
            json!({ "pattern": "^/x/[a-z]$" }),
            json!({ "tag": "blue" }),
            json!({ "tag": "blue", "prefix": "/x/" }),
            json!({}),
        ] {
            assert!(has(what.clone()), "{what}");
        }
        for what in [
            json!({ "key": "/x/y" }),
            json!({ "key": "b.example/x/y?z=1" }),
            json!({ "prefix": "/y" }),
            json!({ "pattern": "/x" }),
            json!({ "tag": "red" }),
            json!({ "tag": "blue", "prefix": "/y" }),
        ] {
            assert!(!has(what.clone()), "{what}");
        }
        assert!(Meant::new(What { pattern: Some("x".to_owned()), ..What::default() }).is_err());
    }
}
