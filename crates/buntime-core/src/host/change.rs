//! Changes of what runs: the first start, reload, restart, recovery, stop. Each is all or nothing.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    host::{
        Host, HostView, Inner,
        instance::Instance,
        live::{Live, Slot},
        plan::{LoadError, Plan, Planned, Program, Verdict, plan},
        report::PluginState,
    },
    metadata::PluginName,
    options::FailureMode,
    plugin::{Context, PluginContext, Scope},
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
        let Plan { planned, warnings } = plan(&changing.catalog, &program)?;
        let before = self.live();
        let live = self.0.start_all(planned, warnings, Some(&before), None).await.map_err(|error| vec![error])?;
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
        self.0.changes.lock().await.program.clone()
    }

    /// Starts a plugin anew, and those that depend on it. Lifts a quarantine.
    ///
    /// # Errors
    /// If it is not configured, or does not start; the old instance goes on then.
    pub async fn restart(&self, name: &PluginName) -> Result<Changed, Vec<LoadError>> {
        let changing = self.0.changes.lock().await;
        let known = changing.program.entries.iter().any(|entry| entry.plugin == *name);
        if !known {
            return Err(vec![LoadError::UnknownPlugin { name: name.clone(), suggestion: None }]);
        }
        let Plan { planned, warnings } = plan(&changing.catalog, &changing.program)?;
        let before = self.live();
        let live = self.0.start_all(planned, warnings, Some(&before), Some(name)).await.map_err(|error| vec![error])?;
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
        let mut slots = self.live().slots.clone();
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
        if let Ok(live) = Live::freeze(slots, self.0.host_services.clone(), self.0.around.clone(), Vec::new()) {
            self.0.live.store(Arc::new(live));
        }
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
        planned: Vec<Planned>,
        warnings: Vec<String>,
        before: Option<&Live>,
        force: Option<&PluginName>,
    ) -> Result<Live, LoadError> {
        let mut start = Starting::new(&planned, before, force, &self.host_services);
        for one in planned {
            if let Err(error) = start.next(self, one).await {
                for instance in start.fresh.iter().rev() {
                    if let Err(reason) = instance.stop().await {
                        tracing::warn!(plugin = instance.context.name().as_str(), "shutdown failed: {reason}");
                    }
                }
                return Err(error);
            }
        }
        Live::freeze(start.slots, start.services, self.around.clone(), warnings)
    }

    /// Puts the set in place, and sees to what it leaves: quarantined plugins are tried again.
    pub(crate) fn swap(self: &Arc<Self>, live: Live) -> Changed {
        let live = Arc::new(live);
        let before = self.live.swap(live.clone());
        let mut changed = Changed::default();
        for slot in &live.slots {
            let Some(instance) = &slot.instance else { continue };
            let kept = before.slots.iter().filter_map(|s| s.instance.as_ref()).any(|i| Arc::ptr_eq(i, instance));
            let list = if kept { &mut changed.kept } else { &mut changed.started };
            list.push(slot.planned.entry.plugin.clone());
        }
        let runs = |name: &PluginName| changed.started.contains(name) || changed.kept.contains(name);
        let were = before.slots.iter().filter(|slot| slot.instance.is_some());
        changed.gone = were.map(|slot| slot.planned.entry.plugin.clone()).filter(|name| !runs(name)).collect();
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
        let Ok(Plan { planned, warnings }) = plan(&changing.catalog, &changing.program) else { return false };
        let Ok(live) = self.start_all(planned, warnings, Some(set), None).await else { return false };
        let running = |live: &Live| live.slots.iter().filter(|slot| slot.instance.is_some()).count();
        if running(&live) == running(set) {
            return false;
        }
        self.swap(live);
        true
    }

    fn context(self: &Arc<Self>, planned: &Planned, services: &Services) -> PluginContext {
        let name = planned.entry.plugin.clone();
        let file_name = name.as_str().replace('/', "_");
        PluginContext(Arc::new(Context {
            span: tracing::info_span!("plugin", plugin = name.as_str()),
            scope: Scope::Gateway,
            base: planned.base.clone(),
            settings: planned.entry.settings.clone(),
            data_dir: self.data_dir.join("plugins").join(file_name.trim_start_matches('@')),
            services: services.clone(),
            events: self.events.clone(),
            health: self.health.clone(),
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

/// A start under way.
struct Starting<'a> {
    before: Option<&'a Live>,
    force: Option<&'a PluginName>,
    services: Services,
    slots: Vec<Slot>,
    fresh: Vec<Arc<Instance>>,
    anew: BTreeSet<PluginName>,
}

impl<'a> Starting<'a> {
    fn new(
        planned: &[Planned],
        before: Option<&'a Live>,
        force: Option<&'a PluginName>,
        host_services: &Services,
    ) -> Self {
        let mut this = Self {
            before,
            force,
            services: Services::default(),
            slots: Vec::new(),
            fresh: Vec::new(),
            anew: BTreeSet::new(),
        };
        // Services of instances that are replaced or gone must not be found by those that start now.
        for one in planned {
            if this.reusable(one).is_none() {
                this.anew.insert(one.entry.plugin.clone());
            }
        }
        let mut gone: Vec<PluginName> = this.anew.iter().cloned().collect();
        if let Some(before) = before {
            let dropped = before.slots.iter().map(|s| &s.planned.entry.plugin);
            gone.extend(dropped.filter(|n| !planned.iter().any(|p| p.entry.plugin == **n)).cloned());
        }
        this.services = before.map_or(host_services, |live| &live.services).fork_without(&gone);
        this
    }

    /// The running instance that can be kept: same settings, and nothing it depends on is started anew.
    fn reusable(&self, planned: &Planned) -> Option<Arc<Instance>> {
        let name = &planned.entry.plugin;
        let before = self.before?.slots.iter().find(|slot| slot.planned.entry.plugin == *name)?;
        let same = before.planned.entry.settings == planned.entry.settings
            && before.planned.base == planned.base
            && before.planned.entry.options.breaker == planned.entry.options.breaker
            && before.planned.entry.options.hook_priorities == planned.entry.options.hook_priorities;
        let mut needs = planned.depends_on.iter().chain(&planned.metadata.optional_depends_on);
        let stands = planned.verdict == Verdict::Start
            && self.force != Some(name)
            && !needs.any(|dependency| self.anew.contains(dependency));
        before.instance.clone().filter(|_| same && stands)
    }

    async fn next(&mut self, inner: &Arc<Inner>, planned: Planned) -> Result<(), LoadError> {
        match planned.verdict.clone() {
            Verdict::Disabled(reason) => self.put(planned, PluginState::Disabled, Some(reason), None),
            Verdict::Unfit(reason) => return self.failed(planned, reason),
            Verdict::Start => {
                let runs = |name: &PluginName| {
                    self.slots.iter().any(|slot| slot.instance.is_some() && slot.planned.entry.plugin == *name)
                };
                if let Some(missing) = planned.depends_on.iter().find(|name| !runs(name)) {
                    let reason = format!("it waits for `{missing}`");
                    if planned.failure_mode == FailureMode::Abort {
                        return Err(LoadError::Startup { plugin: planned.entry.plugin, reason });
                    }
                    self.put(planned, PluginState::Waiting, Some(reason), None);
                } else if let Some(instance) = self.reusable(&planned) {
                    self.put(planned, PluginState::Active, None, Some(instance));
                } else {
                    return self.start(inner, planned).await;
                }
            }
        }
        Ok(())
    }

    async fn start(&mut self, inner: &Arc<Inner>, planned: Planned) -> Result<(), LoadError> {
        let context = inner.context(&planned, &self.services);
        match Instance::start(&planned, context, &inner.bounds).await {
            Ok(instance) => {
                let instance = Arc::new(instance);
                self.fresh.push(instance.clone());
                tracing::debug!(plugin = planned.entry.plugin.as_str(), "started");
                self.put(planned, PluginState::Active, None, Some(instance));
                Ok(())
            }
            Err(reason) => self.failed(planned, reason),
        }
    }

    fn failed(&mut self, planned: Planned, reason: String) -> Result<(), LoadError> {
        let name = planned.entry.plugin.clone();
        // A change that breaks what ran, or what is new, is no change; what was broken before may stay so.
        let was_broken = self.before.is_some_and(|live| {
            live.slots.iter().any(|slot| slot.planned.entry == planned.entry && slot.instance.is_none())
        });
        if planned.failure_mode == FailureMode::Abort || (self.before.is_some() && !was_broken) {
            return Err(LoadError::Startup { plugin: name, reason });
        }
        let quarantined = planned.failure_mode == FailureMode::Quarantine;
        let (state, what) =
            if quarantined { (PluginState::Quarantined, "quarantined") } else { (PluginState::Failed, "left out") };
        tracing::error!(plugin = name.as_str(), "{what}: {reason}");
        self.put(planned, state, Some(reason), None);
        Ok(())
    }

    fn put(&mut self, planned: Planned, state: PluginState, reason: Option<String>, instance: Option<Arc<Instance>>) {
        let before = self.before.and_then(|live| {
            let same = |slot: &&Slot| slot.planned.entry.plugin == planned.entry.plugin && slot.state == state;
            live.slots.iter().find(same).filter(|slot| slot.reason == reason)
        });
        let kept = before.filter(|slot| match (&slot.instance, &instance) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        });
        let since = kept.map_or_else(SystemTime::now, |slot| slot.since);
        self.slots.push(Slot { planned, state, reason, since, instance });
    }
}
