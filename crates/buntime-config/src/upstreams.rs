//! What a schema cannot say of an `upstream`: tiers without weight, targets listed twice, settings without effect. For
//! services, and for whoever else has an upstream in its settings.
//!
//! Works on JSON and takes what it finds, so that it can run although other parts are wrong.

use std::collections::{BTreeMap, HashSet};

use buntime_core::units::Span;
use serde_json::Value;

use crate::{diagnostics::Problem, formats};

/// Everything that only shows when the parts of an upstream are seen together. Pointers begin at the upstream; warnings
/// are about keys.
pub fn problems(upstream: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    let targets = upstream.get("targets").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    weights(targets, &mut found);
    twice(targets, &mut found);
    let hashes = word(upstream, "algorithm") == Some("consistent_hash");
    match upstream.get("keyBy") {
        None if hashes => found.push(
            Problem::at("/algorithm", "`consistent_hash` needs a `keyBy`")
                .help("such as \"keyBy\": \"header:x-user\" or \"ip\""),
        ),
        Some(_) if !hashes => found.push(Problem::at("/keyBy", "only `consistent_hash` uses `keyBy`").warning()),
        _ => {}
    }
    idle_settings(upstream, targets, &mut found);
    found
}

/// Every tier has somebody who gets requests.
fn weights(targets: &[Value], found: &mut Vec<Problem>) {
    let is_weightless = |target: &Value| target.get("weight").and_then(Value::as_f64) == Some(0.0);
    if targets.is_empty() {
        return;
    }
    if targets.iter().all(is_weightless) {
        let message = "every target has the weight 0, so nothing would get a request";
        found.push(Problem::at("/targets", message).help("give at least one target a weight"));
        return;
    }
    let mut tiers: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        tiers.entry(target.get("priority").and_then(Value::as_u64).unwrap_or(0)).or_default().push(index);
    }
    for (tier, members) in tiers {
        if let Some(first) = members.first().filter(|_| members.iter().all(|index| is_weightless(&targets[*index]))) {
            let message =
                format!("every target with the priority {tier} has the weight 0, so none would get a request");
            let help = "give at least one of them a weight, or remove them";
            found.push(Problem::at(format!("/targets/{first}/weight"), message).help(help));
        }
    }
}

fn twice(targets: &[Value], found: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for (index, target) in targets.iter().enumerate() {
        if url(target.get("url")).is_some_and(|url| !seen.insert(url)) {
            let problem = Problem::at(format!("/targets/{index}/url"), "this target is listed twice");
            found.push(problem.help("give one of them a bigger weight"));
        }
    }
}

/// Settings that cannot have the effect they are there for.
fn idle_settings(upstream: &Value, targets: &[Value], found: &mut Vec<Problem>) {
    let mut warn = |key: &str, message: &str, help: &str| {
        if upstream.get(key).is_some() {
            found.push(Problem::at(format!("/{key}"), message).help(help).warning());
        }
    };
    if targets.iter().all(|target| target.get("maxConnections").is_none()) {
        warn("queue", "nothing ever waits: no target has a `maxConnections`", "give the targets one");
    }
    if upstream.get("retries").and_then(Value::as_f64) == Some(0.0) {
        warn("retry", "nothing is repeated: `retries` is 0", "remove one of the two");
    }
    if let (Some(each), Some(all)) = (span(upstream, "tryTimeout"), span(upstream, "timeout"))
        && each >= all
    {
        warn("tryTimeout", "`timeout` is over before it", "make it shorter than `timeout`");
    }
    if matches!(word(upstream, "algorithm"), Some("ip_hash" | "consistent_hash")) {
        warn("sticky", "`sticky` decides; the algorithm's own key is not used", "choose another `algorithm`");
    }
    let shadow = url(upstream.pointer("/mirror/target"));
    if shadow.is_some() && targets.iter().any(|target| url(target.get("url")) == shadow) {
        let problem = Problem::at("/mirror/target", "this target gets the requests already");
        found.push(problem.help("a shadow target is none of the others"));
    }
}

fn word<'v>(upstream: &'v Value, key: &str) -> Option<&'v str> {
    upstream.get(key).and_then(Value::as_str)
}

/// An address, if it is one.
fn url(value: Option<&Value>) -> Option<String> {
    formats::http_url(value?.as_str()?).ok().map(|url| url.to_string())
}

/// A duration, if it is one.
fn span(upstream: &Value, key: &str) -> Option<Span> {
    match upstream.get(key)? {
        Value::String(text) => text.parse().ok(),
        Value::Number(seconds) => seconds.to_string().parse().ok(),
        _ => None,
    }
}
