//! Starting: everything is judged and opened in an order that leaves nothing running when a step fails.

mod plugins;
mod running;

use std::{fmt, io, path::PathBuf, sync::Arc};

use buntime_config::{Diagnostics, Env, Loaded, ProcessEnv, Source};
use buntime_core::{Catalog, Finding, Host, health::Registered};
use buntime_database::{Registry, RegistryError};
use buntime_http::server::{BindError, ListenOptions, Server};
use tokio_util::sync::CancellationToken;

use self::plugins::Started;
pub(crate) use self::plugins::explain as explain_alone;
pub use self::running::{ReloadRefused, Running};
use crate::{
    admin::{self, Admin},
    catalog, databases,
    gateway::{Gateway, Shared},
    keeper::{Keeper, Origin, Parts},
    logging::Logging,
    overlay::merge::merge,
    program, settings, watch,
};

/// What to start.
pub struct Options {
    /// The configuration.
    pub source: Source,
    /// Plugins to add, as `--plugin` does.
    pub plugins: Vec<String>,
    /// The plugins that may be configured: [`catalog::builtin`], and those of the program that embeds the runner.
    pub catalog: Catalog,
    /// The environment; a test makes one up.
    pub env: Arc<dyn Env + Send + Sync>,
    /// Worker threads; `None` is one per core.
    pub workers: Option<usize>,
    /// Reload the file when it changes?
    pub watch: bool,
    /// Install logging for the process? A program that embeds the runner has its own.
    pub logging: bool,
}

impl Options {
    /// The plugins of this build, the environment of this process, the file watched, logging left alone.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            plugins: Vec::new(),
            catalog: catalog::builtin(),
            env: Arc::new(ProcessEnv),
            workers: None,
            watch: true,
            logging: false,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("source", &self.source).field("plugins", &self.plugins).finish_non_exhaustive()
    }
}

/// Why nothing was started. Each says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration, or a plugin that it asks for.
    #[error("{0}")]
    Config(Box<Diagnostics>),
    /// The port, the address, the certificate.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The data directory or the database in it.
    #[error("cannot use the data directory {}: {source}; set `dataDir` to a directory that this user may write", .path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        source: buntime_database::Error,
    },
    /// The databases do not go together.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is nothing to explain.
    #[error("{}", .0.detail())]
    Explain(buntime_core::Error),
    /// Threads could not be started.
    #[error("cannot start the server: {0}")]
    Server(#[from] io::Error),
}

/// Starts a runner. Must be called in a tokio runtime, which is the home of the plugins; requests are served by threads
/// of their own.
///
/// # Errors
/// See [`StartError`]. Nothing is left running then.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let origin =
        Origin { source: options.source, env: options.env, plugins: options.plugins, catalog: options.catalog };
    let text = match origin.source.file().filter(|_| options.watch) {
        Some(file) => watch::text(file).await,
        None => None,
    };
    let loaded = Arc::new(origin.load().map_err(config_error)?);
    let logging = if options.logging { Logging::install(&loaded.config.log) } else { None };
    say(&loaded);
    // A certificate that cannot be used is told at its place, and with everything else that `check` would find.
    if program::tls_files(&loaded.config).is_some_and(|files| files.load().is_err()) {
        let program = program::program(&loaded.config, &loaded.config.plugins, &origin.catalog);
        let found = program::preflight(&loaded, &origin.catalog, &program, &*origin.env).await;
        if !found.is_empty() {
            return Err(config_error(loaded.diagnostics(found)));
        }
    }
    let server = Server::bind(&ListenOptions {
        host: loaded.config.server.host.clone(),
        port: loaded.config.server.port,
        tls: program::tls_files(&loaded.config),
        limits: settings::limits(&loaded.config),
        workers: options.workers,
    })?;
    let registry = Arc::new(databases::open(&loaded, &*origin.env).await?);
    let starting = Starting { origin, loaded, logging, server, registry: Arc::clone(&registry) };
    match starting.go(options.watch.then_some(text)).await {
        Ok(running) => Ok(running),
        Err(error) => {
            registry.close().await;
            Err(error)
        }
    }
}

fn config_error(problems: Diagnostics) -> StartError {
    StartError::Config(Box::new(problems))
}

/// What a person should know of the configuration.
fn say(loaded: &Loaded) {
    program::tell(&loaded.warnings);
    if loaded.file.is_none() {
        let outcome = if loaded.config.plugins.is_empty() { ", so no plugin runs" } else { "" };
        tracing::warn!("no configuration file was found{outcome}; `runner init` writes a commented one");
    }
}

/// A start whose port and database are open.
struct Starting {
    origin: Origin,
    loaded: Arc<Loaded>,
    logging: Option<Logging>,
    server: Server,
    registry: Arc<Registry>,
}

impl Starting {
    /// `watched` is the file's text if the file is to be watched.
    async fn go(self, watched: Option<Option<Vec<u8>>>) -> Result<Running, StartError> {
        let config = &self.loaded.config;
        let control = Arc::clone(self.server.control());
        let stats = Arc::clone(control.stats());
        let Started { host, store, opening, current } =
            plugins::start(&self.origin, &self.loaded, &self.registry, &stats).await?;
        if merge(&config.plugins, &current.overlay, current.since).is_empty() {
            tracing::info!("no plugin is configured");
        }

        let shared = Arc::new(Shared::new(host.clone(), settings::Settings::of(config)));
        let mut checks = check_databases(&host, &self.registry);
        checks.push(check_draining(&host, &shared));
        let keeper = Keeper::new(Parts {
            origin: self.origin,
            shared: Arc::clone(&shared),
            store,
            control,
            logging: self.logging,
            opening,
            current,
        });
        let admin = admin::router(Admin { shared: Arc::clone(&shared), keeper: Arc::clone(&keeper) });
        let gateway = Gateway::new(Arc::clone(&shared), admin);
        let ended = CancellationToken::new();
        tokio::spawn(Arc::clone(&keeper).follow(ended.child_token()));
        if let Some(text) = watched {
            watch::watch(&keeper, text, &ended.child_token());
        }
        let (addr, tls) = (self.server.local_addr(), config.server.tls.is_some());
        let server = tokio::spawn(self.server.serve(gateway, ended.clone().cancelled_owned()));
        Ok(Running { addr, tls, host, shared, keeper, registry: self.registry, stats, server, ended, _checks: checks })
    }
}

fn check_databases(host: &Host, registry: &Registry) -> Vec<Registered> {
    let check = |adapter: &Arc<dyn buntime_database::Adapter>| {
        let checked = Arc::clone(adapter);
        host.health().register(format!("adapter:{}", adapter.kind()), move || {
            let adapter = Arc::clone(&checked);
            async move {
                match adapter.health().await {
                    Ok(()) => Finding::healthy(),
                    Err(error) => {
                        tracing::warn!(adapter = adapter.kind(), "a database is not well: {error}");
                        Finding::unhealthy(format!("It cannot be used ({})", error.kind().code()))
                    }
                }
            }
        })
    };
    registry.iter().map(|(adapter, _)| check(adapter)).collect()
}

/// Readiness of the health plugin follows ours.
fn check_draining(host: &Host, shared: &Arc<Shared>) -> Registered {
    let shared = Arc::downgrade(shared);
    host.health().register("runtime", move || {
        let reasons = shared.upgrade().map(|shared| shared.unready()).unwrap_or_default();
        async move { if reasons.is_empty() { Finding::healthy() } else { Finding::unhealthy(reasons.join("; ")) } }
    })
}
