//! The chains of consumers: what a path goes on as once it is known who calls. Built on first use, shared by consumers
//! that configure the same, and bounded in number.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;

use crate::{
    Http,
    chain::{Branch, Branches, Chain},
    error::{Error, ErrorKind},
    host::{
        Inner,
        instance::Instance,
        plan::{InstanceId, Planned, Verdict, plan_path},
        program::{Catalog, Program},
    },
    metadata::PluginName,
    options::OnError,
    scope::Scope,
    services::Services,
};

/// Chains of consumers that are kept ready, of all paths together. Past it those that were not used lately make room.
pub const MOST_BRANCHES: usize = 4096;

/// What the consumers of one program add to paths, and the instances that were started for them.
pub(crate) struct Book {
    inner: Weak<Inner>,
    catalog: Catalog,
    program: Arc<Program>,
    services: Services,
    /// The combination of each consumer that adds anything.
    combination: HashMap<Arc<str>, u32>,
    combinations: Vec<Vec<Scope>>,
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
        for instance in earlier.started() {
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
    fn note(&self, path: &Arc<OfPath>, number: u32) {
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

/// The chains of consumers on one path.
pub(crate) struct PathBranches(Arc<OfPath>);

struct OfPath {
    book: Arc<Book>,
    /// The levels of the path below the gateway.
    way: Vec<Scope>,
    built: ArcSwap<ByNumber>,
    building: tokio::sync::Mutex<()>,
}

/// Combinations are numbered from 0: the number is as good as its hash.
type ByNumber = HashMap<u32, Arc<Built>, BuildHasherDefault<Numbers>>;

#[derive(Default)]
struct Numbers(u64);

impl Hasher for Numbers {
    fn finish(&self) -> u64 {
        // Spread over the high bits, too, where the table looks for a tag.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number);
    }
}

struct Built {
    chain: Arc<Chain<Http>>,
    used: AtomicBool,
}

impl PathBranches {
    pub(crate) fn new(book: Arc<Book>, way: Vec<Scope>) -> Self {
        let (built, building) = (ArcSwap::default(), tokio::sync::Mutex::default());
        Self(Arc::new(OfPath { book, way, built, building }))
    }
}

impl OfPath {
    fn ready(&self, number: u32) -> Option<Arc<Chain<Http>>> {
        let built = self.built.load();
        let one = built.get(&number)?;
        // Written once, so that readers of other cores keep it in their caches.
        if !one.used.load(Relaxed) {
            one.used.store(true, Relaxed);
        }
        Some(one.chain.clone())
    }

    fn used_lately(&self, number: u32) -> bool {
        self.built.load().get(&number).is_some_and(|one| one.used.swap(false, Relaxed))
    }

    fn forget(&self, number: u32) {
        self.built.rcu(|built| {
            let mut built = ByNumber::clone(built);
            built.remove(&number);
            built
        });
    }

    /// One at a time for each path; who waited finds it ready.
    async fn build(self: Arc<Self>, base: Arc<Chain<Http>>, number: u32) -> Result<Arc<Chain<Http>>, Error> {
        let _one = self.building.lock().await;
        if let Some(ready) = self.ready(number) {
            return Ok(ready);
        }
        let failed = |why: String| Error::new(ErrorKind::PluginFailed).with_internal(why);
        let adds = &self.book.combinations[number as usize];
        let scopes: Vec<Scope> = self.way.iter().chain(adds).cloned().collect();
        let path = plan_path(&self.book.catalog, &self.book.program, &scopes).map_err(|errors| {
            let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
            failed(list.join("; "))
        })?;
        let (mut links, mut keep, mut whole) = (Vec::new(), Vec::new(), true);
        for planned in path.iter().filter(|planned| planned.verdict == Verdict::Start) {
            // Which hooks a plugin has any instance knows; what would not run is not started.
            let of_any = self.book.any_of(&planned.entry.plugin).map(|one| one.links::<Http>(planned));
            if of_any.is_some_and(|links| !links.iter().any(|link| base.may_follow(link))) {
                continue;
            }
            match self.book.instance(planned).await {
                Ok(instance) => {
                    links.extend(instance.links::<Http>(planned));
                    keep.push(instance.kept());
                }
                Err(reason) => {
                    let plugin = planned.entry.plugin.as_str();
                    tracing::error!(plugin, "did not start for {}: {reason}", scopes_text(&planned.said));
                    if refuses(planned) {
                        return Err(failed(format!("`{plugin}` did not start: {reason}")).with_plugin(plugin));
                    }
                    whole = false;
                }
            }
        }
        let chain = Arc::new(base.branch(links, keep).map_err(|error| failed(error.to_string()))?);
        // What lacks a plugin is tried again by the next exchange.
        if whole {
            let built = Arc::new(Built { chain: chain.clone(), used: AtomicBool::new(true) });
            self.built.rcu(|all| {
                let mut all = ByNumber::clone(all);
                all.insert(number, built.clone());
                all
            });
            self.book.note(&self, number);
        }
        Ok(chain)
    }
}

impl Branches<Http> for PathBranches {
    fn of(&self, base: &Arc<Chain<Http>>, consumer: &str) -> Branch<Http> {
        let Some(number) = self.0.book.combination.get(consumer).copied() else { return Branch::Same };
        if let Some(ready) = self.0.ready(number) {
            return Branch::On(ready);
        }
        let Some(inner) = self.0.book.inner.upgrade() else { return Branch::Same };
        // On the home of plugins, so that a client who leaves does not stop a startup half-way.
        let building = inner.bounds.home.spawn(self.0.clone().build(base.clone(), number));
        Branch::Later(Box::pin(async move { building.await.unwrap_or_else(|error| Err(Error::internal(error))) }))
    }
}

/// Must an exchange fail rather than go on without it?
fn refuses(planned: &Planned) -> bool {
    match &planned.entry.options.on_error {
        Some(on_error) => matches!(on_error, OnError::Fail),
        None => planned.metadata.refuses,
    }
}

pub(crate) fn scopes_text(scopes: &[Scope]) -> String {
    scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What is in there is whole between any two changes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
