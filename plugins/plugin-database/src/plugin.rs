//! The plugin: finds the databases that the program has opened, and offers its faces.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{Access, BoxError, Capability, Metadata, Plugin, SettingsSpec, Startup};
use buntime_database::Registry;

use crate::{
    api::{self, Api},
    config::DatabaseSettings,
    figures::Figures,
    hrana::{self, Face, Streams},
    limits::Limits,
    page,
    target::Databases,
};

/// `@buntime/plugin-database`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatabasePlugin;

#[async_trait]
impl Plugin for DatabasePlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-database", env!("CARGO_PKG_VERSION"))
            .with_description(
                "Which databases there are; tenants, tables and queries over REST, and Hrana for npm's @libsql/client.",
            )
            .with_capabilities([Capability::Routes])
            .with_priority(20)
            .gateway_only()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<DatabaseSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: DatabaseSettings = startup.settings()?;
        let registry = startup.require::<Registry>()?;
        for adapter in &settings.adapters {
            // Until a restart a program has the databases that it began with.
            if let Err(error) = registry.get(Some(adapter.kind())) {
                tracing::warn!("`adapters` says more than this program has opened: {error}; restart it");
            }
        }
        let limits = Limits::of(&settings);
        let databases = Databases::new(registry, limits);
        // Whatever instances come and go.
        let figures = startup.keep("figures", Figures::new);
        let streams = Streams::new(settings.max_streams, *settings.stream_idle, Arc::clone(&figures));
        let (measured, of) = (Arc::clone(&figures), streams.clone());
        startup.measure(move || std::future::ready(measured.families(of.open_now())));
        startup.spawn_until_done(streams.clone().watch(startup.cancelled().clone()));
        startup.routes(Access::Admin, api::router(Api { databases: databases.clone(), limits, figures }));
        startup.routes(Access::Admin, hrana::router(Face { databases, limits, streams }));
        startup.openapi(api::openapi());
        buntime_ui::register(startup, Access::Admin, page::page());
        Ok(())
    }
}
