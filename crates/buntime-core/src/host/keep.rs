//! State that outlives instances, so that a reload does not lose it.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{metadata::PluginName, scope::Scope};

/// The plugin, the level that configured it, the key the plugin gave, the type.
pub(crate) type KeepKey = (PluginName, Scope, String, TypeId);

/// See the module. Clones share.
#[derive(Clone, Default)]
pub(crate) struct Keep(Arc<Mutex<HashMap<KeepKey, Arc<dyn Any + Send + Sync>>>>);

impl Keep {
    pub(crate) fn get<T: Send + Sync + 'static>(&self, key: KeepKey, make: impl FnOnce() -> T) -> Arc<T> {
        let state = self.kept().entry(key).or_insert_with(|| Arc::new(make())).clone();
        match state.downcast() {
            Ok(state) => state,
            Err(_) => unreachable!("kept state is keyed by its type"),
        }
    }

    /// Forgets the state of scopes that are no longer configured.
    pub(crate) fn forget_others(&self, configured: impl Fn(&PluginName, &Scope) -> bool) {
        self.kept().retain(|(plugin, scope, ..), _| configured(plugin, scope));
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<KeepKey, Arc<dyn Any + Send + Sync>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
