//! The plugin: registers its hook and its API.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, HookSet, Http, Metadata, Plugin, Roster, Scope, SettingsSpec, Startup, hooks::Changes,
};

use crate::{api, config::TransformerSettings, desk::Figures, hooks::TransformerHooks, plan::Plan};

/// `@buntime/plugin-transformer`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransformerPlugin;

#[async_trait]
impl Plugin for TransformerPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-transformer", env!("CARGO_PKG_VERSION"))
            .with_description("Changes requests and responses on their way: headers, query, path, status, bodies.")
            .with_capabilities([Capability::Middleware, Capability::Routes])
            .with_priority(19)
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<TransformerSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: TransformerSettings = startup.settings()?;
        let context = startup.context();
        let roster = context.keep_at(&Scope::Gateway, "roster", Roster::<Plan>::default);
        if !settings.rules.is_empty() {
            let figures = context.keep("figures", Figures::default);
            let plan = Plan::new(&settings, context.scope().clone(), figures);
            let plan = Arc::new(
                plan.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?,
            );
            roster.enlist(&plan.scope, &plan);
            let changes = changes(&plan);
            startup.hooks::<Http>(HookSet::new("transformation", TransformerHooks(plan)).changing(changes));
        }
        startup.routes(Access::Admin, api::router(roster));
        startup.openapi(api::openapi());
        Ok(())
    }
}

/// What a hook set beside it must not change too. Bodies of responses are whole when they are changed here: they are no
/// stream whose length nobody knows.
fn changes(plan: &Plan) -> Changes {
    let wants = plan.rules.iter().any(|rule| rule.request.as_ref().is_some_and(|part| part.wants_body));
    let base = if wants { Changes::REQUEST_BODY } else { Changes::NONE };
    base | Changes::VALUES
}
