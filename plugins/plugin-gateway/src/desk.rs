//! What an operator sees of all instances together: their limits, how requests ended, and the last of them.

use std::{
    collections::{HashSet, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU16, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use buntime_core::Scope;
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cache::plan::Inner,
    limits::limit::{Limit, seconds},
    log::{
        REMEMBERED,
        ring::Ring,
        tally::{Tally, micros, milliseconds},
    },
};

/// How much of a path is remembered.
const LONGEST_PATH: usize = 256;

/// See the module.
pub(crate) struct Desk {
    rosters: Mutex<Vec<Weak<[Limit]>>>,
    caches: Mutex<Vec<(Scope, Weak<Inner>)>>,
    refusals: Mutex<VecDeque<Arc<Refusal>>>,
    refused: AtomicU64,
    observed: AtomicU64,
    /// How all requests ended.
    pub(crate) tally: Tally,
    /// The last of them that were over no limit.
    pub(crate) seen: Ring,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            rosters: Mutex::default(),
            caches: Mutex::default(),
            refusals: Mutex::default(),
            refused: AtomicU64::new(0),
            observed: AtomicU64::new(0),
            tally: Tally::default(),
            seen: Ring::new(REMEMBERED),
        }
    }
}

/// A limit: its position in what it is found in.
pub(crate) type Found = (Arc<[Limit]>, usize);

/// A request that was over a limit.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) time: SystemTime,
    pub(crate) limit: Arc<str>,
    pub(crate) scope: Scope,
    pub(crate) key: String,
    pub(crate) ip: IpAddr,
    pub(crate) method: Method,
    pub(crate) path: Box<str>,
    pub(crate) request_id: HeaderValue,
    pub(crate) consumer: Option<Arc<str>>,
    pub(crate) route: Option<Arc<str>>,
    /// Was it let through all the same?
    pub(crate) observed: bool,
    pub(crate) retry: Duration,
    pub(crate) end: End,
}

/// How a request that was over a limit ended; nothing until it has.
#[derive(Debug, Default)]
pub(crate) struct End {
    status: AtomicU16,
    micros: AtomicU64,
}

impl Refusal {
    /// It was answered.
    pub(crate) fn ended(&self, status: u16, took: Duration) {
        self.end.micros.store(micros(took), Relaxed);
        self.end.status.store(status, Relaxed);
    }

    /// What was answered; 0 if nothing was yet.
    pub(crate) fn status(&self) -> u16 {
        self.end.status.load(Relaxed)
    }

    /// As much of a path as is remembered.
    pub(crate) fn path(path: &str) -> Box<str> {
        let mut end = path.len().min(LONGEST_PATH);
        while !path.is_char_boundary(end) {
            end -= 1;
        }
        path[..end].into()
    }

    pub(crate) fn show(&self) -> Value {
        let status = Some(self.status()).filter(|status| *status > 0);
        json!({
            "timestamp": OffsetDateTime::from(self.time).format(&Rfc3339).unwrap_or_default(),
            "limit": &*self.limit,
            "scope": self.scope,
            "key": self.key,
            "ip": self.ip,
            "method": self.method.as_str(),
            "path": &*self.path,
            "status": status,
            "duration": status.map(|_| milliseconds(self.end.micros.load(Relaxed))),
            "requestId": self.request_id.to_str().unwrap_or_default(),
            "consumer": self.consumer.as_deref(),
            "route": self.route.as_deref(),
            "rateLimited": !self.observed,
            "observed": self.observed,
            "retryAfter": if self.observed { 0 } else { seconds(self.retry) },
        })
    }
}

impl Desk {
    /// The limits of an instance, for as long as it lives.
    pub(crate) fn enlist(&self, limits: &Arc<[Limit]>) {
        let mut rosters = self.rosters.lock().unwrap_or_else(PoisonError::into_inner);
        rosters.retain(|roster| roster.strong_count() > 0);
        rosters.push(Arc::downgrade(limits));
    }

    /// The cache of a level, for as long as it is used.
    pub(crate) fn enlist_cache(&self, scope: &Scope, cache: &Arc<Inner>) {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|(_, known)| known.strong_count() > 0);
        caches.push((scope.clone(), Arc::downgrade(cache)));
    }

    /// Every cache there is, once, and the level that configured it.
    pub(crate) fn caches(&self) -> Vec<(Scope, Arc<Inner>)> {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<(Scope, Arc<Inner>)> = Vec::new();
        // What came last is in force; instances of one level share a store.
        for (scope, cache) in caches.iter().rev() {
            let Some(cache) = cache.upgrade() else { continue };
            if !found.iter().any(|(_, known)| Arc::ptr_eq(&known.store, &cache.store)) {
                found.push((scope.clone(), cache));
            }
        }
        found
    }

    /// Every limit there is, once, with its position in what it is found in.
    pub(crate) fn limits(&self) -> Vec<Found> {
        let rosters: Vec<Arc<[Limit]>> = {
            let rosters = self.rosters.lock().unwrap_or_else(PoisonError::into_inner);
            rosters.iter().filter_map(Weak::upgrade).collect()
        };
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        // What came last is in force; an instance that is on its way out may still be there.
        for roster in rosters.into_iter().rev() {
            for (at, limit) in roster.iter().enumerate() {
                if seen.insert(Arc::as_ptr(&limit.counted)) {
                    found.push((roster.clone(), at));
                }
            }
        }
        found.sort_by(|(a, i), (b, j)| (&a[*i].scope, &a[*i].name).cmp(&(&b[*j].scope, &b[*j].name)));
        found
    }

    /// Remembers a request that was over a limit.
    pub(crate) fn refused(&self, refusal: Arc<Refusal>) {
        let count = if refusal.observed { &self.observed } else { &self.refused };
        count.fetch_add(1, Relaxed);
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() >= REMEMBERED {
            refusals.pop_front();
        }
        refusals.push_back(refusal);
    }

    /// How many were refused, and how many were over a limit and let through; forgotten ones too.
    pub(crate) fn over(&self) -> (u64, u64) {
        (self.refused.load(Relaxed), self.observed.load(Relaxed))
    }

    /// Those remembered that pass, the newest first, at most so many.
    pub(crate) fn refusals(&self, most: usize, passes: impl Fn(&Refusal) -> bool) -> Vec<Arc<Refusal>> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.iter().rev().filter(|refusal| passes(refusal)).take(most).cloned().collect()
    }

    /// How many requests are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).len() + self.seen.len()
    }

    /// Forgets all requests; says how many.
    pub(crate) fn forget(&self) -> usize {
        let refusals = std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner));
        refusals.len() + self.seen.clear()
    }
}
