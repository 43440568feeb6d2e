//! What an operator sees of all instances together.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};

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

/// Every instance there is, for as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Vec<Weak<Plan>>>);

impl Desk {
    pub(crate) fn enlist(&self, plan: &Arc<Plan>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(plan));
    }

    pub(crate) fn stats(&self) -> Value {
        let known: Vec<Arc<Plan>> = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().rev().filter_map(Weak::upgrade).collect()
        };
        // What came last is in force; one that is on its way out may still be there.
        let mut plans: Vec<Arc<Plan>> = Vec::with_capacity(known.len());
        for plan in known {
            if !plans.iter().any(|other| other.scope == plan.scope) {
                plans.push(plan);
            }
        }
        plans.sort_by(|a, b| a.scope.cmp(&b.scope));
        let total =
            |of: fn(&Figures) -> &AtomicU64| plans.iter().map(|plan| of(&plan.figures).load(Relaxed)).sum::<u64>();
        json!({
            "inspected": total(|figures| &figures.inspected),
            "blocked": total(|figures| &figures.blocked),
            "skipped": total(|figures| &figures.skipped),
            "scopes": plans.iter().map(|plan| shown(plan)).collect::<Vec<_>>(),
        })
    }
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
