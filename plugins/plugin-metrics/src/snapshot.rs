//! Everything that is measured, read at one moment; and the same as JSON.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use buntime_core::{
    HostView, Stage,
    breaker::BreakerState,
    clock::Clock,
    host::report::{HookReport, PluginReport, PluginState},
    stats::{Outcome, StageReading},
    upstreams::{UpstreamReading, Upstreams},
};
use schemars::JsonSchema;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Requests,
    cells::Histogram,
    process::Process,
    requests::{Reading, RouteReading},
};

/// All measurements at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When.
    pub taken: SystemTime,
    /// Upper bounds of the latency buckets, in seconds.
    pub bounds: Vec<f64>,
    /// Of the requests.
    pub requests: Reading,
    /// Of each plugin, in startup order.
    pub plugins: Vec<PluginReading>,
    /// Of each upstream of the host, by name.
    pub upstreams: Vec<UpstreamReading>,
    /// Of the process.
    pub process: Process,
}

/// One plugin's measurements.
#[derive(Clone, Debug)]
pub struct PluginReading {
    /// Its short name.
    pub name: String,
    /// Where it stands.
    pub state: PluginState,
    /// Where its breaker stands; `None` when it does not run.
    pub breaker: Option<BreakerState>,
    /// Its hook sets.
    pub hooks: Vec<HookReading>,
}

/// One hook set's measurements.
#[derive(Clone, Debug)]
pub struct HookReading {
    /// Its name.
    pub set: String,
    /// The kind of exchange.
    pub kind: &'static str,
    /// By stage.
    pub stages: Vec<(Stage, StageReading)>,
}

impl Snapshot {
    /// Reads everything now.
    pub fn take(requests: &Requests, host: &HostView, clock: &Clock, upstreams: Option<&dyn Upstreams>) -> Self {
        Self {
            taken: clock.wall(),
            bounds: requests.bounds().seconds().to_vec(),
            requests: requests.read(),
            plugins: host.plugins().into_iter().map(PluginReading::from).collect(),
            upstreams: upstreams.map(Upstreams::read).unwrap_or_default(),
            process: Process::read(),
        }
    }
}

impl From<PluginReport> for PluginReading {
    fn from(report: PluginReport) -> Self {
        Self {
            name: report.short.as_str().to_owned(),
            state: report.status.status,
            breaker: report.breaker,
            hooks: report.hooks.into_iter().map(HookReading::from).collect(),
        }
    }
}

impl From<HookReport> for HookReading {
    fn from(report: HookReport) -> Self {
        // The host reads `pre` of every set, since that is where skipped exchanges are counted.
        let said = |stage: Stage, reading: &StageReading| {
            report.stages.has(stage) || reading.outcomes.iter().any(|count| *count > 0)
        };
        let stages = report.readings.into_iter().filter(|(stage, reading)| said(*stage, reading)).collect();
        Self { set: report.set, kind: report.kind, stages }
    }
}

/// What `/api/stats` answers and `/api/sse` sends.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// When, in UTC.
    pub timestamp: String,
    /// All requests together.
    pub requests: RequestStats,
    /// By route.
    pub routes: Vec<RouteStats>,
    /// By plugin, in startup order.
    pub plugins: Vec<PluginStats>,
    /// By upstream; targets by their number in the configuration.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub upstreams: Vec<UpstreamReading>,
    /// Of the process.
    pub process: ProcessStats,
}

/// All requests together.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestStats {
    /// Begun and not ended.
    pub in_flight: u64,
    /// Requests a second since the stream's previous event; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// How long those took that ended since the stream's previous event; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent_latency_ms: Option<Latency>,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What was counted of some requests that have ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// How many.
    pub total: u64,
    /// How many, by status class.
    pub by_status: BTreeMap<&'static str, u64>,
    /// How many, by method.
    pub by_method: BTreeMap<&'static str, u64>,
    /// The client left before the end of the answer.
    pub client_gone: u64,
    /// The answer broke off.
    pub broken: u64,
    /// Bytes of request bodies that were read.
    pub request_bytes: u64,
    /// Bytes of response bodies that were sent.
    pub response_bytes: u64,
    /// From the beginning to the end of the answer.
    pub latency_ms: Latency,
    /// From the beginning to the head of the answer.
    pub to_head_ms: Latency,
}

/// Durations in milliseconds. Quantiles are estimated within buckets; null before the first request.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Latency {
    /// The mean.
    pub mean: Option<f64>,
    /// Half took at most this.
    pub p50: Option<f64>,
    /// 95 in 100 took at most this.
    pub p95: Option<f64>,
    /// 99 in 100 took at most this.
    pub p99: Option<f64>,
}

/// One route.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStats {
    /// Its label.
    pub route: String,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// One plugin.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginStats {
    /// Its short name.
    pub plugin: String,
    /// Where it stands.
    pub state: &'static str,
    /// Where its breaker stands: `closed`, `half_open`, `open`; null when it does not run.
    pub breaker: Option<&'static str>,
    /// Its hooks.
    pub hooks: Vec<HookStats>,
}

/// One hook: a stage of a hook set.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookStats {
    /// The hook set.
    pub set: String,
    /// The kind of exchange.
    pub kind: &'static str,
    /// The stage.
    pub hook: &'static str,
    /// Calls.
    pub calls: u64,
    /// The mean duration of a call, in microseconds.
    pub mean_us: f64,
    /// Time spent polling it, in seconds.
    pub busy_seconds: f64,
    /// Calls by how they ended; those that never happened are left out.
    pub outcomes: BTreeMap<&'static str, u64>,
}

