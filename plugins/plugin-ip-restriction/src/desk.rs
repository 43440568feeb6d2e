//! What an operator sees of all instances together.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use buntime_core::{Roster, Scope};
use serde_json::{Value, json};

use crate::hooks::Restriction;

/// How many requests of a scope came to what. Outlives instances.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) allowed: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) observed: AtomicU64,
}

/// Figures of every scope, and of all together.
pub(crate) fn stats(roster: &Roster<Restriction>) -> Value {
    let all = roster.list();
    let total = |of: fn(&Figures) -> &AtomicU64| all.iter().map(|(_, one)| of(&one.figures).load(Relaxed)).sum::<u64>();
    json!({
        "allowed": total(|figures| &figures.allowed),
        "denied": total(|figures| &figures.denied),
        "observed": total(|figures| &figures.observed),
        "scopes": all.iter().map(|(_, one)| shown(one)).collect::<Vec<_>>(),
    })
}

/// What each scope says to an address.
pub(crate) fn judge(roster: &Roster<Restriction>, address: IpAddr) -> Value {
    let said = |(scope, one): &(Scope, Arc<Restriction>)| json!({ "scope": scope, "mode": one.mode, "verdict": one.verdict(address) });
    json!({ "ip": address.to_canonical(), "scopes": roster.list().iter().map(said).collect::<Vec<_>>() })
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
