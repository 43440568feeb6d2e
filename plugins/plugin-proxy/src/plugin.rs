//! The plugin: reads its rules, opens their upstreams, and offers them to the router, the chain and the admin API.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, Changed, HookSet, Http, Metadata, Plugin, PluginContext, SettingsSpec, Startup,
    host::report::PluginState,
};

use crate::{
    api,
    config::ProxySettings,
    draft::Draft,
    hooks::ProxyHooks,
    rule::Rule,
    table::{Rules, Table},
};

/// Sends what matches a rule to its upstream.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProxyPlugin;

#[async_trait]
impl Plugin for ProxyPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-proxy", env!("CARGO_PKG_VERSION"))
            .with_description("Sends requests to upstreams by rules: HTTP/1.1, HTTP/2 and WebSockets.")
            .with_capabilities([Capability::Routes, Capability::Middleware])
            .with_priority(5)
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<ProxySettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: ProxySettings = startup.settings()?;
        let rules = open(settings, &startup.context())?;
        for rule in &rules {
            let attempts = rule.destination.attempts.clone();
            startup.health_check(format!("upstream:{}", rule.name()), move || std::future::ready(attempts.finding()));
        }
        warn_of_unguarded(startup, &rules);
        let plugin: Arc<str> = startup.name().package().into();
        let rules = Rules::new(Table::new(rules, &plugin));
        startup.hooks::<Http>(HookSet::new("rules", ProxyHooks::new(rules.clone())));
        startup.routes(Access::Admin, api::router(rules.clone()));
        startup.openapi(api::openapi());
        startup.route_source(Arc::new(rules));
        Ok(())
    }
}

fn open(settings: ProxySettings, context: &PluginContext) -> Result<Vec<Arc<Rule>>, BoxError> {
    let opened = settings.rules.into_iter().enumerate().map(|(index, rule)| {
        let name = rule.name_at(index);
        // Checked before; what is left is what only this machine knows, such as its certificate authorities.
        let draft = Draft::read(index, &rule).map_err(|problems| {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            list.join("; ")
        })?;
        let opened = Rule::open(index, rule, draft, context.cancelled().clone());
        Ok(Arc::new(opened.map_err(|error| format!("rule `{name}`: {error}"))?))
    });
    opened.collect()
}

/// A rule without `guard` answers before any later plugin is asked: whoever switches authentication on should know.
/// Said when everything has started, and again when a change brings another auth plugin.
fn warn_of_unguarded(startup: &Startup, rules: &[Arc<Rule>]) {
    let unguarded: Vec<String> =
        rules.iter().filter(|rule| !rule.is_guarded()).map(|rule| rule.name().to_owned()).collect();
    if unguarded.is_empty() {
        return;
    }
    let context = startup.context();
    let mut changes = context.events().subscribe::<Changed>();
    let unguarded = unguarded.join("`, `");
    startup.spawn(async move {
        let mut warned = Vec::new();
        // Having missed some changes is no reason not to look again.
        while !matches!(changes.recv().await, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
            let auth = auth_plugins(&context);
            if !auth.is_empty() && auth != warned {
                tracing::warn!(
                    "the proxy rules `{unguarded}` answer before `{}` is asked who calls; set `\"guard\": true` on a \
                     rule to run the whole chain first",
                    auth.join("`, `"),
                );
            }
            warned = auth;
        }
    });
}

fn auth_plugins(context: &PluginContext) -> Vec<String> {
    let stands = |state: PluginState| !matches!(state, PluginState::Disabled | PluginState::Stopped);
    let plugins = context.host().plugins().into_iter();
    plugins
        .filter(|plugin| stands(plugin.status.status) && plugin.capabilities.contains(&Capability::AuthProvider))
        .map(|plugin| plugin.short.to_string())
        .collect()
}
