//! Loading the file again: judged first, then applied, then swapped whole. A bad file changes nothing and is reported;
//! the last good configuration stays.

use std::{
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use buntime_config::{Diagnostics, Loaded, Problem};
use buntime_core::{Changed, Error};
use serde_json::Value;

use super::{Current, Keeper};
use crate::{
    overlay::merge::merge,
    program, services,
    settings::{Settings, limits},
};

/// What a reload did.
#[derive(Debug)]
pub(crate) struct Reloaded {
    /// To the plugins.
    pub(crate) changed: Changed,
    /// Keys whose change needs a restart.
    pub(crate) needs_restart: Vec<&'static str>,
    /// What is probably not as meant.
    pub(crate) warnings: Value,
}

/// Why nothing changed.
#[derive(Debug)]
pub(crate) enum ReloadError {
    /// The file is not good.
    Problems(Diagnostics),
    /// Something else.
    Failed(Error),
}

impl Keeper {
    /// Loads the file again. `reason` is for the log.
    pub(crate) async fn reload(self: &Arc<Self>, reason: &'static str) -> Result<Reloaded, ReloadError> {
        let keeper = Arc::clone(self);
        self.whole(async move { keeper.reload_here(reason).await }).await.map_err(ReloadError::Failed)?
    }

    async fn reload_here(&self, reason: &'static str) -> Result<Reloaded, ReloadError> {
        let mut current = self.current.lock().await;
        let result = self.load_and_apply(&mut current).await;
        drop(current);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(done) => {
                tracing::info!(
                    reason,
                    started = names(&done.changed.started),
                    gone = names(&done.changed.gone),
                    "configuration reloaded"
                );
                if !done.needs_restart.is_empty() {
                    tracing::warn!("a restart is needed for the change of {}", done.needs_restart.join(", "));
                }
                status.loaded_at = Some(SystemTime::now());
                status.failure = None;
                status.needs_restart.clone_from(&done.needs_restart);
            }
            Err(ReloadError::Problems(problems)) => {
                tracing::error!(reason, "the configuration was not reloaded; the last good one stays:\n{problems}");
                status.failure = Some((SystemTime::now(), problems.to_json()));
            }
            Err(ReloadError::Failed(error)) => {
                tracing::error!(reason, "the configuration was not reloaded: {}", error.report());
            }
        }
        result
    }

    async fn load_and_apply(&self, current: &mut Current) -> Result<Reloaded, ReloadError> {
        let loaded = Arc::new(self.origin.load().map_err(ReloadError::Problems)?);
        program::tell(&loaded.warnings);
        let refused = |loaded: &Loaded, problems| ReloadError::Problems(loaded.diagnostics(problems));
        let config = &loaded.config;
        let tls = program::tls_files(config);
        let mut found = Vec::new();
        if let Some(Err(error)) = tls.as_ref().map(|files| files.load().map(drop)) {
            found.push(Problem::at("/server/tls", error.to_string()));
        }
        // What nodes that share the database changed meanwhile comes with it.
        let overlay = self.store.load().await.map_err(|error| ReloadError::Failed(Error::internal(error)))?;
        let overlay = overlay.without_unknown(&self.origin.catalog);
        // Judged before services are opened: their targets are shared with those that run.
        let entries = merge(&config.plugins, &overlay, overlay.version);
        if let Err(errors) = self.host.check(&program::program(config, &entries, self.catalog())).await {
            found.extend(program::problems(&errors, config, &overlay));
        }
        if !found.is_empty() {
            found.extend(services::judge(config));
            return Err(refused(&loaded, found));
        }
        let services = self.opening.open(config, Some(&current.services));
        let services = services.map_err(|problems| refused(&loaded, problems))?;
        let next = Current { loaded, services, since: overlay.version, overlay };
        // Before the plugins start: those that name a service must find it.
        next.services.publish(&self.opening);
        let applied = self.host.apply(next.program(self.catalog())).await;
        let changed = applied.map_err(|errors| {
            current.services.publish(&self.opening);
            refused(&next.loaded, program::problems(&errors, &next.loaded.config, &next.overlay))
        })?;
        let config = &next.loaded.config;
        self.control.set_limits(limits(config));
        if let Some(Err(error)) = tls.map(|files| self.control.set_tls(&files)) {
            tracing::error!("the certificate changed while it was read, and the old one stays: {error}");
        }
        self.shared.settings.store(Arc::new(Settings::of(config)));
        if let Some(logging) = &self.logging {
            logging.apply(&config.log);
        }
        *self.checks.lock().unwrap_or_else(PoisonError::into_inner) = next.services.checks(self.host.health());
        // What no longer runs is let go of now, not with the next request.
        self.shared.routes.current();
        // Against what the listener was started with, not against the last reload.
        let needs_restart = program::needs_restart(&self.started.config, config);
        let of_services = next.loaded.diagnostics(next.services.warnings(config));
        program::tell(&of_services);
        let mut warnings = next.loaded.warnings.to_json();
        if let (Value::Array(all), Value::Array(more)) = (&mut warnings, of_services.to_json()) {
            all.extend(more);
        }
        *current = next;
        Ok(Reloaded { changed, needs_restart, warnings })
    }
}

fn names(list: &[buntime_core::PluginName]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
