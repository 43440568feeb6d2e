//! Keeps what is configured in force: the file, what the admin API changed on top of it, and what other nodes that
//! share the database changed. One change at a time; each is applied whole or not at all.

mod change;
mod reload;
mod sync;

use std::{
    future::Future,
    sync::{Arc, Mutex as Lock, PoisonError},
    time::SystemTime,
};

use buntime_config::{Context, Diagnostics, Env, Loaded, PluginEntry, Source, load};
use buntime_core::{Attached, Catalog, Error, Host, Program, health::Registered};
use buntime_http::server::Control;
use serde_json::{Value, json};
use tokio::{runtime::Handle, sync::Mutex};

pub(crate) use self::{
    change::{Edit, Place, unknown},
    reload::ReloadError,
};
use crate::{
    catalog::Known,
    gateway::Shared,
    logging::Logging,
    overlay::{Overlay, merge::merge, store::Store},
    program,
    services::{Opening, Services},
};

/// Where the configuration is read from, and by what it is judged.
pub(crate) struct Origin {
    pub(crate) source: Source,
    pub(crate) env: Arc<dyn Env + Send + Sync>,
    /// From `--plugin`.
    pub(crate) plugins: Vec<String>,
    pub(crate) catalog: Catalog,
}

impl Origin {
    pub(crate) fn load(&self) -> Result<Loaded, Diagnostics> {
        let catalog = Known(&self.catalog);
        load(&self.source, &Context { catalog: &catalog, env: &*self.env, plugins: &self.plugins })
    }
}

/// What is in force.
pub(crate) struct Current {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) overlay: Overlay,
    /// Those of the file.
    pub(crate) services: Arc<Services>,
    /// The overlay's version when the file was loaded: what was changed later wins over it.
    pub(crate) since: i64,
}

impl Current {
    /// Another of the same.
    fn same(&self) -> Self {
        Self {
            loaded: Arc::clone(&self.loaded),
            overlay: self.overlay.clone(),
            services: Arc::clone(&self.services),
            since: self.since,
        }
    }

    pub(crate) fn entries(&self) -> Vec<PluginEntry> {
        merge(&self.loaded.config.plugins, &self.overlay, self.since)
    }

    pub(crate) fn program(&self, catalog: &Catalog) -> Program {
        let program = program::program(&self.loaded.config, &self.entries(), catalog);
        Program { data: Attached::new(Arc::clone(&self.services)), ..program }
    }
}

/// How the last reloads went, for the admin API.
#[derive(Default)]
struct Status {
    loaded_at: Option<SystemTime>,
    failure: Option<(SystemTime, Value)>,
    needs_restart: Vec<&'static str>,
}

/// See the module.
pub(crate) struct Keeper {
    origin: Origin,
    host: Host,
    shared: Arc<Shared>,
    store: Store,
    control: Arc<Control>,
    logging: Option<Logging>,
    opening: Opening,
    /// Of the upstreams in force.
    checks: Lock<Vec<Registered>>,
    /// Where plugins are started, whoever asks for it.
    home: Handle,
    /// What the listener was started with.
    started: Arc<Loaded>,
    current: Mutex<Current>,
    status: Lock<Status>,
}

/// What a keeper is made of.
pub(crate) struct Parts {
    pub(crate) origin: Origin,
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Store,
    pub(crate) control: Arc<Control>,
    pub(crate) logging: Option<Logging>,
    pub(crate) opening: Opening,
    pub(crate) current: Current,
}

impl Keeper {
    /// To be called on the runtime that plugins live on.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let checks = parts.current.services.checks(parts.shared.host.health());
        let status = Status { loaded_at: Some(SystemTime::now()), ..Status::default() };
        Arc::new(Self {
            host: parts.shared.host.clone(),
            origin: parts.origin,
            shared: parts.shared,
            store: parts.store,
            control: parts.control,
            logging: parts.logging,
            opening: parts.opening,
            checks: Lock::new(checks),
            home: Handle::current(),
            started: Arc::clone(&parts.current.loaded),
            current: Mutex::new(parts.current),
            status: Lock::new(status),
        })
    }

    /// Runs a change to its end on the home runtime, even if who asked for it goes away meanwhile.
    async fn whole<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        self.home.spawn(change).await.map_err(Error::internal)
    }

    /// The file in force.
    pub(crate) async fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.lock().await.loaded)
    }

    /// Every plugin entry in force.
    pub(crate) async fn entries(&self) -> Vec<PluginEntry> {
        self.current.lock().await.entries()
    }

    /// The configuration in force, secrets masked, and how it came to be under `$status`.
    pub(crate) async fn effective(&self) -> Value {
        let current = self.current.lock().await;
        let mut value = current.loaded.effective();
        value["plugins"] = serde_json::to_value(current.entries()).unwrap_or_default();
        drop(current);
        value["$status"] = self.status();
        value
    }

    fn status(&self) -> Value {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value = json!({
            "file": self.origin.source.file().map(|file| file.display().to_string()),
            "loadedAt": status.loaded_at.map(seconds),
            "needsRestart": status.needs_restart,
        });
        if let Some((at, problems)) = &status.failure {
            value["lastFailure"] = json!({ "at": seconds(*at), "problems": problems });
        }
        value
    }

    /// The JSON schema of the file.
    pub(crate) fn schema(&self) -> Value {
        buntime_config::schema(&Known(&self.origin.catalog))
    }

    /// How long running exchanges may take when the runner stops.
    pub(crate) fn grace(&self) -> std::time::Duration {
        self.control.limits().shutdown_grace
    }

    /// The plugins that the program knows.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.origin.catalog
    }

    /// Ends what services do in the background.
    pub(crate) fn end_services(&self) {
        self.opening.end();
    }

    /// The file that is watched.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        self.origin.source.file()
    }
}

/// Since 1970, with milliseconds.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64 / 1000.0)
}
