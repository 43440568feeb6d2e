//! The frozen router: what answers where, made of one set of running plugins and swapped whole with it.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::{ArcSwap, Guard as Loaded};
use axum::Router;
use buntime_core::{Access, Handler, Host, Http, Live, Matched, Mount, RouteMatch, RouteSource, chain::Chain};
use http::request;
use serde_json::{Value, json};

use super::{exchange::matched, gate::Gate, in_flight::InFlight};
use crate::{
    admin::guard::Guard,
    services::{Leads, Services},
};

/// The routes of one plugin, below its base.
pub(crate) struct Base {
    /// `/p/metrics`.
    pub(crate) path: Arc<str>,
    pub(crate) matched: Arc<Matched>,
    pub(crate) router: Router,
    /// Has it a page at its root?
    pub(crate) ui: bool,
}

/// See the module.
pub(crate) struct Frozen {
    pub(crate) live: Arc<Live>,
    /// By what stands behind `/p/`.
    bases: HashMap<Box<str>, Base>,
    sources: Vec<Arc<dyn RouteSource>>,
    services: Option<Arc<Services>>,
    /// Of each route of the services, by its number.
    chains: Box<[Arc<Chain<Http>>]>,
    pub(crate) in_flight: InFlight,
}

/// What a request belongs to outside `/api` and `/p`.
pub(crate) struct Claimed {
    pub(crate) matched: Arc<Matched>,
    pub(crate) handler: Arc<dyn Handler<Http>>,
    pub(crate) chain: Arc<Chain<Http>>,
}

impl Frozen {
    pub(crate) fn new(live: Arc<Live>, guard: &Arc<Guard>, in_flight: InFlight) -> Self {
        let pages: Vec<String> = live.plugins().into_iter().filter(|one| one.ui).map(|one| one.base).collect();
        let mut by_base: Vec<(String, Vec<Mount>)> = Vec::new();
        for mount in live.mounts() {
            match by_base.iter_mut().find(|(base, _)| *base == mount.base) {
                Some((_, mounts)) => mounts.push(mount),
                None => by_base.push((mount.base.clone(), vec![mount])),
            }
        }
        let bases = by_base.into_iter().filter_map(|(path, mounts)| {
            let key = path.strip_prefix("/p/")?.into();
            let ui = pages.contains(&path);
            Some((key, base(&path, &mounts, ui, guard)?))
        });
        let services = live.data::<Services>();
        let routes = services.iter().flat_map(|services| services.routes());
        let chains = routes.map(|leads| live.chain_of_route(&leads.service, &leads.route).clone()).collect();
        Self { bases: bases.collect(), sources: live.sources(), services, chains, in_flight, live }
    }

    /// The plugin's routes that a path below `/p/` belongs to.
    pub(crate) fn base(&self, path: &str) -> Option<&Base> {
        let rest = path.strip_prefix("/p/")?;
        self.bases.get(rest.split('/').next()?)
    }

    /// The first source that claims a request, else the route of a service.
    pub(crate) fn claimed(&self, head: &request::Parts) -> Option<Claimed> {
        if let Some(RouteMatch { matched, handler }) = self.sources.iter().find_map(|source| source.find(head)) {
            return Some(Claimed { matched, handler, chain: Arc::clone(self.live.chain()) });
        }
        let found = self.services.as_ref()?.find(head)?;
        Some(Claimed {
            matched: Arc::clone(&found.value.matched),
            handler: Arc::clone(&found.value.handler),
            chain: Arc::clone(self.chains.get(found.route)?),
        })
    }

    /// The route of a service that a request belongs to, if nothing else claims it.
    pub(crate) fn route_of(&self, head: &request::Parts) -> Option<&Leads> {
        let of_source = self.sources.iter().any(|source| source.find(head).is_some());
        if of_source { None } else { Some(self.services.as_ref()?.find(head)?.value) }
    }

