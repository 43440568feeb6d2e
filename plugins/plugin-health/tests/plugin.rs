//! The plugin in a host: what it reports, when it is ready, and that nobody can make checks pile up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use buntime_core::{Capability, Finding, Host, clock::Clock, health::Registered};
use buntime_testing::{Act, FakePlugin, Journal, eventually};
use http::{Request, Response, StatusCode, header};
use plugin_health::HealthPlugin;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt;

async fn host(settings: Value) -> Host {
    Host::builder().plugin(HealthPlugin, settings).start().await.unwrap()
}

async fn get(app: &Router, path: &str) -> Response<Body> {
    let request = Request::builder().uri(format!("/p/health/api/{path}")).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn json(response: Response<Body>) -> Value {
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

async fn report(app: &Router) -> Value {
    let response = get(app, "health").await;
    assert_eq!(response.status(), StatusCode::OK);
    json(response).await
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

fn fixed(host: &Host, name: &str, finding: Finding) -> Registered {
    host.health().register(name, move || std::future::ready(finding.clone()))
}

#[tokio::test]
async fn the_report_lists_every_part() {
    let host = host(json!({})).await;
    let _disk = fixed(&host, "disk", Finding::degraded("Nearly full").with_details(json!({ "free": 7 })));
    let report = report(&host.router()).await;
    insta::assert_json_snapshot!(report, {
        ".timestamp" => "[time]",
        ".uptime" => "[ms]",
        ".checks[].latency" => "[ms]",
        ".checks[].details.residentBytes" => "[bytes]",
    });
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn ready_means_not_unhealthy() {
    let host = host(json!({ "cacheFor": 0, "tolerate": ["upstream:*"] })).await;
    let app = host.router();
    let _upstream = fixed(&host, "upstream:users", Finding::unhealthy("It does not answer"));
    assert_eq!(report(&app).await["status"], "degraded", "an upstream is tolerated");
    assert_eq!(check(&report(&app).await, "upstream:users")["status"], "unhealthy", "and shown as it is");
    for path in ["ready", "health/ready"] {
        let ready = get(&app, path).await;
        assert_eq!((ready.status(), json(ready).await), (StatusCode::OK, json!({ "status": "ready" })));
    }
    let database = fixed(&host, "adapter:sqlite", Finding::unhealthy("It is locked"));
    let not = get(&app, "ready").await;
    assert_eq!(not.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(not.headers()[header::RETRY_AFTER], "1");
    let reasons = json!([{ "name": "adapter:sqlite", "message": "It is locked" }]);
    assert_eq!(json(not).await, json!({ "status": "not_ready", "reasons": reasons }));
    assert_eq!(report(&app).await["status"], "unhealthy", "the report is 200 all the same");
    drop(database);
    assert_eq!(get(&app, "ready").await.status(), StatusCode::OK);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn live_checks_nothing() {
    let host = host(json!({})).await;
    let _hangs = host.health().register("hangs", std::future::pending::<Finding>);
    for path in ["live", "health/live"] {
        assert_eq!(json(get(&host.router(), path).await).await, json!({ "status": "live" }));
    }
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_check_that_hangs_or_panics_harms_no_other() {
    let host = host(json!({ "timeout": "50ms" })).await;
    let _hangs = host.health().register("hangs", std::future::pending::<Finding>);
    let _panics = host.health().register("panics", || async { panic!("the secret is out") });
    let _fine = fixed(&host, "fine", Finding::healthy());
    let report = report(&host.router()).await;
    assert_eq!(check(&report, "hangs")["message"], "No answer within 50 ms");
    assert_eq!(check(&report, "panics")["status"], "unhealthy");
    assert_eq!(check(&report, "fine")["status"], "healthy");
    assert!(!report.to_string().contains("secret"), "a panic's text is no client's business");
    host.stop(Duration::from_secs(5)).await;
}

/// A check that counts its runs and ends when it is let.
fn counted(host: &Host) -> (Registered, Arc<AtomicUsize>, Arc<Semaphore>) {
    let (runs, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (counted, let_by) = (runs.clone(), gate.clone());
    let registered = host.health().register("counted", move || {
        counted.fetch_add(1, SeqCst);
        let gate = let_by.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Finding::healthy()
        }
    });
    (registered, runs, gate)
}

#[tokio::test]
async fn whoever_asks_at_once_or_soon_shares_one_run() {
    let clock = Clock::fake();
    let builder = Host::builder().clock(clock.clone()).plugin(HealthPlugin, json!({ "cacheFor": "10s" }));
    let host = builder.start().await.unwrap();
    let (_kept, runs, gate) = counted(&host);
    let app = host.router();
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { get(&app, "health").await.status() })
        })
        .collect();
    eventually("the first run is under way", || async { runs.load(SeqCst) == 1 }).await;
    gate.add_permits(1);
    for asked in asking {
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
    report(&app).await;
    assert_eq!(runs.load(SeqCst), 1, "fifty at once and one soon after");
    clock.advance(Duration::from_secs(10));
    gate.add_permits(1);
    assert_eq!(report(&app).await["uptime"], 10_000);
    assert_eq!(runs.load(SeqCst), 2);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn clients_that_leave_start_nothing_anew() {
    let host = host(json!({})).await;
    let (_kept, runs, gate) = counted(&host);
    let app = host.router();
    for _ in 0..20 {
        let left = tokio::time::timeout(Duration::from_millis(2), get(&app, "health")).await;
        assert!(left.is_err(), "nobody lets the check by");
    }
    gate.add_permits(1);
    assert_eq!(check(&report(&app).await, "counted")["status"], "healthy");
    assert_eq!(runs.load(SeqCst), 1);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn why_a_plugin_does_not_run_is_for_administrators() {
    for (access, shown) in [("public", false), ("admin", true)] {
        let broken = FakePlugin::new("broken", &Journal::default()).on_startup(Act::Fail);
        let builder = Host::builder().plugin(HealthPlugin, json!({ "access": access }));
        let host = builder.plugin(broken, json!({})).start().await.unwrap();
        let app = if shown { host.admin_router() } else { host.router() };
        let report = report(&app).await;
        let reason = host.live().plugin(&"broken".into()).unwrap().status.reason.unwrap();
        assert_eq!(report["status"], "degraded", "it is not required");
        let message = check(&report, "plugin:broken")["message"].as_str().unwrap();
        assert!(message.starts_with("It could not be started"), "{message}");
        assert_eq!(message.contains(&reason), shown, "{message}");
        host.stop(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn a_plugins_check_lasts_as_long_as_the_plugin() {
    let with_check = FakePlugin::new("queue", &Journal::default())
        .with(|metadata| metadata.with_capabilities([Capability::Middleware]))
        .offering(|startup| startup.health_check("plugin:queue", || async { Finding::degraded("Full") }));
    let builder = Host::builder().plugin(HealthPlugin, json!({ "cacheFor": 0 }));
    let host = builder.plugin(with_check, json!({})).start().await.unwrap();
    let report = report(&host.router()).await;
    assert_eq!(check(&report, "plugin:queue")["message"], "Full");
    let names = report["checks"].as_array().unwrap().iter().filter(|check| check["name"] == "plugin:queue");
    assert_eq!(names.count(), 1, "its own check and its state are one");
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_openapi_fragment_names_every_endpoint() {
    let host = host(json!({})).await;
    let fragments = host.live().openapi();
    assert_eq!(fragments[0].0, "/p/health");
    insta::assert_json_snapshot!(fragments[0].1);
    host.stop(Duration::from_secs(5)).await;
}
