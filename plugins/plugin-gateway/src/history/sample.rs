//! What one sample says.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{desk::Desk, limits::time::of_day, log::tally::Ends};

/// All that was counted since the program began.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    ends: Ends,
    allowed: u64,
    refused: u64,
    observed: u64,
    uncounted: u64,
    keys: u64,
    hits: u64,
    misses: u64,
}

impl Totals {
    pub(super) fn of(desk: &Desk) -> Self {
        let mut totals = Self { ends: desk.tally.read(), ..Self::default() };
        for (limits, at) in desk.limits() {
            let counted = &limits[at].counted;
            let figures = counted.figures.snapshot();
            totals.allowed += figures.allowed;
            totals.refused += figures.refused;
            totals.observed += figures.observed;
            totals.uncounted += figures.uncounted;
            totals.keys += counted.table.len() as u64;
        }
        for (_, cache) in desk.caches() {
            let figures = cache.store.snapshot();
            totals.hits += figures.hits;
            totals.misses += figures.misses;
        }
        totals
    }
}

/// Figures of one interval, and what there was in all at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Sample {
    /// Its end, in milliseconds since 1970.
    pub(crate) at: i64,
    total_requests: u64,
    allowed_requests: u64,
    blocked_requests: u64,
    active_buckets: u64,
    /// Requests that ended in it.
    pub(crate) requests: u64,
    classes: [u64; 5],
    /// Milliseconds to the head of an answer, on average.
    average: Option<f64>,
    pub(crate) allowed: u64,
    pub(crate) blocked: u64,
    observed: u64,
    hits: u64,
    misses: u64,
}

impl Sample {
    /// What happened between two readings.
    pub(super) fn between(before: &Totals, now: &Totals, wall: SystemTime) -> Self {
        let ends = now.ends.since(&before.ends);
        Self {
            at: i64::try_from(of_day(wall) / 1_000_000).unwrap_or(i64::MAX),
            total_requests: now.allowed + now.refused + now.observed + now.uncounted,
            allowed_requests: now.allowed,
            blocked_requests: now.refused,
            active_buckets: now.keys,
            requests: ends.total,
            classes: ends.classes,
            average: ends.average(),
            // A level that is gone took its figures along.
            allowed: now.allowed.saturating_sub(before.allowed),
            blocked: now.refused.saturating_sub(before.refused),
            observed: now.observed.saturating_sub(before.observed),
            hits: now.hits.saturating_sub(before.hits),
            misses: now.misses.saturating_sub(before.misses),
        }
    }

    /// As the API has it.
    pub(crate) fn show(&self) -> Value {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.at) * 1_000_000);
        let ends = Ends { total: self.requests, classes: self.classes, micros: 0 };
        json!({
            "timestamp": time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default(),
            "totalRequests": self.total_requests,
            "allowedRequests": self.allowed_requests,
            "blockedRequests": self.blocked_requests,
            "activeBuckets": self.active_buckets,
            "interval": {
                "requests": self.requests,
                "byStatus": ends.by_status(),
                "avgDuration": self.average,
                "allowed": self.allowed,
                "blocked": self.blocked,
                "observed": self.observed,
                "cacheHits": self.hits,
                "cacheMisses": self.misses,
            },
        })
    }
}
