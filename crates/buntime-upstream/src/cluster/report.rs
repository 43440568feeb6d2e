//! What an operator sees of a cluster.

use buntime_core::{
    Finding,
    breaker::BreakerState,
    upstreams::{TargetReading, UpstreamReading},
};
use serde::Serialize;
use serde_json::json;

use super::{
    Cluster,
    options::Override,
    rota,
    target::{Member, View},
};

/// A cluster, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterReport {
    /// Its name.
    pub name: String,
    /// How targets are chosen, as in the configuration.
    pub algorithm: String,
    /// How many requests wait for a target.
    pub queued: u32,
    /// Requests since the start.
    pub requests: u64,
    /// Repetitions since the start.
    pub retries: u64,
    /// In the configuration's order.
    pub targets: Vec<TargetReport>,
    /// Copies for the shadow target, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorReport>,
}

/// A target, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetReport {
    /// Its URL.
    pub url: String,
    /// How it is.
    pub state: TargetState,
    /// What an operator said.
    #[serde(rename = "override")]
    pub wanted: Override,
    /// Its weight.
    pub weight: u32,
    /// Its tier; lower numbers first.
    pub priority: u32,
    /// What share of its weight it has while it starts slowly, in percent.
    pub share: u64,
    /// Requests under way.
    pub in_flight: u32,
    /// How many it may have at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// Attempts since the start.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Until an answer's head, averaged, in milliseconds. `None`: none came yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Where its breaker stands, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
    /// The last that went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// Connections open.
    pub connections: usize,
    /// Those of them that wait to be used.
    pub idle_connections: usize,
    /// The addresses its name stands for, once looked up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// It is asked.
    Healthy,
    /// Active checks fail.
    Unhealthy,
    /// It failed too often, and gets nothing for a while.
    Ejected,
    /// Its breaker is open.
    Open,
    /// Its breaker lets a few requests try.
    HalfOpen,
    /// An operator lets it run dry.
    Draining,
    /// An operator took it out.
    ForcedOpen,
    /// An operator holds it in.
    ForcedClosed,
    /// Its weight is 0.
    Weightless,
}

impl TargetState {
    /// Its name in the admin API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Draining => "draining",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Weightless => "weightless",
        }
    }

    /// Is a target in that state asked?
    pub fn is_up(self) -> bool {
        matches!(self, Self::Healthy | Self::HalfOpen | Self::ForcedClosed)
    }

    /// Is it out because it fails?
    pub fn is_down(self) -> bool {
        matches!(self, Self::Unhealthy | Self::Ejected | Self::Open)
    }
}

impl ClusterReport {
    /// What a health check says of it.
    pub fn finding(&self) -> Finding {
        let count = |of: fn(TargetState) -> bool| self.targets.iter().filter(|target| of(target.state)).count();
        let (up, down, all) = (count(TargetState::is_up), count(TargetState::is_down), self.targets.len());
        let details = json!({ "targets": all, "down": down });
        match (up, down) {
            (0, _) => Finding::unhealthy("No target may be asked").with_details(details),
            (_, 0) => Finding::healthy(),
            _ => Finding::degraded(format!("{down} of {all} targets are down")).with_details(details),
        }
    }

    /// Without addresses.
    pub fn reading(&self) -> UpstreamReading {
        let targets = self.targets.iter().map(|target| TargetReading {
            up: target.state.is_up(),
            state: target.state.as_str(),
            in_flight: target.in_flight.into(),
            requests: target.requests,
            failures: target.failures,
        });
        UpstreamReading {
            name: self.name.clone(),
            requests: self.requests,
            retries: self.retries,
            queued: self.queued.into(),
            targets: targets.collect(),
        }
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastError {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What.
    pub message: String,
}

/// Copies for a shadow target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MirrorReport {
    /// Sent, whatever became of them.
    pub sent: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Not made: too big, or too many under way.
    pub skipped: u64,
}

pub(super) fn report(cluster: &Cluster) -> ClusterReport {
    let algorithm = serde_word(cluster.policy.rules.algorithm);
    ClusterReport {
        name: cluster.name().to_string(),
        algorithm,
        queued: cluster.commons.line.len(),
        requests: cluster.commons.tally.requests.load(std::sync::atomic::Ordering::Relaxed),
        retries: cluster.commons.tally.retries.load(std::sync::atomic::Ordering::Relaxed),
        targets: cluster.members.iter().map(|member| target(cluster, member)).collect(),
        mirror: cluster.mirror.as_ref().map(|mirror| {
            let (sent, failed, skipped) = mirror.counts();
            MirrorReport { sent, failed, skipped }
        }),
    }
}

fn serde_word(algorithm: buntime_config::model::Algorithm) -> String {
    use buntime_config::model::Algorithm as A;
    let word = match algorithm {
        A::RoundRobin => "round_robin",
        A::Weighted => "weighted",
        A::LeastConnections => "least_connections",
        A::Random => "random",
        A::P2c => "p2c",
        A::IpHash => "ip_hash",
        A::ConsistentHash => "consistent_hash",
    };
    word.to_owned()
}

fn target(cluster: &Cluster, member: &Member) -> TargetReport {
    use std::sync::atomic::Ordering::Relaxed;
    let now = cluster.commons.clock.now();
    let target = &member.target;
    let view = target.view(now);
    let share = match (cluster.policy.rules.slow_start, view.since) {
        (Some(whole), Some(since)) => rota::share(whole, now.saturating_duration_since(since), now).0,
        _ => 100,
    };
    let (connections, idle_connections) = target.wire.connections();
    let in_flight = if cluster.is_plain {
        // Nobody counts them there; a connection in use is one request, over HTTP/1.
        u32::try_from(connections.saturating_sub(idle_connections)).unwrap_or(u32::MAX)
    } else {
        target.counts.in_flight.load(Relaxed)
    };
    let latency = target.latency();
    TargetReport {
        url: target.url.to_string(),
        state: state(member, &view),
        wanted: view.wanted,
        weight: member.weight,
        priority: member.tier,
        share,
        in_flight,
        max_connections: member.max,
        requests: target.counts.requests.load(Relaxed),
        failures: target.counts.failures.load(Relaxed),
        latency_ms: (latency > 0).then(|| latency as f64 / 1000.0),
        breaker: member.breaker.as_ref().map(|breaker| breaker.state()),
        last_error: view.last_error.map(|(at, message)| LastError {
            at: at.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            message,
        }),
        connections,
        idle_connections,
        addresses: target.wire.addresses().iter().map(ToString::to_string).collect(),
    }
}

fn state(member: &Member, view: &View) -> TargetState {
    match view.wanted {
        Override::Drain => return TargetState::Draining,
        Override::ForceOpen => return TargetState::ForcedOpen,
        Override::ForceClosed => return TargetState::ForcedClosed,
        Override::Auto => {}
    }
    if view.unhealthy {
        return TargetState::Unhealthy;
    }
    if view.ejected_until.is_some() {
        return TargetState::Ejected;
    }
    match member.breaker.as_ref().map(|breaker| breaker.state()) {
        Some(BreakerState::Open) => TargetState::Open,
        Some(BreakerState::HalfOpen) => TargetState::HalfOpen,
        Some(BreakerState::Closed) | None if member.weight == 0 => TargetState::Weightless,
        Some(BreakerState::Closed) | None => TargetState::Healthy,
    }
}
