//! Changes of what runs: the first start, reload, restart, recovery, stop. Each is all or nothing.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};

use crate::{
    consumers::Consumers,
    host::{
        Host, HostView, Inner,
        book::Book,
        live::{Live, Set, Slot},
        load_error::LoadError,
        plan::{Plan, Planned, plan},
        program::{Catalog, Program},
        report::PluginState,
        starting::Starting,
    },
    metadata::PluginName,
    plugin::{Context, PluginContext},
    scope::Scope,
    services::Services,
};

const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What a change did. Published on the event bus once it is in place, the first start included.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changed {
    /// Started anew.
    pub started: Vec<PluginName>,
    /// Left running.
    pub kept: Vec<PluginName>,
    /// No longer running.
    pub gone: Vec<PluginName>,
}

impl Host {
    /// Applies another program. Instances whose settings did not change are kept; exchanges finish on the set they
    /// began with.
    ///
    /// # Errors
    /// Every problem at once, also of a changed plugin that does not start. Nothing changes then.
    pub async fn apply(&self, program: Program) -> Result<Changed, Vec<LoadError>> {
        let mut changing = self.0.changes.lock().await;
        let plan = plan(&changing.catalog, &program)?;
        let before = self.live();
        let program = Arc::new(program);
        let live = self.0.start_all(plan, &changing.catalog, &program, Some(&before), None).await?;
        changing.program = program;
        Ok(self.0.swap(live))
    }

    /// Checks a program without applying it.
    ///
    /// # Errors
    /// Every problem at once.
    pub async fn check(&self, program: &Program) -> Result<(), Vec<LoadError>> {
        plan(&self.0.changes.lock().await.catalog, program).map(drop)
    }

    /// What is configured now.
    pub async fn program(&self) -> Program {
        Program::clone(&self.0.changes.lock().await.program)
    }

    /// Starts a plugin anew, and those that depend on it. Lifts a quarantine.
    ///
    /// # Errors
    /// If it is not configured, or does not start; the old instance goes on then.
    pub async fn restart(&self, name: &PluginName) -> Result<Changed, Vec<LoadError>> {
        let changing = self.0.changes.lock().await;
        if !changing.program.lists(name) {
            return Err(vec![LoadError::UnknownPlugin { name: name.clone(), suggestion: None }]);
        }
        let plan = plan(&changing.catalog, &changing.program)?;
        let before = self.live();
        let live = self.0.start_all(plan, &changing.catalog, &changing.program, Some(&before), Some(name)).await?;
        Ok(self.0.swap(live))
    }

    /// Waits for exchanges that still have something to complete, then shuts the plugins down in reverse. All are
    /// visited, whatever fails. `grace` bounds the first part; each plugin has its own bound.
    pub async fn stop(&self, grace: Duration) {
        let mut changing = self.0.changes.lock().await;
        if std::mem::replace(&mut changing.stopped, true) {
            return;
        }
        self.drain();
        self.0.ended.cancel();
        self.0.around.tasks.close();
        if tokio::time::timeout(grace, self.0.around.tasks.wait()).await.is_err() {
            tracing::warn!("{} exchanges were not completed within the grace", self.0.around.tasks.len());
        }
        let live = self.live();
        for instance in live.book.iter().flat_map(|book| book.started()) {
            if let Err(reason) = instance.stop().await {
                tracing::warn!(plugin = instance.context.name().as_str(), "shutdown failed: {reason}");
            }
        }
        let mut slots = live.slots.clone();
        for slot in slots.iter_mut().rev() {
            let Some(instance) = slot.instance.take() else { continue };
            slot.since = SystemTime::now();
            slot.state = PluginState::Stopped;
            if let Err(reason) = instance.stop().await {
                tracing::warn!(plugin = slot.planned.entry.plugin.as_str(), "shutdown failed: {reason}");
                slot.state = PluginState::Failed;
                slot.reason = Some(reason);
            }
        }
        self.0.live.store(Arc::new(Live::stopped(slots, self.0.host_services.clone(), self.0.around.clone())));
        self.0.bounds.reaping.close();
        self.0.bounds.reaping.wait().await;
    }
}

impl Inner {
    /// Starts what the plan says and is not running already.
    ///
    /// # Errors
    /// If a plugin whose failure mode is `abort` fails, or on a change any that was changed. What was started by then
    /// is shut down in reverse.
    pub(crate) async fn start_all(
        self: &Arc<Self>,
        plan: Plan,
        catalog: &Catalog,
        program: &Arc<Program>,
        before: Option<&Live>,
        force: Option<&PluginName>,
    ) -> Result<Live, Vec<LoadError>> {
        let Plan { planned, paths, warnings } = plan;
        let mut start = Starting::new(&planned, before, force, &self.host_services);
        let scoped = paths.iter().flat_map(|path| &path.planned).filter(|one| !one.is_of_gateway());
        let mut seen = BTreeSet::new();
        let all: Vec<Arc<Planned>> =
            planned.iter().chain(scoped).filter(|one| seen.insert(one.id())).cloned().collect();
        let mut failed = Vec::new();
        for one in all {
            if let Err(error) = start.next(self, one).await {
                failed.push(error);
                break;
            }
        }
        let book = Arc::new(Book::new(Arc::downgrade(self), catalog.clone(), program.clone(), start.services.clone()));
        if failed.is_empty() {
            for slot in &start.slots {
                if let Some(instance) = &slot.instance {
                    book.know(slot.planned.id(), instance);
                }
            }
            if let Some(earlier) = before.and_then(|live| live.book.as_ref()) {
                book.take_over(earlier, |planned| start.may_stay(planned));
            }
            let set = Set { slots: start.slots, paths, book, program: program.clone(), warnings };
            match Live::freeze(set, start.services, self.around.clone()).await {
                Ok(live) => return Ok(live),
                Err(errors) => failed = errors,
            }
        }
        for instance in start.fresh.iter().rev() {
            if let Err(reason) = instance.stop().await {
                tracing::warn!(plugin = instance.context.name().as_str(), "shutdown failed: {reason}");
            }
        }
        Err(failed)
    }

