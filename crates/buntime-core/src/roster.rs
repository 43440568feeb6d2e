//! The instances of a plugin, for as long as they live: what an operator's page shows of all scopes together.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::scope::Scope;

/// What instances have in common, by scope. Kept with [`PluginContext::keep_at`](crate::PluginContext::keep_at) at the
/// gateway, so that every instance finds the same one; it keeps no instance alive.
pub struct Roster<T>(Mutex<Vec<(Scope, Weak<T>)>>);

impl<T> Roster<T> {
    /// Adds one.
    pub fn enlist(&self, scope: &Scope, one: &Arc<T>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, known)| known.strong_count() > 0);
        all.push((scope.clone(), Arc::downgrade(one)));
    }

    /// One of each scope, the general scopes first. What came last is in force: one that is on its way out, with
    /// exchanges that are still under way, is not shown.
    pub fn list(&self) -> Vec<(Scope, Arc<T>)> {
        let known: Vec<(Scope, Arc<T>)> = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().rev().filter_map(|(scope, one)| Some((scope.clone(), one.upgrade()?))).collect()
        };
        let mut found: Vec<(Scope, Arc<T>)> = Vec::with_capacity(known.len());
        for (scope, one) in known {
            if !found.iter().any(|(other, _)| *other == scope) {
                found.push((scope, one));
            }
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    }
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Roster<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_last_is_shown_while_it_lives() {
        let roster = Roster::default();
        let (first, second) = (Arc::new(1), Arc::new(2));
        roster.enlist(&Scope::Gateway, &first);
        roster.enlist(&Scope::Gateway, &second);
        assert_eq!(roster.list(), [(Scope::Gateway, Arc::new(2))]);
        drop(second);
        assert_eq!(roster.list(), [(Scope::Gateway, Arc::new(1))]);
        drop(first);
        assert_eq!(roster.list(), []);
    }
}
