//! All families in the Prometheus text format. Their names are a contract: dashboards and alerts are built on them.

use std::collections::BTreeMap;

use buntime_core::{
    Stage,
    breaker::BreakerState,
    host::report::PluginState,
    measure::{Family, Type},
    metadata::API_VERSION,
    stats::{BUCKETS, Outcome, StageReading},
    upstreams::{TargetReading, UpstreamReading},
};

use crate::{
    cells::Histogram,
    process::Process,
    requests::{RouteReading, SeriesReading},
    snapshot::{PluginReading, Snapshot},
    text::Text,
};

/// Writes a snapshot.
pub fn render(snapshot: &Snapshot) -> String {
    render_with(snapshot, &[])
}

/// Writes a snapshot, and what other plugins measured of themselves.
pub fn render_with(snapshot: &Snapshot, families: &[Family]) -> String {
    let mut text = Text::new();
    build(&mut text);
    requests(&mut text, snapshot);
    plugins(&mut text, &snapshot.plugins);
    hooks(&mut text, &snapshot.plugins);
    upstreams(&mut text, &snapshot.upstreams);
    process(&mut text, &snapshot.process);
    families.iter().for_each(|family| text.render(family));
    text.finish()
}

fn build(text: &mut Text) {
    let api = API_VERSION.to_string();
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("plugin_api", api.as_str()),
        ("os", std::env::consts::OS),
        ("arch", std::env::consts::ARCH),
    ];
    text.family("buntime_build_info", Type::Gauge, "What this program was built from. Always 1.");
    text.sample("buntime_build_info", &labels, 1);
}

fn requests(text: &mut Text, snapshot: &Snapshot) {
    let routes = &snapshot.requests.routes;
    let bounds = snapshot.bounds.as_slice();
    let in_flight = snapshot.requests.in_flight;
    let name = "buntime_http_requests_in_flight";
    text.single(name, Type::Gauge, "Requests that have begun and not ended.", in_flight);

    let name = "buntime_http_requests_total";
    text.family(name, Type::Counter, "Requests that have ended, by route, method and status class.");
    for (labels, series) in all_series(routes) {
        text.sample(name, &labels, series.duration.count());
    }
    let name = "buntime_http_request_duration_seconds";
    text.family(name, Type::Histogram, "From the request's beginning to the end of the answer.");
    for (labels, series) in all_series(routes) {
        text.histogram(name, &labels, bounds, &series.duration);
    }
    let name = "buntime_http_time_to_head_seconds";
    text.family(name, Type::Histogram, "From the request's beginning to the head of the answer.");
    for route in routes {
        text.histogram(name, &[("route", &route.route)], bounds, &route.to_head);
    }
    let name = "buntime_http_request_bytes_total";
    text.family(name, Type::Counter, "Bytes of request bodies that were read.");
    for route in routes {
        text.sample(name, &[("route", &route.route)], route.request_bytes);
    }
    let name = "buntime_http_response_bytes_total";
    text.family(name, Type::Counter, "Bytes of response bodies that were sent.");
    for route in routes {
        text.sample(name, &[("route", &route.route)], route.response_bytes);
    }
    let name = "buntime_http_requests_aborted_total";
    text.family(
        name,
        Type::Counter,
        "Requests whose answer was not sent whole: the client left, or the answer broke off.",
    );
    for route in routes {
        text.sample(name, &[("route", &route.route), ("ended", "client_gone")], route.client_gone);
        text.sample(name, &[("route", &route.route), ("ended", "broken")], route.broken);
    }
}

type SeriesLabels<'a> = [(&'static str, &'a str); 3];

fn all_series(routes: &[RouteReading]) -> impl Iterator<Item = (SeriesLabels<'_>, &SeriesReading)> {
    routes.iter().flat_map(|route| {
        route
            .series
            .iter()
            .map(|series| ([("route", &*route.route), ("method", series.method), ("status", series.status)], series))
    })
}

fn plugins(text: &mut Text, plugins: &[PluginReading]) {
    let name = "buntime_plugin_state";
    text.family(name, Type::Gauge, "1 for the state a plugin is in, 0 for the others.");
    for plugin in plugins {
        for state in PluginState::ALL {
            let labels = [("plugin", plugin.name.as_str()), ("state", state.as_str())];
            text.sample(name, &labels, u8::from(plugin.state == state));
        }
    }
    let name = "buntime_plugin_breaker_state";
    text.family(name, Type::Gauge, "Where a plugin's breaker stands: 0 closed, 1 half open, 2 open.");
    for plugin in plugins {
        if let Some(breaker) = plugin.breaker {
            let value = match breaker {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            };
            text.sample(name, &[("plugin", plugin.name.as_str())], value);
        }
    }
}

