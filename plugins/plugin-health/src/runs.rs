//! Runs of the checks. There is at most one at a time, whoever asks and however often: those who come while it is under
//! way share it, those who come shortly after get its result. It is the plugin's own task, so that clients who leave do
//! not make it begin again.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use buntime_core::{Error, ErrorKind, PluginContext};
use tokio::sync::watch;

use crate::{HealthSettings, report::Report};

/// Makes reports.
pub(crate) struct Runs {
    context: PluginContext,
    settings: HealthSettings,
    /// When the plugin was first started in this process.
    started: Instant,
    last: Mutex<Last>,
}

type Pending = watch::Receiver<Option<Arc<Report>>>;

enum Last {
    None,
    Running(Pending),
    Done(Instant, Arc<Report>),
}

impl Runs {
    pub(crate) fn new(context: PluginContext, settings: HealthSettings) -> Arc<Self> {
        let now = context.clock().now();
        let started = *context.keep("started", || now);
        Arc::new(Self { context, settings, started, last: Mutex::new(Last::None) })
    }

    pub(crate) fn settings(&self) -> &HealthSettings {
        &self.settings
    }

    /// The report: a recent one, or that of the run under way, or of a new one.
    ///
    /// # Errors
    /// If the plugin is stopped meanwhile.
    pub(crate) async fn report(self: &Arc<Self>) -> Result<Arc<Report>, Error> {
        let mut pending = match self.join() {
            Ok(report) => return Ok(report),
            Err(pending) => pending,
        };
        let report = pending.wait_for(Option::is_some).await.ok().and_then(|report| report.clone());
        report.ok_or_else(|| Error::new(ErrorKind::ShuttingDown).with_detail("The health checks were cut short"))
    }

    fn join(self: &Arc<Self>) -> Result<Arc<Report>, Pending> {
        let mut last = self.last();
        match &*last {
            Last::Done(at, report) if self.now().duration_since(*at) < *self.settings.cache_for => {
                return Ok(report.clone());
            }
            // An error means that the run was cut short.
            Last::Running(pending) if pending.has_changed().is_ok() => return Err(pending.clone()),
            Last::None | Last::Running(_) | Last::Done(..) => {}
        }
        let (done, pending) = watch::channel(None);
        *last = Last::Running(pending.clone());
        let runs = self.clone();
        self.context.spawn(async move {
            let uptime = runs.now().duration_since(runs.started);
            let report = Arc::new(Report::make(&runs.context, &runs.settings, uptime).await);
            *runs.last() = Last::Done(runs.now(), report.clone());
            // Nobody may be waiting any more.
            let _ = done.send(Some(report));
        });
        Err(pending)
    }

    fn now(&self) -> Instant {
        self.context.clock().now()
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
