//! The plugin: registers its hook and its API.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, HookSet, Http, Metadata, Plugin, Roster, Scope, SettingsSpec, Startup,
};

use crate::{api, config::RequestValidatorSettings, desk::Figures, hooks::ValidatorHooks, plan::Plan};

/// `@buntime/plugin-request-validator`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestValidatorPlugin;

#[async_trait]
impl Plugin for RequestValidatorPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-request-validator", env!("CARGO_PKG_VERSION"))
            .with_description("Refuses requests that are too large, or not what the service takes.")
            .with_capabilities([Capability::Middleware, Capability::Routes])
            .with_priority(17)
            .refusing()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<RequestValidatorSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: RequestValidatorSettings = startup.settings()?;
        let context = startup.context();
        let roster = context.keep_at(&Scope::Gateway, "roster", Roster::<Plan>::default);
        if settings != RequestValidatorSettings::default() {
            let figures = context.keep("figures", Figures::default);
            let scope = context.scope().clone();
            // Schemas take a while: not on the threads that serve.
            let plan = tokio::task::spawn_blocking(move || Plan::new(&settings, scope, figures)).await?;
            let plan = Arc::new(
                plan.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?,
            );
            roster.enlist(&plan.scope, &plan);
            // It gives the body back as it came.
            startup.hooks::<Http>(HookSet::new("validation", ValidatorHooks(plan)));
        }
        startup.routes(Access::Admin, api::router(roster));
        startup.openapi(api::openapi());
        Ok(())
    }
}
