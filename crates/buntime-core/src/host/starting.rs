//! A start under way: which instances go on, which are started, what becomes of those that fail.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::SystemTime,
};

use crate::{
    host::{
        Inner,
        instance::Instance,
        live::{Live, Slot},
        load_error::LoadError,
        plan::{InstanceId, Planned, Verdict},
        report::PluginState,
    },
    metadata::PluginName,
    options::FailureMode,
    services::Services,
};

pub(crate) struct Starting<'a> {
    before: Option<&'a Live>,
    slots_before: HashMap<InstanceId, &'a Slot>,
    force: Option<&'a PluginName>,
    pub(crate) services: Services,
    pub(crate) slots: Vec<Slot>,
    pub(crate) fresh: Vec<Arc<Instance>>,
    /// Plugins whose instance for the gateway is started anew: what depends on them is, too.
    anew: BTreeSet<PluginName>,
}

impl<'a> Starting<'a> {
    pub(crate) fn new(
        planned: &[Arc<Planned>],
        before: Option<&'a Live>,
        force: Option<&'a PluginName>,
        host_services: &Services,
    ) -> Self {
        let slots_before = before.map_or(&[][..], |live| &live.slots).iter();
        let mut this = Self {
            before,
            slots_before: slots_before.map(|slot| (slot.planned.id(), slot)).collect(),
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
        this.services = before.map_or(host_services, |live| live.services()).fork_without(&gone);
        this
    }

    /// The running instance that can be kept: same settings, and nothing it depends on is started anew.
    fn reusable(&self, planned: &Planned) -> Option<Arc<Instance>> {
        let before = self.slots_before.get(&planned.id())?;
        let same = planned.runs_like(&before.planned);
        before.instance.clone().filter(|_| same && self.may_stay(planned))
    }

    /// Is there nothing that makes it start anew, whatever its settings?
    pub(crate) fn may_stay(&self, planned: &Planned) -> bool {
        let mut needs = planned.depends_on.iter().chain(&planned.metadata.optional_depends_on);
        planned.verdict == Verdict::Start
            && self.force != Some(&planned.entry.plugin)
            && !needs.any(|dependency| self.anew.contains(dependency))
    }

    pub(crate) async fn next(&mut self, inner: &Arc<Inner>, planned: Arc<Planned>) -> Result<(), LoadError> {
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
                        return Err(LoadError::Startup { plugin: planned.entry.plugin.clone(), reason });
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

    async fn start(&mut self, inner: &Arc<Inner>, planned: Arc<Planned>) -> Result<(), LoadError> {
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

    fn failed(&mut self, planned: Arc<Planned>, reason: String) -> Result<(), LoadError> {
        let name = planned.entry.plugin.clone();
        // A change that breaks what ran, or what is new, is no change; what was broken before may stay so.
        let was_broken = self
            .slots_before
            .get(&planned.id())
            .is_some_and(|slot| slot.planned.entry == planned.entry && slot.instance.is_none());
        if planned.failure_mode == FailureMode::Abort || (self.before.is_some() && !was_broken) {
            return Err(match planned.said.last().filter(|_| !planned.is_of_gateway()) {
                Some(scope) => {
                    let reason = format!("it failed to start: {reason}");
                    LoadError::Scoped { scope: scope.clone(), plugin: name, reason }
                }
                None => LoadError::Startup { plugin: name, reason },
            });
        }
        let quarantined = planned.failure_mode == FailureMode::Quarantine;
        let (state, what) =
            if quarantined { (PluginState::Quarantined, "quarantined") } else { (PluginState::Failed, "left out") };
        tracing::error!(plugin = name.as_str(), "{what}: {reason}");
        self.put(planned, state, Some(reason), None);
        Ok(())
    }

    fn put(
        &mut self,
        planned: Arc<Planned>,
        state: PluginState,
        reason: Option<String>,
        instance: Option<Arc<Instance>>,
    ) {
        let before = self.slots_before.get(&planned.id());
        let kept = before.filter(|slot| {
            let same_instance = match (&slot.instance, &instance) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            slot.state == state && slot.reason == reason && same_instance
        });
        let since = kept.map_or_else(SystemTime::now, |slot| slot.since);
        self.slots.push(Slot { planned, state, reason, since, instance });
    }
}
