//! What an operator sees of all instances together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use buntime_core::Roster;
use serde_json::{Value, json};

use crate::plan::Plan;

/// How often a rule found something. Outlives instances.
#[derive(Debug, Default)]
pub(crate) struct RuleFigures {
    /// Matches.
    pub(crate) matches: AtomicU64,
    /// Bodies with at least one.
    pub(crate) bodies: AtomicU64,
}

/// How many bodies of a scope came to what. Outlives instances.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) inspected: AtomicU64,
    pub(crate) blocked: AtomicU64,
    /// Text that was packed and passed as it is.
    pub(crate) skipped: AtomicU64,
}

/// Figures of every scope, and of all together.
pub(crate) fn stats(roster: &Roster<Plan>) -> Value {
    let plans = roster.list();
    let total =
        |of: fn(&Figures) -> &AtomicU64| plans.iter().map(|(_, plan)| of(&plan.figures).load(Relaxed)).sum::<u64>();
    json!({
        "inspected": total(|figures| &figures.inspected),
        "blocked": total(|figures| &figures.blocked),
        "skipped": total(|figures| &figures.skipped),
        "scopes": plans.iter().map(|(_, plan)| shown(plan)).collect::<Vec<_>>(),
    })
}

fn shown(plan: &Plan) -> Value {
    let rules = plan.rules.iter().map(|rule| {
        json!({
            "name": &*rule.name,
            "on": rule.on,
            "action": rule.action,
            "matches": rule.figures.matches.load(Relaxed),
            "bodies": rule.figures.bodies.load(Relaxed),
        })
    });
    json!({
        "scope": plan.scope,
        "inspected": plan.figures.inspected.load(Relaxed),
        "blocked": plan.figures.blocked.load(Relaxed),
        "skipped": plan.figures.skipped.load(Relaxed),
        "rules": rules.collect::<Vec<_>>(),
    })
}
