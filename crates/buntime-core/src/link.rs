//! One hook set in a chain: whose it is, where it stands, how it is called and measured.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crate::{
    breaker::Breaker,
    cx::Current,
    hooks::{Changes, HookSet, Hooks, Stage, Stages},
    kind::Kind,
    metadata::{Capability, PluginName},
    options::{Mode, OnError, Placement},
    stats::{HookBook, HookStats},
};

/// The time a hook may take unless configured otherwise.
pub const DEFAULT_HOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// The place of a hook set or plugin: smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct OrderKey {
    /// The coarsest part.
    pub placement: Placement,
    /// Lower first.
    pub priority: i32,
    /// Among equal priorities.
    pub order: i32,
    /// In the configuration.
    pub position: usize,
}

/// What all hook sets of one instance share: its name, breaker and last error.
#[derive(Debug)]
pub struct Member {
    /// The plugin.
    pub plugin: PluginName,
    /// What it may do.
    pub capabilities: BTreeSet<Capability>,
    /// Its breaker.
    pub breaker: Breaker,
    /// The measurements of the plugin's hooks.
    book: Arc<HookBook>,
    last_error: Mutex<Option<LastError>>,
}

/// The last failure of an instance's hooks.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LastError {
    /// In which stage.
    pub stage: Stage,
    /// What the log says too.
    pub message: String,
    /// When.
    #[serde(skip)]
    pub at: SystemTime,
}

impl Member {
    /// A member with a closed breaker.
    pub fn new(plugin: PluginName, capabilities: BTreeSet<Capability>, breaker: Breaker) -> Self {
        Self { plugin, capabilities, breaker, book: Arc::default(), last_error: Mutex::new(None) }
    }

    /// The same, measuring into a book that other members of the plugin share.
    #[must_use]
    pub fn measured_in(mut self, book: Arc<HookBook>) -> Self {
        self.book = book;
        self
    }

    /// Its last failure.
    pub fn last_error(&self) -> Option<LastError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_last_error(&self, stage: Stage, message: String, at: SystemTime) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(LastError { stage, message, at });
    }
}

/// One hook set in a chain.
pub struct Link<K: Kind> {
    /// The instance it belongs to.
    pub member: Arc<Member>,
    /// Its name.
    pub set: Cow<'static, str>,
    /// Its place.
    pub key: OrderKey,
    /// The stages it takes part in.
    pub stages: Stages,
    /// What it changes beyond heads.
    pub changes: Changes,
    /// Does it only look?
    pub observer: bool,
    /// How it runs beside its neighbours.
    pub mode: Mode,
    /// What a failing hook does.
    pub on_error: OnError,
    /// How long a hook may take.
    pub timeout: Duration,
    /// Its measurements.
    pub stats: Arc<HookStats>,
    pub(crate) hooks: Arc<dyn Hooks<K>>,
    pub(crate) fallback: Option<Arc<dyn Hooks<K>>>,
    pub(crate) auth_provider: bool,
}

impl<K: Kind> Link<K> {
    /// A link for a hook set of that member.
    pub fn new(member: Arc<Member>, set: HookSet<K>, key: OrderKey) -> Self {
        let stages = set.hooks.stages();
        let auth_provider = member.capabilities.contains(&Capability::AuthProvider);
        let stats = member.book.of(K::NAME, &set.name);
        Self {
            member,
            set: set.name,
            key: OrderKey { priority: set.priority.unwrap_or(key.priority), ..key },
            stages,
            changes: set.changes,
            observer: set.observer,
            mode: Mode::Sequential,
            on_error: OnError::Continue,
            timeout: DEFAULT_HOOK_TIMEOUT,
            stats,
            hooks: set.hooks,
            fallback: None,
            auth_provider,
        }
    }

    pub(crate) fn current(&self, index: usize) -> Current {
        Current { index, auth_provider: self.auth_provider }
    }

    /// Does it change what only one of a parallel batch may?
    pub(crate) fn exclusive(&self) -> bool {
        self.changes.any() || self.auth_provider
    }
}

impl<K: Kind> Clone for Link<K> {
    fn clone(&self) -> Self {
        Self {
            member: self.member.clone(),
            set: self.set.clone(),
            key: self.key,
            stages: self.stages,
            changes: self.changes,
            observer: self.observer,
            mode: self.mode,
            on_error: self.on_error.clone(),
            timeout: self.timeout,
            stats: self.stats.clone(),
            hooks: self.hooks.clone(),
            fallback: self.fallback.clone(),
            auth_provider: self.auth_provider,
        }
    }
}

impl<K: Kind> fmt::Debug for Link<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("plugin", &self.member.plugin)
            .field("set", &self.set)
            .field("key", &self.key)
            .field("stages", &self.stages)
            .finish_non_exhaustive()
    }
}
