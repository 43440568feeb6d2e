//! The host: loads plugins, starts them in dependency order, keeps them running, swaps them on change, stops them in
//! reverse.

pub(crate) mod book;
pub mod branches;
pub(crate) mod change;
pub mod explain;
pub(crate) mod instance;
pub(crate) mod keep;
pub(crate) mod level;
pub mod live;
pub mod load_error;
pub(crate) mod order;
pub mod plan;
pub mod program;
pub(crate) mod reach;
pub mod report;
pub(crate) mod starting;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::Router;
use tokio::{runtime::Handle, sync::Mutex};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    chain::Surroundings,
    clock::Clock,
    consumers::Consumers,
    events::Events,
    health::HealthChecks,
    host::{
        instance::Bounds,
        keep::Keep,
        live::Live,
        load_error::LoadError,
        plan::plan,
        program::{Catalog, Entry, Policy, Program},
        report::{PluginReport, PluginState},
    },
    layer::ChainLayer,
    measure::Measures,
    metadata::PluginName,
    plugin::{Access, Plugin},
    scope::ConsumerScope,
    services::Services,
    stats::HookBook,
};

/// Builds a [`Host`].
#[derive(Debug)]
pub struct HostBuilder {
    catalog: Catalog,
    program: Program,
    errors: Vec<LoadError>,
    data_dir: PathBuf,
    services: Services,
    clock: Clock,
    startup: Duration,
    shutdown: Duration,
    recovery: Duration,
    unmeasured: bool,
}

impl HostBuilder {
    /// Plugins the program knows. They run once they are configured.
    #[must_use]
    pub fn catalog(mut self, catalog: Catalog) -> Self {
        self.catalog = catalog;
        self
    }

    /// What is configured.
    #[must_use]
    pub fn program(mut self, program: Program) -> Self {
        self.program = program;
        self
    }

    /// Adds a plugin and configures it: for programs that have no configuration file.
    #[must_use]
    pub fn plugin(mut self, plugin: impl Plugin, settings: serde_json::Value) -> Self {
        let name = plugin.metadata().name;
        self.errors.extend(self.catalog.add(plugin).err());
        self.program.entries.push(Entry::new(name.as_str(), settings));
        self
    }

    /// Who may call.
    #[must_use]
    pub fn consumers(mut self, consumers: impl IntoIterator<Item = ConsumerScope>) -> Self {
        self.program.scopes.consumers.extend(consumers);
        self
    }

    /// What may load, and what must.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.program.policy = policy;
        self
    }

    /// Where plugins keep files. Default `./data`; nothing is made before a plugin asks for it.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = path.into();
        self
    }

    /// Services of the host.
    #[must_use]
    pub fn services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// The clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How long a startup and a shutdown of one plugin may take. Default 30 s each.
    #[must_use]
    pub fn limits(mut self, startup: Duration, shutdown: Duration) -> Self {
        self.startup = startup;
        self.shutdown = shutdown;
        self
    }

    /// The first pause before a quarantined plugin is tried again; each further one is twice as long, up to five
    /// minutes. Default 5 s.
    #[must_use]
    pub fn recovery(mut self, pause: Duration) -> Self {
        self.recovery = pause;
        self
    }

    /// Leaves out the measuring of hooks.
    #[must_use]
    pub fn unmeasured(mut self) -> Self {
        self.unmeasured = true;
        self
    }

    /// Validates everything, then starts the plugins in dependency order. Must run in a tokio runtime, which is the
    /// home of the plugins' tasks.
    ///
    /// # Errors
    /// Every problem at once. Nothing is left running.
    pub async fn start(self) -> Result<Host, Vec<LoadError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let home = Handle::current();
        let bounds =
            Bounds { startup: self.startup, shutdown: self.shutdown, reaping: TaskTracker::new(), home: home.clone() };
        let around = Surroundings {
            tasks: TaskTracker::new(),
            home: Some(home),
            clock: self.clock,
            unmeasured: self.unmeasured,
        };
        let plan = plan(&self.catalog, &self.program)?;
        let (catalog, program) = (self.catalog, Arc::new(self.program));
        let inner = Arc::new(Inner {
            live: ArcSwap::from_pointee(Live::stopped(Vec::new(), self.services.clone(), around.clone())),
            changes: Mutex::new(Changing { catalog: catalog.clone(), program: program.clone(), stopped: false }),
            data_dir: self.data_dir,
            host_services: self.services,
            events: Events::default(),
            health: HealthChecks::default(),
            measures: Measures::default(),
            keep: Keep::default(),
            books: std::sync::Mutex::default(),
            consumers: Arc::default(),
            recovery: self.recovery,
            draining: CancellationToken::new(),
            ended: CancellationToken::new(),
            bounds,
            around,
        });
        let host = Host(inner);
        let live = host.0.start_all(plan, &catalog, &program, None, None).await?;
        host.0.swap(live);
        Ok(host)
    }
}

