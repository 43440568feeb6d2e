//! Targets of a rule's own: what can be wrong with them beyond their types.

use buntime_config::{Severity, model::Upstream, upstreams};
use buntime_core::{SettingsProblem, units::Span};

/// The most repetitions, as for services.
const MOST_RETRIES: u32 = 10;

/// Everything that is wrong with an upstream that stands at `place`, a JSON pointer.
pub(crate) fn problems(upstream: &Upstream, place: &str) -> Vec<SettingsProblem> {
    let mut found = together(upstream, place);
    let mut wrong = |key: &str, what: String| found.push(SettingsProblem::new(format!("{place}/{key}"), what));
    if upstream.targets.is_empty() {
        wrong("targets", "name at least one".to_owned());
    }
    for (index, target) in upstream.targets.iter().enumerate() {
        if target.max_connections == Some(0) {
            wrong(&format!("targets/{index}/maxConnections"), "must be at least 1".to_owned());
        }
    }
    if upstream.retries > MOST_RETRIES {
        wrong("retries", format!("{MOST_RETRIES} is the most"));
    }
    let active = upstream.health.active.as_ref();
    let passive = upstream.health.passive.as_ref();
    for (key, span) in [
        ("timeout", upstream.timeout),
        ("tryTimeout", upstream.try_timeout),
        ("connectTimeout", Some(upstream.connect_timeout)),
        ("slowStart", upstream.slow_start),
        ("queue/timeout", upstream.queue.map(|queue| queue.timeout)),
        ("health/active/interval", active.map(|active| active.interval)),
        ("health/active/timeout", active.map(|active| active.timeout)),
        ("health/passive/window", passive.map(|passive| passive.window)),
    ] {
        if span.is_some_and(|span: Span| span.as_nanos() == 0) {
            wrong(key, "must be more than nothing; leave it out for the default".to_owned());
        }
    }
    for (key, count) in [
        ("health/active/unhealthyAfter", active.map(|active| active.unhealthy_after)),
        ("health/active/healthyAfter", active.map(|active| active.healthy_after)),
        ("health/passive/failures", passive.map(|passive| passive.failures)),
    ] {
        if count == Some(0) {
            wrong(key, "must be at least 1".to_owned());
        }
    }
    if active.is_some_and(|active| !active.path.starts_with('/')) {
        wrong("health/active/path", "begins with `/`".to_owned());
    }
    found
}

/// What holds for every upstream. Warnings have no place in settings.
fn together(upstream: &Upstream, place: &str) -> Vec<SettingsProblem> {
    let found = serde_json::to_value(upstream).map(|upstream| upstreams::problems(&upstream)).unwrap_or_default();
    let wrong = found.into_iter().filter(|problem| problem.severity == Severity::Error);
    let told = wrong.map(|problem| {
        let found = SettingsProblem::new(format!("{place}{}", problem.pointer), problem.message);
        match problem.help {
            Some(help) => found.with_help(help),
            None => found,
        }
    });
    told.collect()
}