    /// Puts the set in place, and sees to what it leaves: quarantined plugins are tried again.
    pub(crate) fn swap(self: &Arc<Self>, live: Live) -> Changed {
        let live = Arc::new(live);
        let before = self.live.swap(live.clone());
        let scopes = &live.program.scopes;
        self.keep.forget_others(|plugin, scope| match scope {
            // What a plugin keeps for the gateway may be shared by its instances of other levels.
            Scope::Gateway => live.program.lists(plugin),
            _ => scopes.level(scope).entries.iter().any(|one| one.plugin == *plugin),
        });
        self.consumers.store(Arc::new(Consumers::new(scopes.consumers.iter().map(|one| (&one.name, &*one.matches)))));
        let mut changed = Changed::default();
        let ran: HashSet<_> = before.slots.iter().filter_map(|s| s.instance.as_ref()).map(Arc::as_ptr).collect();
        for slot in &live.slots {
            let Some(instance) = &slot.instance else { continue };
            let list = if ran.contains(&Arc::as_ptr(instance)) { &mut changed.kept } else { &mut changed.started };
            if !list.contains(&slot.planned.entry.plugin) {
                list.push(slot.planned.entry.plugin.clone());
            }
        }
        let runs = |name: &PluginName| changed.started.contains(name) || changed.kept.contains(name);
        let were = before.slots.iter().filter(|slot| slot.instance.is_some());
        changed.gone = were.map(|slot| slot.planned.entry.plugin.clone()).filter(|name| !runs(name)).collect();
        changed.gone.dedup();
        for warning in live.warnings() {
            tracing::warn!("{warning}");
        }
        if live.slots.iter().any(recovers) {
            self.recover(&live);
        }
        self.events.publish(changed.clone());
        changed
    }

    /// Tries the quarantined plugins of this set again, with growing pauses, until it is no longer the live one.
    fn recover(self: &Arc<Self>, set: &Arc<Live>) {
        let set = Arc::downgrade(set);
        let inner = Arc::downgrade(self);
        let (ended, mut pause) = (self.ended.clone(), self.recovery);
        self.bounds.home.spawn(async move {
            loop {
                tokio::select! {
                    () = ended.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                let (Some(inner), Some(set)) = (inner.upgrade(), set.upgrade()) else { return };
                if !Arc::ptr_eq(&inner.live.load(), &set) || inner.retry_quarantined(&set).await {
                    return;
                }
            }
        });
    }

    /// True when something recovered and the set was swapped.
    async fn retry_quarantined(self: &Arc<Self>, set: &Arc<Live>) -> bool {
        let changing = self.changes.lock().await;
        if changing.stopped || !Arc::ptr_eq(&self.live.load(), set) {
            return true;
        }
        let Ok(plan) = plan(&changing.catalog, &changing.program) else { return false };
        let (catalog, program) = (&changing.catalog, &changing.program);
        let Ok(live) = self.start_all(plan, catalog, program, Some(set), None).await else { return false };
        let running = |live: &Live| live.slots.iter().filter(|slot| slot.instance.is_some()).count();
        if running(&live) == running(set) {
            return false;
        }
        self.swap(live);
        true
    }

    pub(crate) fn context(self: &Arc<Self>, planned: &Planned, services: &Services) -> PluginContext {
        let name = planned.entry.plugin.clone();
        let file_name = name.as_str().replace('/', "_");
        // What an instance of a more specific level provides is its own affair.
        let services =
            if planned.is_of_gateway() { services.clone() } else { services.fork_without(std::slice::from_ref(&name)) };
        PluginContext(Arc::new(Context {
            span: tracing::info_span!("plugin", plugin = name.as_str()),
            said: planned.said.clone(),
            merged: planned.merged.clone(),
            consumers: self.consumers.clone(),
            book: self.books.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_default().clone(),
            base: planned.base.clone(),
            settings: planned.entry.settings.clone(),
            data_dir: self.data_dir.join("plugins").join(file_name.trim_start_matches('@')),
            services,
            events: self.events.clone(),
            health: self.health.clone(),
            measures: self.measures.clone(),
            clock: self.around.clock.clone(),
            draining: self.draining.child_token(),
            cancel: self.ended.child_token(),
            tasks: tokio_util::task::TaskTracker::new(),
            keep: self.keep.clone(),
            host: HostView(Arc::downgrade(self)),
            name,
        }))
    }
}

fn recovers(slot: &Slot) -> bool {
    slot.state == PluginState::Quarantined && slot.planned.entry.options.recovery != Some(false)
}
