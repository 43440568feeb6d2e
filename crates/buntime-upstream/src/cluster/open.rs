//! Opening a cluster: new targets, those taken over, and the tasks that watch them.

use std::sync::{Arc, Mutex, atomic::Ordering::Relaxed};

use arc_swap::ArcSwap;
use buntime_config::model::{Target as TargetSettings, TargetUrl, Upstream as Settings};
use buntime_core::breaker::Breaker;
use tokio_util::sync::CancellationToken;

use super::{
    Cluster, SetupError,
    budget::Budget,
    mirror::Mirror,
    options::{ClusterOptions, Surroundings},
    policy::Policy,
    rota::Rota,
    target::{Commons, Member, Passive, Target},
    watch,
    wire::Wire,
};

impl Cluster {
    /// Opens the upstream of a service; connects when the first request comes. In a tokio runtime, where health is
    /// checked or names are looked up.
    ///
    /// `before`: the cluster it takes the place of. What is known of targets that both have (the same URL, reached in
    /// the same way) is taken over: connections, health, breakers, counts, what an operator said, and who waits.
    ///
    /// # Errors
    /// See [`SetupError`]; each says what to change.
    pub fn open(
        name: &str,
        settings: &Settings,
        options: &ClusterOptions,
        around: &Surroundings,
        before: Option<&Cluster>,
    ) -> Result<Arc<Self>, SetupError> {
        let mut policy = Policy::new(settings);
        let spread = !settings.dns.refresh.is_zero();
        let tasks = around.cancelled.child_token();
        let commons =
            before.map_or_else(|| Arc::new(Commons::new(around.clock.clone())), |before| Arc::clone(&before.commons));
        let passive = settings.health.passive;
        let eligible = settings.targets.iter().filter(|target| target.weight > 0).count();
        let opening = Opening { settings, options, around, before, commons: &commons, spread };
        let members = settings.targets.iter().enumerate().map(|(index, target)| {
            let passive = passive.map(|passive| Passive::new(passive, eligible));
            opening.member(index, target, passive)
        });
        let members: Box<[Arc<Member>]> = members.collect::<Result<_, _>>()?;
        policy.spreads = members.iter().any(|member| member.target.wire.name().is_some());
        let mirror = settings.mirror.as_ref();
        let mirror = mirror.map(|mirror| Mirror::open(mirror, options, tasks.clone())).transpose()?;
        opening.settle(&members);
        opening.watch(&members, &tasks);
        let now = around.clock.now();
        let rota = Rota::new(&members, policy.rules, commons.version(), now);
        let cluster = Arc::new(Self {
            name: name.into(),
            budget: Budget::new(settings.retry.budget, now, commons.tally.requests.load(Relaxed)),
            policy,
            mirror,
            breaker: settings.breaker,
            rota: ArcSwap::from_pointee(rota),
            making: Mutex::default(),
            is_plain: false,
            members,
            _tasks: tasks.drop_guard(),
            commons,
        });
        // Who waits may go to targets that are new.
        cluster.commons.line.call();
        Ok(cluster)
    }

    /// Says what opening would fail with; opens nothing.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn check(settings: &Settings) -> Result<(), SetupError> {
        let options = ClusterOptions::of(settings);
        let targets = settings.targets.iter().map(|target| &target.url);
        for url in targets.chain(settings.mirror.as_ref().map(|mirror| &mirror.target)) {
            Wire::open(url.as_str(), &options, false)?;
        }
        Ok(())
    }

    /// One target without any feature: no retries, no health, nothing that waits. Costs next to nothing over asking it
    /// directly, and cannot say how long its answers take.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn single(
        name: &str,
        url: TargetUrl,
        options: &ClusterOptions,
        around: &Surroundings,
        before: Option<&Cluster>,
    ) -> Result<Arc<Self>, SetupError> {
        let mut settings = Settings::new(vec![TargetSettings::new(url)]);
        settings.retries = 0;
        settings.dns.refresh = buntime_core::units::Span::secs(0);
        let before = before.filter(|before| before.is_plain);
        let mut cluster = Self::open(name, &settings, options, around, before)?;
        if let Some(cluster) = Arc::get_mut(&mut cluster) {
            cluster.is_plain = true;
        }
        Ok(cluster)
    }
}

struct Opening<'a> {
    settings: &'a Settings,
    options: &'a ClusterOptions,
    around: &'a Surroundings,
    before: Option<&'a Cluster>,
    commons: &'a Arc<Commons>,
    spread: bool,
}

impl Opening<'_> {
    fn member(
        &self,
        index: usize,
        settings: &TargetSettings,
        passive: Option<Passive>,
    ) -> Result<Arc<Member>, SetupError> {
        let url = settings.url.as_str();
        let known = self.before.and_then(|before| before.members.iter().find(|member| &*member.target.url == url));
        let same_way =
            |member: &&Arc<Member>| member.target.options == *self.options && member.target.spread == self.spread;
        let target = match known.filter(same_way) {
            Some(member) => Arc::clone(&member.target),
            None => {
                let wire = Wire::open(url, self.options, self.spread)?;
                let since = self.before.map(|_| self.around.clock.now());
                let target =
                    Target::new(url.into(), wire, self.options.clone(), self.spread, Arc::clone(self.commons), since);
                if let Some(known) = known {
                    target.set(known.target.view(self.around.clock.now()).wanted);
                }
                Arc::new(target)
            }
        };
        // The same breaker, unless it is to judge otherwise.
        let breaker = self.settings.breaker.map(|options| {
            let same = self.before.filter(|before| before.breaker == Some(options)).and(known);
            let kept = same.and_then(|member| member.breaker.clone());
            kept.unwrap_or_else(|| Arc::new(Breaker::new(options, self.around.clock.clone())))
        });
        Ok(Arc::new(Member {
            index,
            target,
            weight: settings.weight,
            tier: settings.priority,
            max: settings.max_connections,
            breaker,
            passive,
        }))
    }

    /// What was known by means that are no longer used is forgotten.
    fn settle(&self, members: &[Arc<Member>]) {
        let now = self.around.clock.now();
        let mut ejected = 0;
        for member in members {
            if self.settings.health.active.is_none() {
                member.target.unchecked();
            }
            if self.settings.health.passive.is_none() {
                member.target.readmit();
            }
            ejected += u32::from(member.target.view(now).ejected_until.is_some());
        }
        self.commons.ejected.store(ejected, Relaxed);
    }

    fn watch(&self, members: &[Arc<Member>], tasks: &CancellationToken) {
        // Outside a runtime nothing is watched: a program that only wants to choose.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        for member in members {
            let target = &member.target;
            if target.wire.name().is_some() {
                let (resolver, refresh) = (Arc::clone(&self.around.resolver), *self.settings.dns.refresh);
                runtime.spawn(watch::look_up(Arc::clone(target), resolver, refresh, tasks.clone()));
            }
            if let Some(active) = &self.settings.health.active {
                runtime.spawn(watch::check(Arc::clone(target), active.clone(), tasks.clone()));
            }
        }
    }
}
