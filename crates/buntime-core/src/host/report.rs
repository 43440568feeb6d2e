//! What the admin API, metrics and health are told about each plugin.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::{
    breaker::BreakerState,
    chain::LastError,
    hooks::{Stage, Stages},
    metadata::{Capability, PluginName},
    options::{Mode, Placement},
    plugin::{Menu, Scope},
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
