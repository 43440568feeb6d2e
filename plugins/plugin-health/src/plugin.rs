//! The plugin: what it is called, and what it registers.

use async_trait::async_trait;
use buntime_core::{BoxError, Capability, Metadata, Plugin, SettingsSpec, Startup};

use crate::{HealthSettings, api, page, runs::Runs};

/// `@buntime/plugin-health`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HealthPlugin;

#[async_trait]
impl Plugin for HealthPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-health", env!("CARGO_PKG_VERSION"))
            .with_description("Liveness, readiness and a report of every plugin, database and upstream.")
            .with_capabilities([Capability::Routes])
            .with_priority(2)
            .gateway_only()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<HealthSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: HealthSettings = startup.settings()?;
        let access = settings.access.into();
        let runs = Runs::new(startup.context(), settings);
        startup.routes(access, api::router(runs));
        startup.openapi(api::openapi());
        buntime_ui::register(startup, access, page::page());
        Ok(())
    }
}
