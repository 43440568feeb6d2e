//! The frozen set: instances in startup order, the chains made of them, and their reports. Swapped whole.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use axum::Router;
use serde_json::Value;

use crate::{
    Http,
    chain::{Chain, Surroundings},
    host::{
        book::Book,
        branches::PathBranches,
        instance::Instance,
        load_error::LoadError,
        plan::{InstanceId, PathPlan, Planned},
        program::Program,
        reach,
        report::{self, PluginReport, PluginState},
    },
    kind::Kind,
    metadata::PluginName,
    plugin::{Access, RouteSource},
    scope::Scope,
    services::Services,
};

/// One configured plugin and what became of it, in one scope.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) planned: Arc<Planned>,
    pub(crate) state: PluginState,
    pub(crate) reason: Option<String>,
    pub(crate) since: SystemTime,
    pub(crate) instance: Option<Arc<Instance>>,
}

/// What a set is made of.
pub(crate) struct Set {
    /// The gateway's first, in startup order.
    pub(crate) slots: Vec<Slot>,
    pub(crate) paths: Vec<PathPlan>,
    pub(crate) book: Arc<Book>,
    pub(crate) program: Arc<Program>,
    pub(crate) warnings: Vec<String>,
}

/// What runs, from one change to the next.
pub struct Live {
    pub(crate) slots: Vec<Slot>,
    pub(crate) program: Arc<Program>,
    pub(crate) book: Option<Arc<Book>>,
    chain: Arc<Chain<Http>>,
    observers: Arc<Chain<Http>>,
    /// Of the services and routes that list anything.
    paths: HashMap<Scope, Arc<Chain<Http>>>,
    others: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    services: Services,
    around: Surroundings,
    warnings: Vec<String>,
}

/// Routes of a plugin, to be mounted below its base.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The plugin.
    pub plugin: PluginName,
    /// Where: `/p/metrics`.
    pub base: String,
    /// Who may use them.
    pub access: Access,
    /// The routes, relative to the base.
    pub router: Router,
}

impl Live {
    /// Builds the chains of all paths.
    ///
    /// # Errors
    /// A chain that is too long, and what consumers list that could never run.
    pub(crate) async fn freeze(set: Set, services: Services, around: Surroundings) -> Result<Self, Vec<LoadError>> {
        let Set { slots, paths, book, program, mut warnings } = set;
        let building = Building::new(&slots, &around);
        let gateway: Vec<&Arc<Planned>> =
            slots.iter().map(|slot| &slot.planned).filter(|planned| planned.is_of_gateway()).collect();
        let (chain, more) = building.chain::<Http>(&gateway).map_err(|error| vec![error])?;
        warnings.extend(more);
        let branching = !book.is_empty();
        let branch = |chain: Chain<Http>, way: Vec<Scope>| {
            let branches = branching && chain.split() > 0;
            Arc::new(if branches { chain.branching(Arc::new(PathBranches::new(book.clone(), way))) } else { chain })
        };
        let observers = Arc::new(chain.observers());
        let chain = branch(chain, Vec::new());
        let mut of_paths = HashMap::new();
        for path in &paths {
            let planned: Vec<&Arc<Planned>> = path.planned.iter().collect();
            let (own, more) = building.chain::<Http>(&planned).map_err(|error| vec![error])?;
            warnings.extend(more.into_iter().map(|warning| format!("{}: {warning}", path.scope)));
            of_paths.insert(path.scope.clone(), branch(own, program.scopes.way_to(&path.scope)));
        }
        if branching {
            let splits = std::iter::once(&chain).chain(of_paths.values()).filter(|chain| chain.split() > 0);
            reach::check(&program, &book, splits, &mut warnings).await?;
        }
        drop(building);
        Ok(Self {
            slots,
            program,
            book: Some(book),
            chain,
            observers,
            paths: of_paths,
            others: Mutex::default(),
            services,
            around,
            warnings,
        })
    }

    /// A set that runs nothing: before the start, and after the end.
    pub(crate) fn stopped(slots: Vec<Slot>, services: Services, around: Surroundings) -> Self {
        let chain = Arc::new(Chain::empty(around.clone()));
        Self {
            slots,
            program: Arc::default(),
            book: None,
            observers: chain.clone(),
            chain,
            paths: HashMap::new(),
            others: Mutex::default(),
            services,
            around,
            warnings: Vec::new(),
        }
    }

    /// The chain for a route of a service.
    pub fn chain_of_route(&self, service: &str, route: &str) -> &Arc<Chain<Http>> {
        let service: Arc<str> = service.into();
        let of_route = self.paths.get(&Scope::Route(service.clone(), route.into()));
        of_route.or_else(|| self.paths.get(&Scope::Service(service))).unwrap_or(&self.chain)
    }