/// Running plugins. Cheap to clone; clones share. Call [`Host::stop`] before the program ends.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) live: ArcSwap<Live>,
    pub(crate) changes: Mutex<Changing>,
    pub(crate) data_dir: PathBuf,
    pub(crate) host_services: Services,
    pub(crate) events: Events,
    pub(crate) health: HealthChecks,
    pub(crate) measures: Measures,
    pub(crate) keep: Keep,
    /// The measurements of each plugin.
    pub(crate) books: std::sync::Mutex<BTreeMap<PluginName, Arc<HookBook>>>,
    pub(crate) consumers: Arc<ArcSwap<Consumers>>,
    pub(crate) recovery: Duration,
    pub(crate) draining: CancellationToken,
    pub(crate) ended: CancellationToken,
    pub(crate) bounds: Bounds,
    pub(crate) around: Surroundings,
}

/// One change at a time.
pub(crate) struct Changing {
    pub(crate) catalog: Catalog,
    pub(crate) program: Arc<Program>,
    pub(crate) stopped: bool,
}

impl Host {
    /// Builds one.
    pub fn builder() -> HostBuilder {
        HostBuilder {
            catalog: Catalog::new(),
            program: Program::default(),
            errors: Vec::new(),
            data_dir: PathBuf::from("./data"),
            services: Services::default(),
            clock: Clock::system(),
            startup: Duration::from_secs(30),
            shutdown: Duration::from_secs(30),
            recovery: Duration::from_secs(5),
            unmeasured: false,
        }
    }

    /// What runs now. Take it once per exchange.
    pub fn live(&self) -> Arc<Live> {
        self.0.live.load_full()
    }

    /// Is that still what runs? Cheaper than to take it and compare: counts that all threads share stay alone.
    pub fn runs(&self, live: &Arc<Live>) -> bool {
        Arc::ptr_eq(&self.0.live.load(), live)
    }

    /// The chain as a tower `Layer`.
    pub fn layer(&self) -> ChainLayer {
        ChainLayer::new(self.clone())
    }

    /// The public and data routes of all plugins, below their bases. Administrative routes are left out: see
    /// [`Host::admin_router`].
    pub fn router(&self) -> Router {
        self.mounted(|access| access != Access::Admin)
    }

    /// The administrative routes of all plugins, below their bases. Whoever mounts them must guard them.
    pub fn admin_router(&self) -> Router {
        self.mounted(|access| access == Access::Admin)
    }

    fn mounted(&self, wanted: impl Fn(Access) -> bool) -> Router {
        let mut bases: Vec<(String, Router)> = Vec::new();
        for mount in self.live().mounts().into_iter().filter(|mount| wanted(mount.access)) {
            match bases.iter_mut().find(|(base, _)| *base == mount.base) {
                Some((_, router)) => *router = std::mem::take(router).merge(mount.router),
                None => bases.push((mount.base, mount.router)),
            }
        }
        bases.into_iter().fold(Router::new(), |all, (base, router)| all.nest(&base, router))
    }

    /// What plugins see of the host.
    pub fn view(&self) -> HostView {
        HostView(Arc::downgrade(&self.0))
    }

    /// The health checks of every part.
    pub fn health(&self) -> &HealthChecks {
        &self.0.health
    }

    /// The event bus.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Tells plugins that no more requests come, so that they end their own live streams. They go on serving what is
    /// under way; [`Host::stop`] stops them.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Host").field(&*self.live()).finish()
    }
}

/// What plugins see of the host. Does not keep it alive.
#[derive(Clone)]
pub struct HostView(pub(crate) Weak<Inner>);

impl HostView {
    /// What runs now; `None` once the host is gone.
    pub fn live(&self) -> Option<Arc<Live>> {
        self.0.upgrade().map(|inner| inner.live.load_full())
    }

    /// Every configured plugin, in startup order.
    pub fn plugins(&self) -> Vec<PluginReport> {
        self.live().map(|live| live.plugins()).unwrap_or_default()
    }

    /// The required plugins that are not running.
    pub fn missing(&self) -> Vec<PluginName> {
        let running = [PluginState::Active, PluginState::Degraded];
        let Some(live) = self.live() else { return Vec::new() };
        let gateway = live.slots.iter().filter(|slot| slot.planned.is_of_gateway());
        let abort = gateway.filter(|slot| slot.planned.failure_mode == crate::options::FailureMode::Abort);
        abort.filter(|slot| !running.contains(&slot.state)).map(|slot| slot.planned.entry.plugin.clone()).collect()
    }
}

impl std::fmt::Debug for HostView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostView")
    }
}
