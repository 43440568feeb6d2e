//! What an operator sees of all instances together.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use serde_json::{Value, json};

use crate::hooks::Restriction;

/// How many requests of a scope came to what. Outlives instances.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) allowed: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) observed: AtomicU64,
}

/// Every instance there is, for as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Vec<Weak<Restriction>>>);

impl Desk {
    pub(crate) fn enlist(&self, restriction: &Arc<Restriction>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(restriction));
    }

    /// One of each scope: what came last is in force; one that is on its way out may still be there.
    fn all(&self) -> Vec<Arc<Restriction>> {
        let known: Vec<Arc<Restriction>> = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().rev().filter_map(Weak::upgrade).collect()
        };
        let mut found: Vec<Arc<Restriction>> = Vec::with_capacity(known.len());
        for one in known {
            if !found.iter().any(|other| other.scope == one.scope) {
                found.push(one);
            }
        }
        found.sort_by(|a, b| a.scope.cmp(&b.scope));
        found
    }

    pub(crate) fn stats(&self) -> Value {
        let all = self.all();
        let total = |of: fn(&Figures) -> &AtomicU64| all.iter().map(|one| of(&one.figures).load(Relaxed)).sum::<u64>();
        json!({
            "allowed": total(|figures| &figures.allowed),
            "denied": total(|figures| &figures.denied),
            "observed": total(|figures| &figures.observed),
            "scopes": all.iter().map(|one| shown(one)).collect::<Vec<_>>(),
        })
    }

    /// What each scope says to an address.
    pub(crate) fn judge(&self, address: IpAddr) -> Value {
        let said =
            |one: &Arc<Restriction>| json!({ "scope": one.scope, "mode": one.mode, "verdict": one.verdict(address) });
        json!({ "ip": address.to_canonical(), "scopes": self.all().iter().map(said).collect::<Vec<_>>() })
    }
}

fn shown(one: &Restriction) -> Value {
    json!({
        "scope": one.scope,
        "mode": one.mode,
        "allowEntries": one.allow_entries,
        "denyEntries": one.deny_entries,
        "allowed": one.figures.allowed.load(Relaxed),
        "denied": one.figures.denied.load(Relaxed),
        "observed": one.figures.observed.load(Relaxed),
    })
}