    /// What was attached to the program that this set was made of.
    pub fn data<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.program.data.get()
    }

    /// How many instances run, those of consumers included.
    pub fn instances(&self) -> usize {
        let of_consumers = self.book.as_ref().map_or(0, |book| book.started().len());
        self.slots.iter().filter(|slot| slot.instance.is_some()).count() + of_consumers
    }

    /// The chain of all plugins for HTTP exchanges.
    pub fn chain(&self) -> &Arc<Chain<Http>> {
        &self.chain
    }

    /// The chain of those that only look, for administrative routes.
    pub fn observers(&self) -> &Arc<Chain<Http>> {
        &self.observers
    }

    /// The chain of all plugins for another kind of exchange. Built on first use.
    ///
    /// # Errors
    /// If there are too many hook sets.
    pub fn chain_of<K: Kind>(&self) -> Result<Arc<Chain<K>>, LoadError> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = others.get(&TypeId::of::<K>()).and_then(|c| c.clone().downcast::<Chain<K>>().ok()) {
            return Ok(chain);
        }
        let own = self.slots.iter().map(|slot| &slot.planned).filter(|planned| planned.is_of_gateway());
        let gateway: Vec<&Arc<Planned>> = own.collect();
        let chain = Arc::new(Building::new(&self.slots, &self.around).chain::<K>(&gateway)?.0);
        others.insert(TypeId::of::<K>(), chain.clone());
        Ok(chain)
    }

    /// What the host does otherwise than configured.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What the plugins provide.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// One running instance of each plugin: the gateway's own, else the first of a service or route. Its routes are the
    /// plugin's.
    fn firsts(&self) -> impl Iterator<Item = (&Slot, &Arc<Instance>)> {
        let mut seen = HashSet::new();
        let running = self.slots.iter().filter_map(|slot| Some((slot, slot.instance.as_ref()?)));
        running.filter(move |(slot, _)| seen.insert(&slot.planned.entry.plugin))
    }

    /// The routes of all running plugins.
    pub fn mounts(&self) -> Vec<Mount> {
        self.firsts()
            .flat_map(|(slot, instance)| {
                instance.offers.routes.iter().map(|(access, router)| Mount {
                    plugin: slot.planned.entry.plugin.clone(),
                    base: slot.planned.base.clone(),
                    access: *access,
                    router: router.clone(),
                })
            })
            .collect()
    }

    /// What claims requests beside plugins' bases, in the order of the plugins' places.
    pub fn sources(&self) -> Vec<Arc<dyn RouteSource>> {
        let mut running: Vec<_> = self.firsts().collect();
        running.sort_by_key(|(slot, _)| slot.planned.key);
        running.iter().flat_map(|(_, instance)| instance.offers.sources.iter().cloned()).collect()
    }

    /// OpenAPI fragments, with the bases their paths are below.
    pub fn openapi(&self) -> Vec<(String, Value)> {
        self.firsts()
            .flat_map(|(slot, instance)| {
                instance.offers.openapi.iter().map(|part| (slot.planned.base.clone(), part.clone()))
            })
            .collect()
    }

    /// Every configured plugin, in startup order.
    pub fn plugins(&self) -> Vec<PluginReport> {
        let mut seen = HashSet::new();
        let names = self.slots.iter().map(|slot| &slot.planned.entry.plugin).filter(|name| seen.insert(*name));
        names.filter_map(|name| self.plugin(name)).collect()
    }

    /// One plugin.
    pub fn plugin(&self, name: &PluginName) -> Option<PluginReport> {
        let slots: Vec<&Slot> = self.slots.iter().filter(|slot| slot.planned.entry.plugin == *name).collect();
        Some(report::of(slots.first()?, &slots))
    }
}

/// Builds chains of running instances.
struct Building<'a> {
    instances: HashMap<InstanceId, &'a Arc<Instance>>,
    around: &'a Surroundings,
}

impl<'a> Building<'a> {
    fn new(slots: &'a [Slot], around: &'a Surroundings) -> Self {
        let running = slots.iter().filter_map(|slot| Some((slot.planned.id(), slot.instance.as_ref()?)));
        Self { instances: running.collect(), around }
    }

    fn chain<K: Kind>(&self, planned: &[&Arc<Planned>]) -> Result<(Chain<K>, Vec<String>), LoadError> {
        let running = planned.iter().filter_map(|planned| Some((planned, *self.instances.get(&planned.id())?)));
        let (mut links, mut keep) = (Vec::new(), Vec::new());
        for (planned, instance) in running {
            links.extend(instance.links::<K>(planned));
            keep.push(instance.kept());
        }
        let built = Chain::new(links, self.around.clone()).map_err(|error| LoadError::Chain(error.to_string()))?;
        let (chain, warnings) = built;
        let warnings = warnings.into_iter().map(|w| format!("`{}` {}", w.plugin, w.message)).collect();
        Ok((chain.keeping(keep), warnings))
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.slots.iter().map(|slot| (slot.planned.entry.plugin.as_str(), slot.state))).finish()
    }
}
