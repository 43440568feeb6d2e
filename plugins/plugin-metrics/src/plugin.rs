//! The plugin: what it is called, and what it registers.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use buntime_core::{BoxError, Capability, HookSet, Metadata, Plugin, PluginContext, SettingsSpec, Startup};

use crate::{MetricsSettings, Requests, analytics, api, cells::Bounds, observer::Observer, page};

/// `@buntime/plugin-metrics`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricsPlugin;

#[async_trait]
impl Plugin for MetricsPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-metrics", env!("CARGO_PKG_VERSION"))
            .with_description("Request, plugin and process metrics: Prometheus, JSON, live and over a month.")
            .with_capabilities([Capability::Routes, Capability::Middleware])
            .with_optional_depends_on(["database"])
            .with_priority(0)
            .gateway_only()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<MetricsSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: MetricsSettings = startup.settings()?;
        let requests = counts(startup, &settings);
        let access = settings.access.into();
        let router = api::router(&settings, requests.clone(), startup.context());
        let analytics = analytics::open(startup, &settings.analytics)?;
        let asked = analytics::api::router(analytics.clone(), startup.context());
        let shown = analytics.as_ref().map(|_| settings.analytics.access);
        let observer = Observer { requests, analytics: analytics.map(|open| open.analytics) };
        startup.hooks(HookSet::new("requests", observer).observing());
        startup.routes(access, router);
        startup.routes(settings.analytics.access.into(), asked);
        startup.openapi(api::openapi());
        buntime_ui::register(startup, access, page::page(shown));
        Ok(())
    }
}

/// The counts of the instance before, if it counted the same way, so that a reload loses nothing.
fn counts(context: &PluginContext, settings: &MetricsSettings) -> Arc<Requests> {
    let bounds = Bounds::new(&settings.buckets);
    let most = settings.max_routes as usize;
    let kept = context.keep("requests", || Mutex::new(None::<Arc<Requests>>));
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    match &*kept {
        Some(requests) if *requests.bounds() == bounds && requests.max_routes() == most => requests.clone(),
        _ => kept.insert(Arc::new(Requests::new(bounds, most))).clone(),
    }
}
