//! The plugin: reads its rules, opens their upstreams, and offers them to the router, the chain and the admin API.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, Changed, HookSet, Http, Metadata, Plugin, PluginContext, SettingsSpec, Startup,
    host::report::PluginState,
};
use buntime_database::{Adapter, Registry};

use crate::{
    api,
    config::{ProxySettings, RuleSettings},
    dynamic::{Book, Options},
    hooks::ProxyHooks,
    opener::{Missing, Opener},
    page,
    table::Entry,
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
            .gateway_only()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<ProxySettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: ProxySettings = startup.settings()?;
        let opener = Opener::new(&startup.context());
        let statics = open(settings.rules, &opener)?;
        for entry in &*statics {
            let (name, rule) = (format!("upstream:{}", entry.rule.name()), entry.rule.clone());
            startup.health_check(name, move || std::future::ready(rule.leads.finding()));
        }
        let adapter = adapter(&startup.context(), settings.database.as_deref(), settings.max_dynamic_rules)?;
        let most = settings.max_dynamic_rules as usize;
        let book = Arc::new(Book::new(Options { opener, statics, adapter, most }));
        if book.keeps() {
            follow(startup, &book).await;
            let checked = book.clone();
            startup.health_check("dynamic-rules", move || std::future::ready(checked.finding()));
        }
        warn_of_unguarded(startup, &book);
        startup.hooks::<Http>(HookSet::new("rules", ProxyHooks::new(book.rules().clone())));
        startup.routes(Access::Admin, api::router(book.clone()));
        startup.openapi(api::openapi());
        buntime_ui::register(startup, Access::Admin, page::page());
        startup.route_source(Arc::new(book.rules().clone()));
        Ok(())
    }
}

/// Opens the rules of the file.
fn open(rules: Vec<RuleSettings>, opener: &Opener) -> Result<Arc<[Arc<Entry>]>, BoxError> {
    let opened = rules.into_iter().enumerate().map(|(index, rule)| {
        let (id, name) = (rule.id_at(index), rule.name_at(index));
        let opened =
            opener.open(&format!("/rules/{index}"), &id, &name, rule, Missing::Refuse).map_err(|problems| {
                let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
                format!("rule `{name}`: {}", list.join("; "))
            })?;
        Ok(Arc::new(opened))
    });
    opened.collect()
}

/// Where rules are kept that are added by the API, or why they are not.
///
/// # Errors
/// When there is no database of the type that the settings name.
fn adapter(
    context: &PluginContext,
    kind: Option<&str>,
    most: u32,
) -> Result<Result<Arc<dyn Adapter>, &'static str>, BoxError> {
    if most == 0 {
        return Ok(Err("No rules can be added here: `maxDynamicRules` is 0"));
    }
    let Some(registry) = context.service::<Registry>() else {
        if kind.is_some() {
            return Err("`database` names a database, and this program has none".into());
        }
        return Ok(Err("No rules can be added here: this program has no database to keep them in; put them into its \
                       configuration"));
    };
    Ok(Ok(registry.get(kind)?))
}

/// Puts the rules of the database in force, and sees to it that they stay what the database has.
async fn follow(startup: &Startup, book: &Arc<Book>) {
    // The rules of the file do not wait for a database that is not well.
    let first = book.catch_up().await;
    if let Err(error) = &first {
        tracing::error!("the rules of the database are not in force, and it is tried again: {error}");
    }
    startup.spawn(book.clone().follow(first.is_err()));
}

/// A rule without `guard` answers before any later plugin is asked: whoever switches on one that exists to refuse should
/// know. Said when everything has started, and again when a change brings another.
fn warn_of_unguarded(startup: &Startup, book: &Arc<Book>) {
    let context = startup.context();
    let mut changes = context.events().subscribe::<Changed>();
    let book = Arc::downgrade(book);
    startup.spawn(async move {
        let mut warned = Vec::new();
        // Having missed some changes is no reason not to look again.
        while !matches!(changes.recv().await, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
            let Some(book) = book.upgrade() else { return };
            let unguarded = unguarded(&book);
            let passed = passed_over(&context);
            if !passed.is_empty() && passed != warned && !unguarded.is_empty() {
                tracing::warn!(
                    "the proxy rules {unguarded} answer before `{}` {} asked; set `\"guard\": true` on a rule to run the \
                     whole chain first",
                    passed.join("`, `"),
                    if passed.len() == 1 { "is" } else { "are" },
                );
            }
            warned = passed;
        }
    });
}

/// The first few rules that answer at once, in words; empty for none.
fn unguarded(book: &Book) -> String {
    const FEW: usize = 20;
    let table = book.rules().now();
    let names: Vec<&str> = table.rules().filter(|rule| !rule.is_guarded()).map(|rule| rule.name()).collect();
    let named = names.iter().take(FEW).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(FEW) {
        Some(more @ 1..) => format!("{named} and {more} more"),
        _ => named,
    }
}

/// The plugins that could refuse a request, and that a rule without `guard` answers before.
fn passed_over(context: &PluginContext) -> Vec<String> {
    let stands = |state: PluginState| !matches!(state, PluginState::Disabled | PluginState::Stopped);
    let plugins = context.host().plugins().into_iter();
    let later = plugins.skip_while(|plugin| plugin.short != *context.name()).skip(1);
    later
        .filter(|plugin| stands(plugin.status.status))
        .filter(|plugin| plugin.refuses || plugin.capabilities.contains(&Capability::AuthProvider))
        .map(|plugin| plugin.short.to_string())
        .collect()
}
