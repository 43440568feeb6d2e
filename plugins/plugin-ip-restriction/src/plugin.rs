//! The plugin: registers its hook and its API.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, HookSet, Http, Metadata, Plugin, Roster, Scope, SettingsSpec, Startup,
};

use crate::{
    api,
    config::IpRestrictionSettings,
    desk::Figures,
    hooks::{Restriction, RestrictionHooks},
    networks,
};

/// `@buntime/plugin-ip-restriction`.
#[derive(Clone, Copy, Debug, Default)]
pub struct IpRestrictionPlugin;

#[async_trait]
impl Plugin for IpRestrictionPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-ip-restriction", env!("CARGO_PKG_VERSION"))
            .with_description("Who may call, by address: networks that are let in or kept out.")
            .with_capabilities([Capability::Middleware, Capability::Routes])
            .with_priority(7)
            .refusing()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<IpRestrictionSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: IpRestrictionSettings = startup.settings()?;
        let context = startup.context();
        let roster = context.keep_at(&Scope::Gateway, "roster", Roster::<Restriction>::default);
        for (key, list) in [("allow", &settings.allow), ("deny", &settings.deny)] {
            if let Some((inner, outer, count)) = list.as_deref().and_then(networks::nested) {
                tracing::warn!(
                    key,
                    count,
                    "`{inner}` and maybe others lie within `{outer}` of the same list: leave them out"
                );
            }
        }
        if settings.allow.is_some() || settings.deny.is_some() {
            let figures = context.keep("figures", Figures::default);
            let restriction = Arc::new(Restriction::new(&settings, context.scope().clone(), figures));
            roster.enlist(context.scope(), &restriction);
            startup.hooks::<Http>(HookSet::new("restriction", RestrictionHooks(restriction)));
        }
        startup.routes(Access::Admin, api::router(roster));
        startup.openapi(api::openapi());
        Ok(())
    }
}
