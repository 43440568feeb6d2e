//! The plugin: registers its hook and its API.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, HookSet, Http, Metadata, Plugin, Roster, Scope, SettingsSpec, Startup, hooks::Changes,
};

use crate::{api, config::EnricherSettings, hooks::EnricherHooks, plan::Plan};

/// `@buntime/plugin-enricher`.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnricherPlugin;

#[async_trait]
impl Plugin for EnricherPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-enricher", env!("CARGO_PKG_VERSION"))
            .with_description("Asks an external API about a request, and puts its answer into it, or stops it.")
            .with_capabilities([Capability::Middleware, Capability::Routes])
            .with_priority(18)
            .refusing()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<EnricherSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: EnricherSettings = startup.settings()?;
        let context = startup.context();
        let roster = context.keep_at(&Scope::Gateway, "roster", Roster::<Plan>::default);
        if !settings.calls().is_empty() {
            let plan = Plan::new(&settings, &context);
            let plan = Arc::new(
                plan.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?,
            );
            roster.enlist(&plan.scope, &plan);
            let time = plan.time();
            let changes = Changes::REQUEST_BODY | Changes::VALUES;
            startup.hooks::<Http>(HookSet::new("enrichment", EnricherHooks(plan)).changing(changes).within(time));
        }
        startup.routes(Access::Admin, api::router(roster));
        startup.openapi(api::openapi());
        Ok(())
    }
}
