//! What an operator sees of all instances together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use buntime_core::Roster;
use serde_json::{Map, Value, json};

use crate::{
    answer::Failure,
    plan::{Live, Plan},
};

/// Words of failures.
const WORDS: [&str; 8] =
    ["timeout", "blocked", "unreachable", "status", "too_large", "no_json", "unsendable", "circuit_open"];

/// How often a call did what. Outlives instances.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) calls: AtomicU64,
    pub(crate) hits: AtomicU64,
    pub(crate) shared: AtomicU64,
    pub(crate) stopped: AtomicU64,
    pub(crate) noted: AtomicU64,
    failed: [AtomicU64; WORDS.len()],
}

impl Figures {
    pub(crate) fn fail(&self, failure: Failure) {
        let found = WORDS.iter().position(|word| *word == failure.word()).and_then(|at| self.failed.get(at));
        if let Some(count) = found {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// Figures of every call.
pub(crate) fn stats(roster: &Roster<Plan>) -> Value {
    let plans = roster.list();
    let scopes = plans.iter().map(|(scope, plan)| {
        let calls: Vec<Value> = plan.calls.iter().map(|live| shown(live)).collect();
        json!({ "scope": scope, "calls": calls })
    });
    json!({ "scopes": scopes.collect::<Vec<_>>() })
}

fn shown(live: &Live) -> Value {
    let figures = &live.figures;
    let of = |count: &AtomicU64| count.load(Relaxed);
    let failed: Map<String, Value> =
        WORDS.iter().zip(&figures.failed).map(|(word, count)| ((*word).to_owned(), of(count).into())).collect();
    let cache = live.answers.as_ref().map(|answers| {
        let (entries, bytes) = answers.size();
        json!({ "entries": entries, "bytes": bytes })
    });
    json!({
        "name": live.call.name,
        "circuit": live.circuit.state(),
        "calls": of(&figures.calls), "hits": of(&figures.hits), "shared": of(&figures.shared),
        "stopped": of(&figures.stopped), "noted": of(&figures.noted),
        "failed": figures.failed.iter().map(of).sum::<u64>(), "failedBy": failed,
        "cache": cache,
    })
}
