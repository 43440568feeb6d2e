//! The plugin: registers its hooks and its API.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, Changes, HookSet, Http, Metadata, Plugin, Roster, Scope, SettingsSpec, Startup,
};

use crate::{api, config::ContentFilterSettings, hooks::FilterHooks, plan::Plan};

/// `@buntime/plugin-content-filter`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContentFilterPlugin;

#[async_trait]
impl Plugin for ContentFilterPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-content-filter", env!("CARGO_PKG_VERSION"))
            .with_description(
                "Blocks or masks what must not pass in bodies: card numbers, keys, tokens, patterns, words.",
            )
            .with_capabilities([Capability::Middleware, Capability::Routes])
            .with_priority(22)
            .refusing()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<ContentFilterSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: ContentFilterSettings = startup.settings()?;
        let context = startup.context();
        let roster = context.keep_at(&Scope::Gateway, "roster", Roster::<Plan>::default);
        if !settings.rules.is_empty() {
            // Automata take a while: not on the threads that serve.
            let plan = tokio::task::spawn_blocking(move || Plan::new(&settings, &context)).await??;
            let plan = Arc::new(plan);
            roster.enlist(&plan.scope, &plan);
            startup.hooks::<Http>(HookSet::new("filter", FilterHooks(plan)).changing(Changes::REQUEST_BODY));
        }
        startup.routes(Access::Admin, api::router(roster));
        startup.openapi(api::openapi());
        Ok(())
    }
}
