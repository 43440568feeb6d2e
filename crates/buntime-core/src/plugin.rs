//! The plugin trait, and what a plugin gets and may offer.

use std::{
    any::{Any, TypeId, type_name},
    collections::{BTreeMap, HashMap},
    fmt, io,
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::Router;
use http::request;
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Http,
    clock::Clock,
    consumers::Consumers,
    cx::Matched,
    error::BoxError,
    events::Events,
    health::{Finding, HealthChecks, Registered},
    hooks::HookSet,
    host::{HostView, keep::Keep},
    kind::Kind,
    measure::{self, Family, Measures},
    merge::Merged,
    metadata::{Capability, Metadata, PluginName},
    scope::Scope,
    services::{MissingService, Services},
    settings::{self, Settings, SettingsSpec},
    stats::HookBook,
    step::Handler,
};

/// A plugin: code with metadata. Only `startup` must be written; one that writes no more is a legacy plugin, named
/// after its type.
///
/// One plugin may have many instances, one for each scope that configures it, so it keeps nothing itself: what an
/// instance needs lives in what it registers on [`Startup`].
#[async_trait]
pub trait Plugin: Send + Sync + 'static {
    /// Who it is. Default: the name of its type, `0.0.0`, no capabilities.
    fn metadata(&self) -> Metadata {
        Metadata::legacy(type_name::<Self>())
    }

    /// What its settings must be. Default: anything.
    fn settings(&self) -> SettingsSpec {
        SettingsSpec::any()
    }

    /// Starts an instance: reads its settings, and registers what it offers. Bounded by the host (30 s). May be called
    /// again, in the same process, for another instance.
    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError>;

    /// Ends an instance, after its last exchange, before its tasks are awaited. Default: nothing.
    async fn shutdown(&self, context: &PluginContext) -> Result<(), BoxError> {
        let _ = context;
        Ok(())
    }
}

/// Who may use routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everybody. Only observers run.
    Public,
    /// Who holds the admin token, or by the loopback rule. Only observers run.
    Admin,
    /// Whom the chain lets through.
    Data,
}

/// What an instance gets. Cheap to clone.
#[derive(Clone)]
pub struct PluginContext(pub(crate) Arc<Context>);

pub(crate) struct Context {
    pub(crate) name: PluginName,
    /// The levels that configured it, the most general first. Never empty.
    pub(crate) said: Vec<Scope>,
    /// Which of them said what; `None` when there is but one.
    pub(crate) merged: Option<Merged>,
    pub(crate) consumers: Arc<ArcSwap<Consumers>>,
    pub(crate) base: String,
    pub(crate) settings: Value,
    pub(crate) data_dir: PathBuf,
    pub(crate) services: Services,
    pub(crate) events: Events,
    pub(crate) health: HealthChecks,
    pub(crate) measures: Measures,
    pub(crate) clock: Clock,
    pub(crate) draining: CancellationToken,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) span: tracing::Span,
    pub(crate) keep: Keep,
    pub(crate) book: Arc<HookBook>,
    pub(crate) host: HostView,
}

impl PluginContext {
    /// The plugin's name.
    pub fn name(&self) -> &PluginName {
        &self.0.name
    }

    /// The scope this instance stands in: the most specific level that configured it.
    pub fn scope(&self) -> &Scope {
        self.0.said.last().unwrap_or(&Scope::Gateway)
    }

    /// The level that configured what is at a JSON pointer of the settings: the most specific one that said anything
    /// at or below it. Entries of lists are found by name or position: `/rateLimit/burst`. State that counts belongs
    /// to this level: see [`PluginContext::keep_at`].
    pub fn origin(&self, pointer: &str) -> &Scope {
        let level = self.0.merged.as_ref().map_or(0, |merged| merged.level(pointer));
        self.0.said.get(level).unwrap_or(&Scope::Gateway)
    }

    /// The consumers of the configuration in force.
    pub fn consumers(&self) -> Arc<Consumers> {
        self.0.consumers.load_full()
    }

    /// Where its routes are mounted: `/p/metrics`.
    pub fn base(&self) -> &str {
        &self.0.base
    }