/// The process. What the system does not say is null.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessStats {
    /// User and system CPU time.
    pub cpu_seconds: Option<f64>,
    /// Resident memory.
    pub resident_bytes: Option<u64>,
    /// Virtual memory.
    pub virtual_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// Most file descriptors that may be open.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Since it started.
    pub uptime_ms: Option<u64>,
}

impl Stats {
    /// Of a snapshot; with the rate since an earlier one.
    pub fn of(snapshot: &Snapshot, earlier: Option<&Snapshot>) -> Self {
        let routes = &snapshot.requests.routes;
        let all: Vec<&RouteReading> = routes.iter().collect();
        let requests = RequestStats {
            in_flight: snapshot.requests.in_flight,
            per_second: earlier.and_then(|earlier| rate(earlier, snapshot)),
            recent_latency_ms: earlier.map(|earlier| recent(earlier, snapshot)),
            counts: Counts::of(&all, &snapshot.bounds),
        };
        let one = |route: &RouteReading| RouteStats {
            route: route.route.to_string(),
            counts: Counts::of(&[route], &snapshot.bounds),
        };
        Self {
            timestamp: OffsetDateTime::from(snapshot.taken).format(&Rfc3339).unwrap_or_default(),
            requests,
            routes: routes.iter().map(one).collect(),
            plugins: snapshot.plugins.iter().map(PluginStats::of).collect(),
            upstreams: snapshot.upstreams.clone(),
            process: ProcessStats::of(&snapshot.process, snapshot.taken),
        }
    }
}

fn rate(earlier: &Snapshot, later: &Snapshot) -> Option<f64> {
    let total = |of: &Snapshot| of.requests.routes.iter().map(|route| route.to_head.count()).sum::<u64>();
    let seconds = later.taken.duration_since(earlier.taken).ok()?.as_secs_f64();
    (seconds > 0.0).then(|| total(later).saturating_sub(total(earlier)) as f64 / seconds)
}

/// How long requests took that ended between two snapshots.
fn recent(earlier: &Snapshot, later: &Snapshot) -> Latency {
    let all = |of: &Snapshot| {
        let mut sum = Histogram::default();
        of.requests.routes.iter().flat_map(|route| &route.series).for_each(|series| sum.merge(&series.duration));
        sum
    };
    Latency::of(&all(later).since(&all(earlier)), &later.bounds)
}

impl Counts {
    fn of(routes: &[&RouteReading], bounds: &[f64]) -> Self {
        let (mut by_status, mut by_method) = (BTreeMap::new(), BTreeMap::new());
        let (mut duration, mut to_head) = (Histogram::default(), Histogram::default());
        for route in routes {
            to_head.merge(&route.to_head);
            for series in &route.series {
                let count = series.duration.count();
                *by_status.entry(series.status).or_default() += count;
                *by_method.entry(series.method).or_default() += count;
                duration.merge(&series.duration);
            }
        }
        let sum = |of: fn(&RouteReading) -> u64| routes.iter().copied().map(of).sum();
        Self {
            total: duration.count(),
            by_status,
            by_method,
            client_gone: sum(|route| route.client_gone),
            broken: sum(|route| route.broken),
            request_bytes: sum(|route| route.request_bytes),
            response_bytes: sum(|route| route.response_bytes),
            latency_ms: Latency::of(&duration, bounds),
            to_head_ms: Latency::of(&to_head, bounds),
        }
    }
}

impl Latency {
    fn of(histogram: &Histogram, bounds: &[f64]) -> Self {
        // To the microsecond: what is beyond it is noise.
        let millis = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 1e6).round() / 1e3);
        let quantile = |at: f64| millis(histogram.quantile(at, bounds));
        Self { mean: millis(histogram.mean()), p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) }
    }
}

impl PluginStats {
    fn of(plugin: &PluginReading) -> Self {
        let hooks = plugin
            .hooks
            .iter()
            .flat_map(|hook| hook.stages.iter().map(|(stage, reading)| HookStats::of(hook, *stage, reading)));
        let breaker = plugin.breaker.map(|breaker| match breaker {
            BreakerState::Closed => "closed",
            BreakerState::HalfOpen => "half_open",
            BreakerState::Open => "open",
        });
        Self { plugin: plugin.name.clone(), state: plugin.state.as_str(), breaker, hooks: hooks.collect() }
    }
}

impl HookStats {
    fn of(hook: &HookReading, stage: Stage, reading: &StageReading) -> Self {
        let calls = reading.calls();
        let outcomes = Outcome::ALL.into_iter().zip(reading.outcomes).filter(|(_, count)| *count > 0);
        let mean = if calls > 0 { reading.total.as_secs_f64() / calls as f64 } else { 0.0 };
        Self {
            set: hook.set.clone(),
            kind: hook.kind,
            hook: stage.as_str(),
            calls,
            mean_us: (mean * 1e9).round() / 1e3,
            busy_seconds: reading.busy.as_secs_f64(),
            outcomes: outcomes.map(|(outcome, count)| (outcome.as_str(), count)).collect(),
        }
    }
}

impl ProcessStats {
    fn of(process: &Process, now: SystemTime) -> Self {
        let started = process.start_seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds));
        let uptime = started.and_then(|started| now.duration_since(started).ok());
        Self {
            cpu_seconds: process.cpu_seconds,
            resident_bytes: process.resident_bytes,
            virtual_bytes: process.virtual_bytes,
            open_fds: process.open_fds,
            max_fds: process.max_fds,
            threads: process.threads,
            uptime_ms: uptime.map(|uptime| u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}
