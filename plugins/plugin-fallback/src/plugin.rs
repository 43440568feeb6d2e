//! The plugin: reads its files, finds its services, and registers its hooks.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use buntime_core::{BoxError, Capability, HookSet, Http, Metadata, Plugin, SettingsSpec, Startup, services::BaseDir};
use buntime_upstream::Clusters;

use crate::{
    config::FallbackSettings,
    document::Documents,
    hooks::{AnswerHooks, Plan, RecoveryHooks},
    rule::Rule,
};

/// `@buntime/plugin-fallback`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FallbackPlugin;

#[async_trait]
impl Plugin for FallbackPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-fallback", env!("CARGO_PKG_VERSION"))
            .with_description("What happens when a request fails: retries, fallbacks, custom error documents.")
            .with_capabilities([Capability::Middleware])
            .with_priority(4)
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<FallbackSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: FallbackSettings = startup.settings()?;
        let clusters = startup.service::<Clusters>();
        let base = startup.service::<BaseDir>().map_or_else(PathBuf::new, |base| base.0.clone());
        // Files: not on the threads that serve.
        let read = move || {
            let rules = settings.rules.iter().enumerate();
            let rules = rules.map(|(index, rule)| Rule::new(index, rule, &base, clusters.as_ref()));
            Ok::<_, BoxError>(Plan {
                rules: rules.collect::<Result<_, _>>()?,
                documents: Documents::new(&settings.documents, &base)?,
                max_body: settings.max_body.as_usize(),
            })
        };
        let plan = Arc::new(tokio::task::spawn_blocking(read).await??);
        startup.hooks::<Http>(HookSet::new("recovery", RecoveryHooks(plan.clone())));
        if plan.rules.iter().any(|rule| rule.sends() && rule.matcher.has_answers()) {
            startup.hooks::<Http>(HookSet::new("answers", AnswerHooks(plan)));
        }
        Ok(())
    }
}
