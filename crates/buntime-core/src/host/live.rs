//! The frozen set: instances in startup order, the chains made of them, and their reports. Swapped whole.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use axum::Router;
use serde_json::Value;

use crate::{
    Http,
    breaker::BreakerState,
    chain::{Chain, Surroundings},
    hooks::Stage,
    host::{
        instance::Instance,
        plan::{LoadError, Planned},
        report::{HookReport, PluginReport, PluginState, StatsReport, StatusReport},
    },
    kind::Kind,
    metadata::PluginName,
    plugin::{Access, RouteSource},
    services::Services,
};

/// One configured plugin and what became of it.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) planned: Planned,
    pub(crate) state: PluginState,
    pub(crate) reason: Option<String>,
    pub(crate) since: SystemTime,
    pub(crate) instance: Option<Arc<Instance>>,
}

/// What runs, from one change to the next.
pub struct Live {
    pub(crate) slots: Vec<Slot>,
    chain: Arc<Chain<Http>>,
    observers: Arc<Chain<Http>>,
    others: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    pub(crate) services: Services,
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
    pub(crate) fn freeze(
        slots: Vec<Slot>,
        services: Services,
        mut around: Surroundings,
        mut warnings: Vec<String>,
    ) -> Result<Self, LoadError> {
        let instances: Vec<Arc<Instance>> = slots.iter().filter_map(|slot| slot.instance.clone()).collect();
        around.keep = Some(Arc::new(instances));
        let (chain, more) = build::<Http>(&slots, &around)?;
        warnings.extend(more);
        let observers = Arc::new(chain.observers());
        Ok(Self { slots, chain: Arc::new(chain), observers, others: Mutex::default(), services, around, warnings })
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
        let chain = Arc::new(build::<K>(&self.slots, &self.around)?.0);
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

    /// The routes of all running plugins.
    pub fn mounts(&self) -> Vec<Mount> {
        let running = self.slots.iter().filter_map(|slot| Some((slot, slot.instance.as_ref()?)));
        running
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
        let mut running: Vec<_> = self.slots.iter().filter(|slot| slot.instance.is_some()).collect();
        running.sort_by_key(|slot| slot.planned.key);
        running
            .iter()
            .filter_map(|slot| slot.instance.as_ref())
            .flat_map(|instance| instance.offers.sources.iter().cloned())
            .collect()
    }

    /// OpenAPI fragments, with the bases their paths are below.
    pub fn openapi(&self) -> Vec<(String, Value)> {
        let running = self.slots.iter().filter_map(|slot| Some((slot, slot.instance.as_ref()?)));
        running
            .flat_map(|(slot, instance)| {
                instance.offers.openapi.iter().map(|part| (slot.planned.base.clone(), part.clone()))
            })
            .collect()
    }

    /// Every configured plugin, in startup order.
    pub fn plugins(&self) -> Vec<PluginReport> {
        self.slots.iter().map(|slot| self.report(slot)).collect()
    }

    /// One plugin.
    pub fn plugin(&self, name: &PluginName) -> Option<PluginReport> {
        self.slots.iter().find(|slot| slot.planned.entry.plugin == *name).map(|slot| self.report(slot))
    }

    fn report(&self, slot: &Slot) -> PluginReport {
        let planned = &slot.planned;
        let options = &planned.entry.options;
        let member = slot.instance.as_ref().map(|instance| &instance.member);
        let hooks = member.map(|_| self.hooks(&planned.entry.plugin)).unwrap_or_default();
        let breaker = member.map(|member| member.breaker.state());
        let trips = slot.state == PluginState::Active && breaker.is_some_and(|b| b != BreakerState::Closed);
        PluginReport {
            name: planned.entry.plugin.package(),
            short: planned.entry.plugin.clone(),
            version: planned.metadata.version.to_string(),
            description: planned.metadata.description.clone(),
            is_custom: !planned.builtin,
            base: planned.base.clone(),
            enabled: slot.state != PluginState::Disabled,
            placement: planned.key.placement,
            priority: planned.key.priority,
            order: planned.key.order,
            mode: options.mode.unwrap_or_default(),
            capabilities: planned.metadata.capabilities.iter().copied().collect(),
            depends_on: planned.depends_on.clone(),
            scopes: slot.instance.iter().map(|instance| instance.context.scope().clone()).collect(),
            menus: slot.instance.as_ref().map(|i| i.offers.menus.clone()).unwrap_or_default(),
            ui: slot.instance.as_ref().is_some_and(|i| i.offers.ui),
            status: StatusReport {
                status: if trips { PluginState::Degraded } else { slot.state },
                reason: if trips { Some("its breaker is not closed".to_owned()) } else { slot.reason.clone() },
                since: slot.since,
            },
            breaker,
            last_error: member.and_then(|member| member.last_error()),
            stats: StatsReport::of(&hooks),
            hooks,
        }
    }

    fn hooks(&self, plugin: &PluginName) -> Vec<HookReport> {
        let of_plugin = self.chain.links().iter().filter(|link| link.member.plugin == *plugin);
        of_plugin
            .map(|link| HookReport {
                set: link.set.to_string(),
                kind: Http::NAME,
                stages: link.stages,
                priority: link.key.priority,
                readings: Stage::ALL
                    .into_iter()
                    .filter(|stage| link.stages.has(*stage) || *stage == Stage::Pre)
                    .map(|stage| (stage, link.stats.read(stage)))
                    .collect(),
            })
            .collect()
    }
}

fn build<K: Kind>(slots: &[Slot], around: &Surroundings) -> Result<(Chain<K>, Vec<String>), LoadError> {
    let running = slots.iter().filter_map(|slot| Some((slot, slot.instance.as_ref()?)));
    let links = running.flat_map(|(slot, instance)| instance.links::<K>(&slot.planned)).collect();
    let (chain, warnings) = Chain::new(links, around.clone()).map_err(|error| LoadError::Chain(error.to_string()))?;
    let warnings = warnings.into_iter().map(|w| format!("`{}` {}", w.plugin, w.message)).collect();
    Ok((chain, warnings))
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.slots.iter().map(|slot| (slot.planned.entry.plugin.as_str(), slot.state))).finish()
    }
}
