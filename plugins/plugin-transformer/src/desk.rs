//! What an operator sees of all instances together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use buntime_core::Roster;
use serde_json::{Value, json};

use crate::{config::OnFailure, failure::Side, plan::Plan};

/// How often rules of a scope did what. Outlives instances.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    requests: AtomicU64,
    responses: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
}

impl Figures {
    /// A rule changed a message.
    pub(crate) fn applied(&self, side: Side) {
        let count = if side == Side::Request { &self.requests } else { &self.responses };
        count.fetch_add(1, Relaxed);
    }

    /// A rule could not.
    pub(crate) fn failed(&self, then: OnFailure) {
        let count = if then == OnFailure::Fail { &self.failed } else { &self.skipped };
        count.fetch_add(1, Relaxed);
    }
}

/// Figures of every scope, and of all together.
pub(crate) fn stats(roster: &Roster<Plan>) -> Value {
    let plans = roster.list();
    let total =
        |of: fn(&Figures) -> &AtomicU64| plans.iter().map(|(_, plan)| of(&plan.figures).load(Relaxed)).sum::<u64>();
    json!({
        "requests": total(|figures| &figures.requests),
        "responses": total(|figures| &figures.responses),
        "failed": total(|figures| &figures.failed),
        "skipped": total(|figures| &figures.skipped),
        "scopes": plans.iter().map(|(_, plan)| shown(plan)).collect::<Vec<_>>(),
    })
}

fn shown(plan: &Plan) -> Value {
    let figures = &plan.figures;
    json!({
        "scope": plan.scope,
        "rules": plan.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(),
        "requests": figures.requests.load(Relaxed),
        "responses": figures.responses.load(Relaxed),
        "failed": figures.failed.load(Relaxed),
        "skipped": figures.skipped.load(Relaxed),
    })
}