    /// Its settings, validated before it was started.
    ///
    /// # Errors
    /// If they are not of that type: every problem, in one error.
    pub fn settings<T: Settings>(&self) -> Result<T, BoxError> {
        settings::read(&self.0.settings).map_err(|problems| {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            format!("invalid settings: {}", list.join("; ")).into()
        })
    }

    /// Its settings as they were written.
    pub fn raw_settings(&self) -> &Value {
        &self.0.settings
    }

    /// Its own directory, made on first use.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn data_dir(&self) -> io::Result<&Path> {
        std::fs::create_dir_all(&self.0.data_dir)?;
        Ok(&self.0.data_dir)
    }

    /// A service, if something that started before provides it.
    pub fn service<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.services.get()
    }

    /// A service it cannot do without.
    ///
    /// # Errors
    /// If nothing that started before provides it; says who wanted it.
    pub fn require<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Arc<T>, MissingService> {
        self.0.services.require(&self.0.name)
    }

    /// The event bus.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// The health checks of every part.
    pub fn health(&self) -> &HealthChecks {
        &self.0.health
    }

    /// What every part measures of itself.
    pub fn measures(&self) -> &Measures {
        &self.0.measures
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Cancelled when this instance ends. Every task must heed it.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.0.cancel
    }

    /// Cancelled when the host takes no more requests and waits for those under way: streams that would never end by
    /// themselves end now. Before [`PluginContext::cancelled`].
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// The span of this plugin, for what it logs outside of exchanges.
    pub fn span(&self) -> &tracing::Span {
        &self.0.span
    }

    /// What runs in this process: the other plugins, their states and measurements.
    pub fn host(&self) -> &HostView {
        &self.0.host
    }

    /// Runs a task that ends with the instance: it is cancelled (dropped) when the instance ends, and awaited.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.0.cancel.clone();
        let span = self.0.span.clone();
        let task = async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = task => {}
            }
        };
        self.0.tasks.spawn(tracing::Instrument::instrument(task, span));
    }

    /// Runs a task that heeds [`PluginContext::cancelled`] itself: it may flush before it ends. Awaited when the
    /// instance ends.
    pub fn spawn_until_done(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(tracing::Instrument::instrument(task, self.0.span.clone()));
    }

    /// State of this instance's scope that outlives the instance: made on first use, found again after a restart or
    /// reload.
    pub fn keep<T: Send + Sync + 'static>(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        self.keep_at(self.scope(), key, make)
    }

    /// State of a scope, shared by all instances of this plugin below it: a counter of an entry that the gateway
    /// configured is one, whatever more specific levels say of other entries. Kept for as long as the scope is
    /// configured.
    pub fn keep_at<T: Send + Sync + 'static>(&self, scope: &Scope, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        self.0.keep.get((self.0.name.clone(), scope.clone(), key.to_owned(), TypeId::of::<T>()), make)
    }
}

impl fmt::Debug for PluginContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginContext").field("name", &self.0.name).field("scope", self.scope()).finish_non_exhaustive()
    }
}

/// An entry of the navigation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Menu {
    /// What it is called.
    pub title: String,
    /// Where it leads.
    pub path: String,
    /// The name of an icon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Lower stands higher.
    pub priority: i32,
}

/// Claims requests by their line before any hook runs, like the frozen router: immutable, swapped with its instance.
pub trait RouteSource: Send + Sync + 'static {
    /// What this request is, if it is one of its own. `path` is normalised; it is also the path in `head`.
    fn find(&self, head: &request::Parts) -> Option<RouteMatch>;

    /// All its routes, for the admin API.
    fn list(&self) -> Vec<Value>;
}

/// A claimed request.
#[derive(Clone)]
pub struct RouteMatch {
    /// What was matched.
    pub matched: Arc<Matched>,
    /// What answers, unless a hook says otherwise.
    pub handler: Arc<dyn Handler<Http>>,
}

impl fmt::Debug for RouteMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMatch").field("matched", &self.matched).finish_non_exhaustive()
    }
}

