//! What an operator sees of all instances together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use buntime_core::Roster;
use serde_json::{Map, Value, json};

use crate::plan::Plan;

/// Statuses of refusals.
const STATUSES: [u16; 6] = [400, 408, 413, 414, 415, 431];

/// How many requests of a scope came to what. Outlives instances.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) passed: AtomicU64,
    pub(crate) observed: AtomicU64,
    refused: [AtomicU64; STATUSES.len()],
}

impl Figures {
    pub(crate) fn refuse(&self, status: u16) {
        let found = STATUSES.iter().position(|known| *known == status).and_then(|at| self.refused.get(at));
        if let Some(count) = found {
            count.fetch_add(1, Relaxed);
        }
    }

    fn refused(&self) -> u64 {
        self.refused.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// Figures of every scope, and of all together.
pub(crate) fn stats(roster: &Roster<Plan>) -> Value {
    let plans = roster.list();
    let total = |of: fn(&Figures) -> u64| plans.iter().map(|(_, plan)| of(&plan.figures)).sum::<u64>();
    json!({
        "passed": total(|figures| figures.passed.load(Relaxed)),
        "refused": total(Figures::refused),
        "observed": total(|figures| figures.observed.load(Relaxed)),
        "scopes": plans.iter().map(|(_, plan)| shown(plan)).collect::<Vec<_>>(),
    })
}

fn shown(plan: &Plan) -> Value {
    let figures = &plan.figures;
    let by_status = STATUSES.iter().zip(&figures.refused);
    let by_status: Map<String, Value> =
        by_status.map(|(status, count)| (status.to_string(), count.load(Relaxed).into())).collect();
    json!({
        "scope": plan.scope,
        "mode": plan.mode,
        "rules": plan.rules.len(),
        "passed": figures.passed.load(Relaxed),
        "refused": figures.refused(),
        "refusedByStatus": by_status,
        "observed": figures.observed.load(Relaxed),
    })
}
