//! What the admin API, metrics and health are told about each plugin.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::{
    Http,
    breaker::BreakerState,
    chain::LastError,
    hooks::{Stage, Stages},
    host::{instance::Instance, live::Slot},
    kind::Kind,
    metadata::{Capability, PluginName},
    options::{Mode, Placement},
    plugin::Menu,
    scope::Scope,
    stats::{Outcome, StageReading},
};

/// Where a plugin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// Being started.
    Loading,
    /// Running.
    Active,
    /// Running, with its breaker not closed.
    Degraded,
    /// A plugin it depends on is not running.
    Waiting,
    /// Its startup failed; it is tried again.
    Quarantined,
    /// Switched off, or not allowed.
    Disabled,
    /// Its startup failed.
    Failed,
    /// It was shut down.
    Stopped,
}

impl PluginState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Loading,
        Self::Active,
        Self::Degraded,
        Self::Waiting,
        Self::Quarantined,
        Self::Disabled,
        Self::Failed,
        Self::Stopped,
    ];

    /// Its name in the admin API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Waiting => "waiting",
            Self::Quarantined => "quarantined",
            Self::Disabled => "disabled",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// A state, why, and since when.
#[derive(Clone, Debug, Serialize)]
pub struct StatusReport {
    /// The state.
    pub status: PluginState,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when, as seconds since 1970.
    #[serde(serialize_with = "seconds")]
    pub since: SystemTime,
}

fn seconds<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_millis() as f64 / 1000.0))
}

/// One hook set.
#[derive(Clone, Debug, Serialize)]
pub struct HookReport {
    /// Its name.
    pub set: String,
    /// Of which kind of exchange.
    pub kind: &'static str,
    /// The stages it takes part in.
    #[serde(serialize_with = "stage_names")]
    pub stages: Stages,
    /// Its priority.
    pub priority: i32,
    /// What was measured, by stage.
    #[serde(skip)]
    pub readings: Vec<(Stage, StageReading)>,
}

fn stage_names<S: Serializer>(stages: &Stages, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(stages.iter().map(Stage::as_str))
}

/// The measurements of a plugin's hooks together.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct StatsReport {
    /// Hook calls.
    pub calls: u64,
    /// Those that failed: errors, timeouts, panics.
    pub failures: u64,
    /// Those that were not made because the breaker was open.
    pub skipped: u64,
    /// The mean duration, in microseconds.
    pub mean_us: f64,
}

impl StatsReport {
    pub(crate) fn of(hooks: &[HookReport]) -> Self {
        let mut report = Self::default();
        let mut total = 0.0;
        for (_, reading) in hooks.iter().flat_map(|hook| &hook.readings) {
            let count = |outcome: Outcome| reading.outcomes[outcome as usize];
            report.calls += reading.calls();
            report.failures += count(Outcome::Error) + count(Outcome::Timeout) + count(Outcome::Panic);
            report.skipped += count(Outcome::Skipped);
            total += reading.total.as_secs_f64();
        }
        if report.calls > 0 {
            report.mean_us = total * 1e6 / report.calls as f64;
        }
        report
    }
}

/// One plugin.
#[derive(Clone, Debug, Serialize)]
pub struct PluginReport {
    /// Its package name.
    pub name: String,
    /// Its short name.
    #[serde(skip)]
    pub short: PluginName,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// Is it not in the runner's own list?
    #[serde(rename = "isCustom")]
    pub is_custom: bool,
    /// Where it is mounted.
    pub base: String,
    /// Is it switched on?
    pub enabled: bool,
    /// Its place.
    pub placement: Placement,
    /// Its place.
    pub priority: i32,
    /// Its place.
    pub order: i32,
    /// How its hooks run beside neighbours.
    pub mode: Mode,
    /// What it may do.
    pub capabilities: Vec<Capability>,
    /// Does it exist to refuse? See [`crate::Metadata::refusing`].
    #[serde(skip)]
    pub refuses: bool,
    /// What must run before it.
    pub depends_on: Vec<PluginName>,
    /// Its hook sets.
    pub hooks: Vec<HookReport>,
    /// Where it has instances.
    pub scopes: Vec<Scope>,
    /// Its entries of the navigation.
    pub menus: Vec<Menu>,
    /// Has it a page?
    pub ui: bool,
    /// Where it stands.
    pub status: StatusReport,
    /// Where its breaker stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
    /// The last failure of its hooks.
    #[serde(rename = "lastError", skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// What was measured of its hooks.
    pub stats: StatsReport,
}

/// What is told of a plugin: of its first slot, which is the gateway's if there is one, and where else it stands.
pub(crate) fn of(slot: &Slot, all: &[&Slot]) -> PluginReport {
    let planned = &slot.planned;
    let options = &planned.entry.options;
    let instance = slot.instance.as_ref().or_else(|| all.iter().find_map(|slot| slot.instance.as_ref()));
    let member = instance.map(|instance| &instance.member);
    let hooks = instance.map(|instance| hooks(instance)).unwrap_or_default();
    let breaker = member.map(|member| member.breaker.state());
    let trips = slot.state == PluginState::Active && breaker.is_some_and(|b| b != BreakerState::Closed);
    let running = all.iter().filter_map(|slot| slot.instance.as_ref());
    PluginReport {
        name: planned.entry.plugin.package(),
        short: planned.entry.plugin.clone(),
        version: planned.metadata.version.to_string(),
        description: planned.metadata.description.clone(),
        is_custom: !planned.builtin,
        base: planned.base.clone(),
        enabled: all.iter().any(|slot| slot.state != PluginState::Disabled),
        placement: planned.key.placement,
        priority: planned.key.priority,
        order: planned.key.order,
        mode: options.mode.unwrap_or_default(),
        capabilities: planned.metadata.capabilities.iter().copied().collect(),
        refuses: planned.metadata.refuses,
        depends_on: planned.depends_on.clone(),
        scopes: running.map(|instance| instance.context.scope().clone()).collect(),
        menus: instance.map(|i| i.offers.menus.clone()).unwrap_or_default(),
        ui: instance.is_some_and(|i| i.offers.ui),
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

/// In the order in which they stand in a chain.
fn hooks(instance: &Instance) -> Vec<HookReport> {
    let mut links = instance.links::<Http>(&instance.planned);
    links.sort_by_key(|link| link.key);
    links
        .iter()
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