/// What an instance offers.
#[derive(Default)]
pub(crate) struct Offers {
    pub(crate) routes: Vec<(Access, Router)>,
    pub(crate) sources: Vec<Arc<dyn RouteSource>>,
    pub(crate) hooks: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    pub(crate) menus: Vec<Menu>,
    pub(crate) ui: bool,
    pub(crate) openapi: Vec<Value>,
    pub(crate) checks: Vec<Registered>,
    pub(crate) measured: Vec<measure::Registered>,
    /// Names of hook sets, to tell duplicates.
    pub(crate) sets: BTreeMap<(&'static str, String), ()>,
    pub(crate) used: std::collections::BTreeSet<Capability>,
}

/// A startup under way: the context, and what the instance offers.
pub struct Startup {
    pub(crate) context: PluginContext,
    pub(crate) offers: Offers,
    pub(crate) problems: Vec<String>,
    pub(crate) declared: std::collections::BTreeSet<Capability>,
}

impl Startup {
    /// The context, to keep.
    pub fn context(&self) -> PluginContext {
        self.context.clone()
    }

    /// Registers HTTP routes below its base: `/api/stats` becomes `/p/metrics/api/stats`. Needs `routes`.
    pub fn routes(&mut self, access: Access, router: Router) {
        self.uses(Capability::Routes);
        self.offers.routes.push((access, router));
    }

    /// Registers its page, at the root of its base. Needs `routes`.
    pub fn ui(&mut self, access: Access, router: Router) {
        self.routes(access, router);
        self.offers.ui = true;
    }

    /// Registers routes outside its base that are matched like the frozen router's. Needs `routes`.
    pub fn route_source(&mut self, source: Arc<dyn RouteSource>) {
        self.uses(Capability::Routes);
        self.offers.sources.push(source);
    }

    /// Registers a hook set. Needs `middleware`, `auth_provider` or `observability_exporter`.
    pub fn hooks<K: Kind>(&mut self, set: HookSet<K>) {
        let may = [Capability::Middleware, Capability::AuthProvider, Capability::ObservabilityExporter];
        if !may.iter().any(|c| self.declared.contains(c)) {
            self.uses(Capability::Middleware);
        }
        if self.offers.sets.insert((K::NAME, set.name.to_string()), ()).is_some() {
            self.problems.push(format!("it registers two hook sets named `{}`; give each a name of its own", set.name));
        }
        let list = self.offers.hooks.entry(TypeId::of::<K>()).or_insert_with(|| Box::new(Vec::<HookSet<K>>::new()));
        if let Some(list) = list.downcast_mut::<Vec<HookSet<K>>>() {
            list.push(set);
        }
    }

    /// Provides a service to the plugins that start after it.
    ///
    /// # Errors
    /// If a service of that type is provided already.
    pub fn provide<T: ?Sized + Send + Sync + 'static>(&mut self, service: Arc<T>) -> Result<(), BoxError> {
        Ok(self.context.0.services.provide_by(&self.context.0.name, service)?)
    }

    /// Registers a health check that is removed with the instance.
    pub fn health_check<F>(&mut self, name: impl Into<String>, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Finding> + Send + 'static,
    {
        let mut name = name.into();
        // One plugin may be checked in several scopes.
        if *self.scope() != Scope::Gateway {
            name = format!("{name} ({})", self.scope());
        }
        let registered = self.context.health().register(name, check);
        self.offers.checks.push(registered);
    }

    /// Registers what this instance measures of itself, for whoever shows it; removed with the instance. Names begin with
    /// the plugin's own, and labels have few values.
    pub fn measure<F>(&mut self, source: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Vec<Family>> + Send + 'static,
    {
        let registered = self.measures().register(source);
        self.offers.measured.push(registered);
    }

    /// Registers an entry of the navigation.
    pub fn menu(&mut self, menu: Menu) {
        self.offers.menus.push(menu);
    }

    /// Registers a fragment of OpenAPI 3.1: `{ "paths": …, "components": … }`, with paths below its base.
    pub fn openapi(&mut self, fragment: Value) {
        self.offers.openapi.push(fragment);
    }

    fn uses(&mut self, capability: Capability) {
        self.offers.used.insert(capability);
        if !self.declared.contains(&capability) {
            let problem =
                format!("it uses the `{capability}` interface without declaring the `{capability}` capability");
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}

impl Deref for Startup {
    type Target = PluginContext;

    fn deref(&self) -> &PluginContext {
        &self.context
    }
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Startup").field("context", &self.context).finish_non_exhaustive()
    }
}