    /// Everything in it, for the admin API.
    pub(crate) fn list(&self) -> Vec<Value> {
        let mut bases: Vec<&Base> = self.bases.values().collect();
        bases.sort_by(|a, b| a.path.cmp(&b.path));
        let mounts = self.live.mounts();
        let of_bases = bases.into_iter().map(|base| {
            let mut access: Vec<Access> =
                mounts.iter().filter(|mount| *mount.base == *base.path).map(|mount| mount.access).collect();
            access.sort_unstable();
            access.dedup();
            let chains: BTreeMap<&str, Vec<String>> = access
                .iter()
                .map(|access| match access {
                    Access::Data => ("data", sets(self.live.chain())),
                    Access::Admin => ("admin", sets(self.live.observers())),
                    Access::Public => ("public", sets(self.live.observers())),
                })
                .collect();
            json!({ "type": "plugin", "path": format!("{}/", base.path), "plugin": base.matched.plugin.as_deref(),
                    "label": &*base.matched.label, "access": access, "ui": base.ui,
                    "chains": chains })
        });
        let of_sources = self.sources.iter().flat_map(|source| source.list()).map(|route| {
            let mut entry = json!({ "type": "source", "chain": sets(self.live.chain()) });
            match (entry.as_object_mut(), route) {
                (Some(entry), Value::Object(route)) => entry.extend(route),
                (Some(entry), route) => {
                    entry.insert("route".to_owned(), route);
                }
                (None, _) => {}
            }
            entry
        });
        let of_services = self.services.iter().flat_map(|services| services.list()).map(|(at, mut route)| {
            route["chain"] = json!(self.chains.get(at).map(|chain| sets(chain)));
            route
        });
        of_bases.chain(of_sources).chain(of_services).collect()
    }
}

/// The hook sets of a chain in order: `gateway:cors`.
pub(crate) fn sets(chain: &Chain<Http>) -> Vec<String> {
    chain.links().iter().map(|link| format!("{}:{}", link.member.plugin, link.set)).collect()
}

/// One router for all that a plugin mounts, each part behind its own gate. Routes that contradict each other make axum
/// panic; such a plugin is left out rather than the gateway brought down.
fn base(path: &str, mounts: &[Mount], ui: bool, guard: &Arc<Guard>) -> Option<Base> {
    let first = mounts.first()?;
    let path: Arc<str> = path.into();
    let label = format!("plugin:{}", first.plugin);
    let matched = matched(&label, Some(first.plugin.shared()));
    let gate = |access| Gate::new(access, Arc::clone(guard), Arc::clone(&matched), Arc::clone(&path));
    let merged = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let gated = mounts.iter().map(|mount| mount.router.clone().layer(gate(mount.access)));
        let all = gated.fold(Router::new(), Router::merge);
        // The last to be merged says what happens where nothing matches: a 404 that anybody may get.
        all.merge(Router::new().layer(gate(Access::Public)))
    }));
    match merged {
        Ok(router) => Some(Base { path, matched, router, ui }),
        Err(_) => {
            tracing::error!(
                plugin = first.plugin.as_str(),
                "its routes contradict each other; none of them is mounted"
            );
            None
        }
    }
}

/// The frozen router of what runs now.
pub(crate) struct Routes {
    host: Host,
    guard: Arc<Guard>,
    in_flight: InFlight,
    frozen: ArcSwap<Frozen>,
    building: Mutex<()>,
}

impl Routes {
    pub(crate) fn new(host: Host, guard: Arc<Guard>) -> Self {
        let in_flight = InFlight::default();
        let frozen = Frozen::new(host.live(), &guard, in_flight.clone());
        Self { host, guard, in_flight, frozen: ArcSwap::from_pointee(frozen), building: Mutex::default() }
    }

    /// The router of what runs now. Built anew by the first who finds that what runs is no longer what it was.
    pub(crate) fn current(&self) -> Loaded<Arc<Frozen>> {
        let frozen = self.frozen.load();
        if self.host.runs(&frozen.live) {
            return frozen;
        }
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.host.live();
        if !Arc::ptr_eq(&self.frozen.load().live, &live) {
            self.frozen.store(Arc::new(Frozen::new(live, &self.guard, self.in_flight.clone())));
        }
        self.frozen.load()
    }
}
