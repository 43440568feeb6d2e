//! What consumers add to paths, and the instances that were started for them.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::{
    host::{
        Inner,
        branches::{MOST_BRANCHES, OfPath},
        instance::Instance,
        plan::{InstanceId, Planned, Verdict, plan_path},
        program::{Catalog, Program},
    },
    metadata::PluginName,
    scope::Scope,
    services::Services,
};

/// What the consumers of one program add to paths, and the instances that were started for them.
pub(crate) struct Book {
    pub(super) inner: Weak<Inner>,
    pub(super) catalog: Catalog,
    pub(super) program: Arc<Program>,
    services: Services,
    /// The combination of each consumer that adds anything.
    pub(super) combination: HashMap<Arc<str>, u32>,
    pub(super) combinations: Vec<Vec<Scope>>,
    /// Those of the paths themselves, which others keep alive.
    of_paths: Mutex<HashMap<InstanceId, Weak<Instance>>>,
    /// Those started for consumers.
    own: Mutex<BTreeMap<InstanceId, Arc<Instance>>>,
    /// What was built, the oldest first.
    built: Mutex<VecDeque<(Weak<OfPath>, u32)>>,
}

impl Book {
    pub(crate) fn new(inner: Weak<Inner>, catalog: Catalog, program: Arc<Program>, services: Services) -> Self {
        let mut combinations: Vec<Vec<Scope>> = Vec::new();
        let mut numbers: HashMap<Vec<Scope>, u32> = HashMap::new();
        let mut combination = HashMap::new();
        for consumer in &program.scopes.consumers {
            let adds = program.scopes.of_consumer(consumer);
            if adds.is_empty() {
                continue;
            }
            let number = *numbers.entry(adds.clone()).or_insert_with(|| {
                combinations.push(adds);
                u32::try_from(combinations.len() - 1).unwrap_or(u32::MAX)
            });
            combination.insert(consumer.name.clone(), number);
        }
        Self {
            inner,
            catalog,
            program,
            services,
            combination,
            combinations,
            of_paths: Mutex::default(),
            own: Mutex::default(),
            built: Mutex::default(),
        }
    }

    /// Does no consumer add anything?
    pub(crate) fn is_empty(&self) -> bool {
        self.combinations.is_empty()
    }

    /// Tells it of an instance that paths have.
    pub(crate) fn know(&self, id: InstanceId, instance: &Arc<Instance>) {
        lock(&self.of_paths).insert(id, Arc::downgrade(instance));
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Any running instance of a plugin.
    pub(crate) fn any_of(&self, plugin: &PluginName) -> Option<Arc<Instance>> {
        let of_paths = lock(&self.of_paths);
        let mut running = of_paths.iter().filter(|((name, _), _)| name == plugin).filter_map(|(_, one)| one.upgrade());
        running.next().or_else(|| {
            lock(&self.own).iter().find(|((name, _), _)| name == plugin).map(|(_, instance)| instance.clone())
        })
    }

    /// Instances that were started for consumers, to be looked for by the book of the next program.
    pub(crate) fn started(&self) -> Vec<Arc<Instance>> {
        lock(&self.own).values().cloned().collect()
    }

    /// Takes over those of an earlier book that would be the same here.
    pub(crate) fn take_over(&self, earlier: &Self, is_same: impl Fn(&Planned) -> bool) {
        let wanted = self.wanted();
        for instance in earlier.started() {
            let planned = &instance.planned;
            let of_consumers: Vec<&Scope> = planned.said.iter().filter(|scope| scope.is_of_consumers()).collect();
            // Nobody may be in just these groups any more.
            if !wanted.contains(&(&planned.entry.plugin, of_consumers)) {
                continue;
            }
            let below: Vec<Scope> =
                instance.planned.said.iter().filter(|scope| **scope != Scope::Gateway).cloned().collect();
            // A path of just those levels plans it the same as any other that has them.
            let Ok(path) = plan_path(&self.catalog, &self.program, &below) else { continue };
            let same = |one: &&Arc<Planned>| one.verdict == Verdict::Start && one.runs_like(&instance.planned);
            if let Some(planned) = path.iter().find(same)
                && is_same(planned)
            {
                lock(&self.own).insert(planned.id(), instance);
            }
        }
    }

    /// Which groups and consumers together say something of which plugin.
    fn wanted(&self) -> HashSet<(&PluginName, Vec<&Scope>)> {
        let scopes = &self.program.scopes;
        let mut wanted: HashSet<(&PluginName, Vec<&Scope>)> = HashSet::new();
        for combination in &self.combinations {
            let mut of_plugin: BTreeMap<&PluginName, Vec<&Scope>> = BTreeMap::new();
            for scope in combination {
                for entry in scopes.level(scope).entries {
                    of_plugin.entry(&entry.plugin).or_default().push(scope);
                }
            }
            wanted.extend(of_plugin);
        }
        wanted
    }

    /// A running instance of what was planned; started now if there is none.
    pub(crate) async fn instance(&self, planned: &Arc<Planned>) -> Result<Arc<Instance>, String> {
        let id = planned.id();
        if let Some(running) = lock(&self.of_paths).get(&id).and_then(Weak::upgrade) {
            return Ok(running);
        }
        if let Some(running) = lock(&self.own).get(&id) {
            return Ok(running.clone());
        }
        let inner = self.inner.upgrade().ok_or("the host has ended")?;
        let context = inner.context(planned, &self.services);
        let started = Arc::new(Instance::start(planned, context, &inner.bounds).await?);
        // Another path may have started one meanwhile.
        Ok(lock(&self.own).entry(id).or_insert(started).clone())
    }

    /// Notes what was built, and makes room.
    pub(super) fn note(&self, path: &Arc<OfPath>, number: u32) {
        let mut built = lock(&self.built);
        built.push_back((Arc::downgrade(path), number));
        let mut forgotten = 0;
        // Each is asked once; if all were used lately the oldest go.
        for turn in 0..2 * built.len() {
            if built.len() <= MOST_BRANCHES {
                break;
            }
            let Some((path, number)) = built.pop_front() else { break };
            let Some(of) = path.upgrade() else { continue };
            if of.used_lately(number) && turn < MOST_BRANCHES {
                built.push_back((path, number));
            } else {
                of.forget(number);
                forgotten += 1;
            }
        }
        drop(built);
        if forgotten > 0 {
            self.stop_unused();
        }
    }

    /// Ends instances that no chain needs.
    fn stop_unused(&self) {
        let mut unused = Vec::new();
        lock(&self.own).retain(|_, instance| {
            let used = Arc::strong_count(instance) > 1;
            if !used {
                unused.push(instance.clone());
            }
            used
        });
    }
}

/// What is in there is whole between any two changes.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
