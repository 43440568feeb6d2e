//! The text and JSON of known measurements, to the letter: dashboards are built on them.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use buntime_core::{
    Completion, Ended, Stage,
    breaker::BreakerState,
    host::report::PluginState,
    stats::HookStats,
    stats::Outcome,
    upstreams::{TargetReading, UpstreamReading},
};
use http::Method;
use plugin_metrics::{
    Requests,
    cells::Bounds,
    process::Process,
    prometheus,
    snapshot::{HookReading, PluginReading, Snapshot, Stats},
};

fn end(status: u16, ended: Ended, millis: u64) -> Completion {
    Completion {
        ended,
        status,
        error: None,
        request_bytes: 100,
        response_bytes: 2048,
        to_head: Duration::from_millis(millis / 2),
        total: Duration::from_millis(millis),
    }
}

fn known() -> Snapshot {
    let requests = Requests::new(Bounds::new(&[0.01, 0.1, 1.0]), 10);
    let ends = [
        (Some("users"), "GET", end(200, Ended::Whole, 8)),
        (Some("users"), "GET", end(200, Ended::Whole, 50)),
        (Some("users"), "POST", end(503, Ended::Whole, 3000)),
        (Some("/files/{*path}"), "GET", end(200, Ended::Broken, 20)),
        (Some("an \"odd\\\" name\n"), "BREW", end(499, Ended::ClientGone, 500)),
        (None, "GET", end(404, Ended::Whole, 2)),
    ];
    for (route, method, end) in &ends {
        requests.begin();
        requests.end(*route, &Method::from_bytes(method.as_bytes()).unwrap(), end);
    }
    requests.begin();

    let stats = HookStats::default();
    stats.record(Stage::Pre, Outcome::Continue, Duration::from_nanos(900), Duration::from_nanos(800));
    stats.record(Stage::Pre, Outcome::Respond, Duration::from_micros(70), Duration::from_micros(9));
    stats.skip(Stage::Pre);
    let hook = |set: &str| HookReading {
        set: set.to_owned(),
        kind: "http",
        stages: vec![(Stage::Pre, stats.read(Stage::Pre)), (Stage::Complete, stats.read(Stage::Complete))],
    };
    let plugin = |name: &str, state, breaker, hooks| PluginReading { name: name.to_owned(), state, breaker, hooks };
    Snapshot {
        taken: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        bounds: requests.bounds().seconds().to_vec(),
        requests: requests.read(),
        plugins: vec![
            plugin("gateway", PluginState::Degraded, Some(BreakerState::Open), vec![hook("cors"), hook("limits")]),
            plugin("broken", PluginState::Quarantined, None, Vec::new()),
        ],
        upstreams: vec![UpstreamReading {
            name: "users".to_owned(),
            requests: 10,
            retries: 2,
            queued: 1,
            targets: vec![
                TargetReading { up: true, state: "healthy", in_flight: 3, requests: 9, failures: 0 },
                TargetReading { up: false, state: "ejected", in_flight: 0, requests: 3, failures: 3 },
            ],
        }],
        process: Process {
            cpu_seconds: Some(1.25),
            resident_bytes: Some(20 << 20),
            virtual_bytes: Some(100 << 20),
            open_fds: Some(12),
            max_fds: None,
            threads: Some(3),
            start_seconds: Some(1_699_999_990.5),
        },
    }
}

#[test]
fn prometheus_text() {
    let text = prometheus::render(&known());
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let text = text.replace(std::env::consts::OS, "OS").replace(std::env::consts::ARCH, "ARCH");
    insta::assert_snapshot!(text);
}

#[test]
fn stats_json() {
    insta::assert_json_snapshot!(Stats::of(&known(), None));
}

#[test]
fn the_rate_is_since_the_earlier_snapshot() {
    let mut earlier = known();
    earlier.taken -= Duration::from_secs(4);
    earlier.requests.routes.clear();
    assert_eq!(Stats::of(&known(), Some(&earlier)).requests.per_second, Some(1.5));
    assert_eq!(Stats::of(&known(), Some(&known())).requests.per_second, None, "no time has passed");
}

/// What Prometheus itself demands of a text, beside the snapshot: it is parsed here as a scraper would.
#[test]
fn a_scraper_can_read_it() {
    let text = prometheus::render(&known());
    let (mut families, mut seen, mut current) = (HashSet::new(), HashSet::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && families.insert(name.to_owned()), "{name} twice");
            current = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(series.starts_with(&current), "{series} is not in {current}");
            assert!(value.parse::<f64>().unwrap() >= 0.0);
            assert!(seen.insert(series.to_owned()), "{series} twice");
        }
    }
}

/// The worker pool takes over the original system's names; nothing of ours may stand in their way.
#[test]
fn the_original_names_stay_free() {
    let original = "active_workers avg_response_time_ms evictions hit_rate hits memory_usage_m_b misses \
        requests_per_second total_requests total_workers_failed total_workers_created total_workers_retired uptime_ms \
        ephemeral_concurrency ephemeral_queue_depth ephemeral_queue_limit pool_size pool_active pool_idle \
        pool_creating pool_total pool_utilization uptime_seconds";
    let text = prometheus::render(&known());
    let ours: HashSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(ours.contains("buntime_http_requests_total"));
    for name in original.split_ascii_whitespace() {
        assert!(!ours.contains(format!("buntime_{name}").as_str()), "buntime_{name} is taken");
    }
}
