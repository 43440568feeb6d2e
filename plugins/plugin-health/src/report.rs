//! The report: every check with its finding, and what they mean together.
//!
//! **The whole is as well as its worst check.** A check that `tolerate` names counts as degraded when it is unhealthy.
//! A plugin that should run and does not is unhealthy if it is required, else degraded: the gateway serves without it.
//! Ready means: not unhealthy.

use std::time::Duration;

use buntime_core::{
    Exposure, Finding, PluginContext,
    health::{Checked, Status},
    host::report::{PluginReport, PluginState},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::HealthSettings;

/// What `/api/health` answers.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Every check: plugins in startup order, then what was registered, by name, then memory.
    pub checks: Vec<Check>,
    /// All together.
    #[schemars(with = "Word")]
    pub status: Status,
    /// When the checks were run, in UTC.
    pub timestamp: String,
    /// Milliseconds since this plugin was first started in this process.
    pub uptime: u64,
}

/// One check.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// Such as `plugin:metrics`, `adapter:sqlite`, `upstream:users`, `memory`.
    pub name: String,
    /// How well it is.
    #[schemars(with = "Word")]
    pub status: Status,
    /// One sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// How long it took, in milliseconds; absent where nothing was to be waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<u64>,
}

/// [`Status`] as the schema shows it.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Word {
    Healthy,
    Degraded,
    Unhealthy,
}

impl Report {
    /// Runs every check now, each for at most the configured time.
    pub async fn make(context: &PluginContext, settings: &HealthSettings, uptime: Duration) -> Self {
        let found = context.health().run(settings.timeout.0).await;
        let host = context.host();
        let missing = host.missing();
        let mut checks: Vec<Check> = Vec::new();
        for plugin in host.plugins() {
            checks.push(Check::of_plugin(&plugin, missing.contains(&plugin.short), settings.access));
        }
        for checked in found {
            merge(&mut checks, checked.into());
        }
        checks.extend(memory());
        Self {
            status: together(&checks, settings),
            checks,
            timestamp: OffsetDateTime::from(context.clock().wall()).format(&Rfc3339).unwrap_or_default(),
            uptime: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// May requests be sent here?
    pub fn ready(&self) -> bool {
        self.status != Status::Unhealthy
    }

    /// The checks for which it is not ready.
    pub fn reasons<'a>(&'a self, settings: &'a HealthSettings) -> impl Iterator<Item = &'a Check> {
        self.checks.iter().filter(|check| check.weight(settings) == Status::Unhealthy)
    }
}

/// As well as the worst.
fn together(checks: &[Check], settings: &HealthSettings) -> Status {
    checks.iter().map(|check| check.weight(settings)).max().unwrap_or(Status::Healthy)
}

/// A plugin may register a check under the name of its own state: then they are one, as well as the worse of both.
fn merge(checks: &mut Vec<Check>, check: Check) {
    let plugin = checks.iter_mut().find(|known| known.latency.is_none() && known.name == check.name);
    match plugin {
        Some(known) if known.status == Status::Healthy => *known = check,
        Some(known) => {
            known.status = known.status.max(check.status);
            known.details = check.details;
            known.latency = check.latency;
        }
        None => checks.push(check),
    }
}

impl Check {
    fn of_plugin(plugin: &PluginReport, missing: bool, shown_to: Exposure) -> Self {
        let finding = judge(plugin.status.status, missing);
        // Why it does not run may name files, hosts or settings.
        let reason = plugin.status.reason.as_ref().filter(|_| shown_to == Exposure::Admin);
        let message = match (finding.message, reason) {
            (Some(message), Some(reason)) => Some(format!("{message}: {reason}")),
            (message, _) => message,
        };
        let name = format!("plugin:{}", plugin.short);
        Self { name, status: finding.status, message, details: finding.details, latency: None }
    }

    /// What it counts for the whole.
    fn weight(&self, settings: &HealthSettings) -> Status {
        if settings.tolerates(&self.name) { self.status.min(Status::Degraded) } else { self.status }
    }
}

/// What a plugin's state means. Total, so that a new state must choose.
fn judge(state: PluginState, missing: bool) -> Finding {
    let finding = match state {
        PluginState::Active => Finding::healthy(),
        PluginState::Degraded => Finding::degraded("It runs, with its breaker not closed"),
        PluginState::Disabled => Finding { message: Some("It is switched off".to_owned()), ..Finding::healthy() },
        PluginState::Loading => Finding::degraded("It is being started"),
        PluginState::Waiting => Finding::degraded("It waits for a plugin that does not run"),
        PluginState::Quarantined => Finding::degraded("It could not be started, and is tried again"),
        PluginState::Failed => Finding::degraded("It could not be started"),
        PluginState::Stopped => Finding::degraded("It was stopped"),
    };
    if missing { Finding { status: Status::Unhealthy, ..finding } } else { finding }
}

impl From<Checked> for Check {
    fn from(checked: Checked) -> Self {
        let Finding { status, message, details } = checked.finding;
        Self { name: checked.name, status, message, details, latency: Some(checked.latency) }
    }
}

/// How much memory the process holds. Informs, and never judges: what is much depends on what was configured.
fn memory() -> Option<Check> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let details = Some(json!({ "residentBytes": kib * 1024 }));
    Some(Check { name: "memory".to_owned(), status: Status::Healthy, message: None, details, latency: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, status: Status) -> Check {
        Check { name: name.to_owned(), status, message: None, details: None, latency: Some(1) }
    }

    #[test]
    fn the_whole_is_as_well_as_its_worst_check_that_is_not_tolerated() {
        let settings = HealthSettings::default();
        let status = |checks: &[Check]| together(checks, &settings);
        assert_eq!(status(&[]), Status::Healthy);
        assert_eq!(status(&[check("a", Status::Healthy), check("b", Status::Degraded)]), Status::Degraded);
        assert_eq!(status(&[check("upstream:a", Status::Unhealthy)]), Status::Degraded);
        let down = [check("upstream:a", Status::Unhealthy), check("adapter:sqlite", Status::Unhealthy)];
        assert_eq!(status(&down), Status::Unhealthy);
    }

    #[test]
    fn only_a_required_plugin_that_does_not_run_is_unhealthy() {
        for state in PluginState::ALL {
            let runs = matches!(state, PluginState::Active | PluginState::Disabled);
            let expected = if runs { Status::Healthy } else { Status::Degraded };
            assert_eq!(judge(state, false).status, expected, "{state:?}");
            assert_eq!(judge(state, true).status, Status::Unhealthy, "{state:?}");
            assert_eq!(judge(state, false).message.is_none(), state == PluginState::Active, "{state:?}");
        }
    }

    #[test]
    fn a_plugins_own_check_is_one_with_its_state() {
        let state = |status| Check { latency: None, ..check("plugin:a", status) };
        let mut checks = vec![state(Status::Healthy)];
        merge(&mut checks, check("plugin:a", Status::Unhealthy));
        assert_eq!((checks.len(), checks[0].status, checks[0].latency), (1, Status::Unhealthy, Some(1)));
        let mut checks = vec![state(Status::Degraded)];
        merge(&mut checks, check("plugin:a", Status::Healthy));
        merge(&mut checks, check("plugin:a", Status::Healthy));
        assert_eq!((checks.len(), checks[0].status), (2, Status::Degraded));
    }
}
