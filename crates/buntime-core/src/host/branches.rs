//! The chains of consumers: what a path goes on as once it is known who calls. Built on first use, shared by consumers
//! that configure the same, and bounded in number.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use crate::{
    Http,
    chain::{Branch, Branches, Chain},
    error::{Error, ErrorKind},
    host::{
        book::{Book, lock},
        plan::{Planned, Verdict, plan_path},
    },
    options::{AfterRetry, OnError},
    scope::Scope,
};

/// Chains of consumers that are kept ready, of all paths together. Past it those that were not used lately make room.
pub const MOST_BRANCHES: usize = 4096;

/// How long what did not start for a consumer is left alone.
pub const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The chains of consumers on one path.
pub(crate) struct PathBranches(Arc<OfPath>);

pub(super) struct OfPath {
    book: Arc<Book>,
    /// The levels of the path below the gateway.
    way: Vec<Scope>,
    built: ArcSwap<ByNumber>,
    building: tokio::sync::Mutex<()>,
    /// What could not be built whole. No more than there are combinations.
    failed: Mutex<HashMap<u32, Failed>>,
}

/// What exchanges get until it is tried again.
struct Failed {
    at: Instant,
    instead: Result<Arc<Chain<Http>>, Refusal>,
}

/// Why exchanges of a consumer fail.
#[derive(Clone)]
struct Refusal {
    why: Arc<str>,
    plugin: Option<Arc<str>>,
}

impl Refusal {
    fn new(why: String) -> Self {
        Self { why: why.into(), plugin: None }
    }

    fn to_error(&self) -> Error {
        let error = Error::new(ErrorKind::PluginFailed).with_internal(self.why.to_string());
        match &self.plugin {
            Some(plugin) => error.with_plugin(plugin.clone()),
            None => error,
        }
    }
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
        let (built, building, failed) = (ArcSwap::default(), tokio::sync::Mutex::default(), Mutex::default());
        Self(Arc::new(OfPath { book, way, built, building, failed }))
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

    pub(super) fn used_lately(&self, number: u32) -> bool {
        self.built.load().get(&number).is_some_and(|one| one.used.swap(false, Relaxed))
    }

    pub(super) fn forget(&self, number: u32) {
        self.built.rcu(|built| {
            let mut built = ByNumber::clone(built);
            built.remove(&number);
            built
        });
    }

    /// What did not start a moment ago is not tried again by everybody who comes.
    fn failed_lately(&self, number: u32, now: Instant) -> Option<Result<Arc<Chain<Http>>, Refusal>> {
        let failed = lock(&self.failed);
        let lately = failed.get(&number).filter(|failed| now.saturating_duration_since(failed.at) < TRY_AGAIN);
        lately.map(|failed| failed.instead.clone())
    }

    /// One at a time for each path; who waited finds it ready, or failed.
    async fn build(self: Arc<Self>, base: Arc<Chain<Http>>, number: u32) -> Result<Arc<Chain<Http>>, Error> {
        let _one = self.building.lock().await;
        if let Some(ready) = self.ready(number) {
            return Ok(ready);
        }
        let clock = &base.around.clock;
        if let Some(failed) = self.failed_lately(number, clock.now()) {
            return failed.map_err(|refusal| refusal.to_error());
        }
        let (instead, whole) = match self.make(&base, number).await {
            Ok((chain, whole)) => (Ok(chain), whole),
            Err(refusal) => (Err(refusal), false),
        };
        if !whole {
            // Known before who waits for the lock looks.
            lock(&self.failed).insert(number, Failed { at: clock.now(), instead: instead.clone() });
        } else if let Ok(chain) = &instead {
            lock(&self.failed).remove(&number);
            let built = Arc::new(Built { chain: chain.clone(), used: AtomicBool::new(true) });
            self.built.rcu(|all| {
                let mut all = ByNumber::clone(all);
                all.insert(number, built.clone());
                all
            });
            self.book.note(&self, number);
        }
        instead.map_err(|refusal| refusal.to_error())
    }

    /// The chain, and whether nothing is missing from it.
    async fn make(&self, base: &Chain<Http>, number: u32) -> Result<(Arc<Chain<Http>>, bool), Refusal> {
        let adds = self.book.combinations.get(number as usize).map_or(&[][..], Vec::as_slice);
        let scopes: Vec<Scope> = self.way.iter().chain(adds).cloned().collect();
        let path = plan_path(&self.book.catalog, &self.book.program, &scopes).map_err(|errors| {
            let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Refusal::new(list.join("; "))
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
                    let plugin = planned.entry.plugin.shared();
                    tracing::error!(plugin = &*plugin, "did not start for {}: {reason}", scopes_text(&planned.said));
                    if refuses(planned) {
                        let why = format!("`{plugin}` did not start: {reason}").into();
                        return Err(Refusal { why, plugin: Some(plugin) });
                    }
                    whole = false;
                }
            }
        }
        let chain = base.branch(links, keep).map_err(|error| Refusal::new(error.to_string()))?;
        Ok((Arc::new(chain), whole))
    }
}

impl Branches<Http> for PathBranches {
    fn of(&self, base: &Arc<Chain<Http>>, consumer: &str) -> Branch<Http> {
        let Some(number) = self.0.book.combination.get(consumer).copied() else { return Branch::Same };
        if let Some(ready) = self.0.ready(number) {
            return Branch::On(ready);
        }
        let at_once = |error| Branch::Later(Box::pin(std::future::ready(Err(error))));
        match self.0.failed_lately(number, base.around.clock.now()) {
            Some(Ok(without)) => return Branch::On(without),
            Some(Err(refusal)) => return at_once(refusal.to_error()),
            None => {}
        }
        // What is configured for who calls must not be passed over.
        let Some(inner) = self.0.book.inner.upgrade() else {
            return at_once(Refusal::new("the host has ended".to_owned()).to_error());
        };
        // On the home of plugins, so that a client who leaves does not stop a startup half-way.
        let building = inner.bounds.home.spawn(self.0.clone().build(base.clone(), number));
        Branch::Later(Box::pin(async move { building.await.unwrap_or_else(|error| Err(Error::internal(error))) }))
    }
}

/// Must an exchange fail rather than go on without it?
fn refuses(planned: &Planned) -> bool {
    match &planned.entry.options.on_error {
        Some(OnError::Continue) => false,
        Some(OnError::Retry(options)) => options.after_retry != AfterRetry::Continue,
        Some(OnError::Fail | OnError::Fallback(_)) => true,
        None => planned.metadata.refuses,
    }
}

pub(crate) fn scopes_text(scopes: &[Scope]) -> String {
    scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
