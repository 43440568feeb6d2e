//! The plugin: connects the bus with hooks, routes, health and exporters.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, Finding, HookSet, Metadata, Plugin, PluginContext, SettingsSpec, Startup,
};
use tokio::sync::Semaphore;

#[cfg(feature = "otlp")]
use crate::otlp::Otlp;
use crate::{
    access::{AccessHooks, Wanted},
    api::{self, Api},
    bus::LogBus,
    config::LogsSettings,
    openapi, page,
    redact::Redactor,
};

/// `@buntime/plugin-logs`.
#[derive(Clone, Debug)]
pub struct LogsPlugin {
    bus: LogBus,
}

impl LogsPlugin {
    /// On the bus of this process.
    pub fn new() -> Self {
        Self::on(LogBus::global())
    }

    /// On a bus of its own, for programs and tests that run several hosts.
    pub fn on(bus: LogBus) -> Self {
        Self { bus }
    }
}

impl Default for LogsPlugin {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Plugin for LogsPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-logs", env!("CARGO_PKG_VERSION"))
            .with_description("Access log and plugin logs: a ring to query and follow, stdout, OTLP.")
            .with_capabilities([Capability::Routes, Capability::Middleware, Capability::ObservabilityExporter])
            .with_priority(1)
            .gateway_only()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<LogsSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: LogsSettings = startup.settings()?;
        let redactor = Arc::new(Redactor::new(settings.redact.iter().map(String::as_str)));
        let exporters = Exporters::start(startup, &self.bus, &settings, &redactor)?;
        let (bytes, longest) = (settings.max_bytes.as_usize(), settings.max_message.as_usize());
        self.bus.configure(settings.max_entries, bytes, longest, redactor);
        startup.hooks(HookSet::new("access", exporters.hooks(&self.bus, &settings)).observing());
        let figures = exporters.clone();
        let api = Api {
            bus: self.bus.clone(),
            streams: Arc::new(Semaphore::new(settings.max_streams)),
            keep_alive: *settings.keep_alive,
            stopping: startup.draining().clone(),
            exported: Arc::new(move || figures.figures()),
        };
        startup.routes(Access::Admin, api::router(api));
        startup.openapi(openapi::fragment());
        buntime_ui::register(startup, Access::Admin, page::page());
        startup.health_check("plugin:logs", move || std::future::ready(exporters.health()));
        Ok(())
    }
}

/// The OTLP exporters, if there are any.
#[derive(Clone)]
struct Exporters {
    #[cfg(feature = "otlp")]
    otlp: Option<Otlp>,
}

#[cfg(feature = "otlp")]
impl Exporters {
    fn start(
        context: &PluginContext,
        bus: &LogBus,
        settings: &LogsSettings,
        redactor: &Arc<Redactor>,
    ) -> Result<Self, BoxError> {
        let start = |otlp| Otlp::start(context, bus, otlp, redactor.clone());
        let otlp = settings.otlp.as_ref().map(start).transpose()?;
        Ok(Self { otlp })
    }

    fn hooks(&self, bus: &LogBus, settings: &LogsSettings) -> AccessHooks {
        let tracer = self.otlp.as_ref().map(Otlp::tracer);
        AccessHooks { bus: bus.clone(), wanted: wanted(settings), tracer }
    }

    fn figures(&self) -> Option<serde_json::Value> {
        self.otlp.as_ref().map(Otlp::figures)
    }

    fn health(&self) -> Finding {
        self.otlp.as_ref().map_or_else(Finding::healthy, Otlp::health)
    }
}

#[cfg(not(feature = "otlp"))]
impl Exporters {
    #[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
    fn start(_: &PluginContext, _: &LogBus, _: &LogsSettings, _: &Arc<Redactor>) -> Result<Self, BoxError> {
        Ok(Self {})
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn hooks(&self, bus: &LogBus, settings: &LogsSettings) -> AccessHooks {
        AccessHooks { bus: bus.clone(), wanted: wanted(settings) }
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn figures(&self) -> Option<serde_json::Value> {
        None
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn health(&self) -> Finding {
        Finding::healthy()
    }
}

fn wanted(settings: &LogsSettings) -> Option<Wanted> {
    let LogsSettings { query, user_agent, stdout, .. } = *settings;
    settings.access.then_some(Wanted { query, user_agent, stdout })
}
