//! A plugin with settings to be merged and state to be counted, for the tests of scopes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use axum::body::Body;
use buntime_core::{
    BoxError, Capability, Cx, HookSet, Hooks, Http, Metadata, Plugin, PluginContext, Pre, Settings, SettingsSpec,
    Stages, Startup, Step,
};
use buntime_testing::Journal;
use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A limiter for tests: counts for each of its entries, where the entry was configured.
#[derive(Clone)]
pub(crate) struct Limit {
    pub(crate) journal: Journal,
    /// Does not start for groups and consumers.
    pub(crate) fails: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitSettings {
    #[serde(default)]
    limits: Vec<LimitEntry>,
    /// Needed, by some level or other.
    kind: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitEntry {
    name: String,
    max: u64,
}

impl Settings for LimitSettings {}

#[async_trait]
impl Plugin for Limit {
    fn metadata(&self) -> Metadata {
        Metadata::new("limit", "1.0.0").with_capabilities([Capability::Middleware]).with_priority(15).refusing()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<LimitSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: LimitSettings = startup.settings()?;
        self.journal.note(format!("limit.startup({})", startup.scope()));
        if self.fails && startup.scope().is_of_consumers() {
            return Err("told to fail".into());
        }
        let counters = settings.limits.iter().map(|limit| {
            let origin = startup.origin(&format!("/limits/{}", limit.name)).clone();
            (limit.max, startup.keep_at(&origin, &limit.name, || AtomicU64::new(0)))
        });
        startup.hooks(HookSet::new("limit", Limiter { counters: counters.collect(), kind: settings.kind }));
        startup.hooks(HookSet::new("last", Limiter { counters: Vec::new(), kind: String::new() }).at(30));
        Ok(())
    }

    async fn shutdown(&self, context: &PluginContext) -> Result<(), BoxError> {
        self.journal.note(format!("limit.shutdown({})", context.scope()));
        Ok(())
    }
}

struct Limiter {
    counters: Vec<(u64, Arc<AtomicU64>)>,
    kind: String,
}

impl Hooks<Http> for Limiter {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, _: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let over = |(max, counter): &(u64, Arc<AtomicU64>)| counter.fetch_add(1, Ordering::SeqCst) >= *max;
        if self.counters.iter().any(over) {
            let mut refused = Response::new(Body::from(self.kind.clone()));
            *refused.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            return Step::ready(Pre::respond(refused.into()));
        }
        Step::ready(Pre::Continue)
    }
}
