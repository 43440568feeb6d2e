//! What the settings of one scope say, and what lasts beyond an exchange.

use std::{sync::Arc, time::Duration};

use buntime_core::Clock;
use buntime_router::PathPattern;
use http::HeaderName;

use super::{policy::Rules, store::Store, tier::Tier};
use crate::config::KeyBy;

/// What the settings of one scope say.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rules: Rules,
    pub(crate) get: bool,
    pub(crate) head: bool,
    pub(crate) exclude: Vec<PathPattern>,
    pub(crate) vary_by: Vec<KeyBy>,
    pub(crate) max_entry: usize,
    pub(crate) tag_headers: Vec<HeaderName>,
    pub(crate) tags: Vec<String>,
    /// How long a request waits for another, and how many do; `None`: they do not.
    pub(crate) collapse: Option<(Duration, usize)>,
}

/// What lasts beyond an exchange.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) plan: Plan,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    /// What other nodes share.
    pub(crate) tier: Option<Arc<Tier>>,
}

/// The last to use a store empties it: it is kept for as long as the level lists the plugin, which may be without a cache.
impl Drop for Inner {
    fn drop(&mut self) {
        if Arc::strong_count(&self.store) <= 2 {
            self.store.clear();
        }
    }
}