fn hooks(text: &mut Text, plugins: &[PluginReading]) {
    let stages: Vec<_> = plugins.iter().flat_map(by_stage).collect();

    let name = "buntime_plugin_hook_duration_seconds";
    text.family(name, Type::Histogram, "How long a plugin's hook took.");
    for of in &stages {
        let histogram = Histogram { buckets: of.reading.buckets.to_vec(), sum: of.reading.total };
        text.histogram(name, &of.labels(), &BUCKETS, &histogram);
    }
    let name = "buntime_plugin_hook_total";
    text.family(name, Type::Counter, "Calls of a plugin's hook, by how they ended.");
    for of in &stages {
        let [plugin, kind, hook] = of.labels();
        for (outcome, count) in Outcome::ALL.into_iter().zip(of.reading.outcomes) {
            // `continue` always, so that a hook that was never called shows too.
            if count > 0 || outcome == Outcome::Continue {
                text.sample(name, &[plugin, kind, hook, ("outcome", outcome.as_str())], count);
            }
        }
    }
    let name = "buntime_plugin_hook_busy_seconds_total";
    text.family(name, Type::Counter, "Time spent polling a plugin's hook: its CPU.");
    for of in &stages {
        text.sample(name, &of.labels(), of.reading.busy.as_secs_f64());
    }
}

/// One plugin's hooks of one kind and stage, all its hook sets together.
struct StageOf<'a> {
    plugin: &'a str,
    kind: &'static str,
    stage: Stage,
    reading: StageReading,
}

impl<'a> StageOf<'a> {
    fn labels(&self) -> [(&'static str, &'a str); 3] {
        [("plugin", self.plugin), ("kind", self.kind), ("hook", self.stage.as_str())]
    }
}

fn by_stage(plugin: &PluginReading) -> impl Iterator<Item = StageOf<'_>> {
    let mut sums: BTreeMap<(&'static str, usize), StageOf<'_>> = BTreeMap::new();
    for hook in &plugin.hooks {
        for (stage, reading) in &hook.stages {
            let (kind, stage) = (hook.kind, *stage);
            let fresh = || StageOf { plugin: &plugin.name, kind, stage, reading: StageReading::default() };
            let sum = &mut sums.entry((kind, stage as usize)).or_insert_with(fresh).reading;
            for (mine, theirs) in sum.outcomes.iter_mut().zip(reading.outcomes) {
                *mine += theirs;
            }
            for (mine, theirs) in sum.buckets.iter_mut().zip(reading.buckets) {
                *mine += theirs;
            }
            sum.total += reading.total;
            sum.busy += reading.busy;
        }
    }
    sums.into_values()
}

fn upstreams(text: &mut Text, upstreams: &[UpstreamReading]) {
    if upstreams.is_empty() {
        return;
    }
    type Of<T> = fn(&T) -> u64;
    let families: [(&str, Type, &str, Of<UpstreamReading>); 3] = [
        ("buntime_upstream_requests_total", Type::Counter, "Requests to an upstream.", |of| of.requests),
        ("buntime_upstream_retries_total", Type::Counter, "Attempts beyond a request's first.", |of| of.retries),
        ("buntime_upstream_queued", Type::Gauge, "Requests that wait for a target.", |of| of.queued),
    ];
    for (name, kind, help, value) in families {
        text.family(name, kind, help);
        for upstream in upstreams {
            text.sample(name, &[("upstream", &upstream.name)], value(upstream));
        }
    }
    let families: [(&str, Type, &str, Of<TargetReading>); 4] = [
        ("buntime_upstream_target_up", Type::Gauge, "1 while a target is asked.", |of| of.up.into()),
        ("buntime_upstream_target_in_flight", Type::Gauge, "Requests under way at a target.", |of| of.in_flight),
        ("buntime_upstream_target_requests_total", Type::Counter, "Attempts at a target.", |of| of.requests),
        ("buntime_upstream_target_failures_total", Type::Counter, "Attempts that failed.", |of| of.failures),
    ];
    for (name, kind, help, value) in families {
        text.family(name, kind, help);
        for upstream in upstreams {
            for (number, target) in upstream.targets.iter().enumerate() {
                let labels = [("upstream", upstream.name.as_str()), ("target", &number.to_string())];
                text.sample(name, &labels, value(target));
            }
        }
    }
}

fn process(text: &mut Text, process: &Process) {
    let mut known = |name: &str, kind: Type, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            text.single(name, kind, help, value);
        }
    };
    let count = |value: Option<u64>| value.map(|value| value as f64);
    let Process { cpu_seconds, resident_bytes, virtual_bytes, open_fds, max_fds, threads, start_seconds } = *process;
    known("process_cpu_seconds_total", Type::Counter, "User and system CPU time spent.", cpu_seconds);
    known("process_resident_memory_bytes", Type::Gauge, "Resident memory.", count(resident_bytes));
    known("process_virtual_memory_bytes", Type::Gauge, "Virtual memory.", count(virtual_bytes));
    known("process_open_fds", Type::Gauge, "Open file descriptors.", count(open_fds));
    known("process_max_fds", Type::Gauge, "Most file descriptors that may be open.", count(max_fds));
    known("process_threads", Type::Gauge, "Threads.", count(threads));
    known("process_start_time_seconds", Type::Gauge, "When the process started, since 1970.", start_seconds);
}
