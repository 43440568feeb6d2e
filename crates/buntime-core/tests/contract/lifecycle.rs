//! Sections 2.3 and 8: what plugins get, how they are started, stopped and restarted.

use std::time::Duration;

use buntime_core::{Access, Finding, Menu, PluginName, host::report::PluginState};
use buntime_testing::{Act, FakePlugin, Journal, eventually};
use serde_json::json;

use crate::host;

trait Greets: Send + Sync {
    fn greet(&self) -> String;
}

impl Greets for String {
    fn greet(&self) -> String {
        format!("hello {self}")
    }
}

#[tokio::test]
async fn services_are_typed_and_come_from_those_that_started_before() {
    let journal = Journal::default();
    let (seen, missing) = (journal.clone(), journal.clone());
    let provider = FakePlugin::new("provider", &journal).offering(|startup| {
        let service: std::sync::Arc<dyn Greets> = std::sync::Arc::new("world".to_owned());
        startup.provide(service).unwrap();
    });
    let user = FakePlugin::new("user", &journal)
        .with(|m| m.with_depends_on(["provider"]))
        .offering(move |startup| seen.note(startup.require::<dyn Greets>().unwrap().greet()));
    let early = FakePlugin::new("early", &journal).at(1).offering(move |startup| {
        missing.note(startup.require::<dyn Greets>().err().unwrap().to_string());
    });
    host([provider, user, early]).start().await.unwrap();
    let line = journal.line();
    assert!(line.contains("hello world"), "{line}");
    assert!(line.contains("`early` needs the service") && line.contains("dyn "), "{line}");
}

#[tokio::test]
async fn a_service_has_one_provider() {
    let journal = Journal::default();
    let provider = |name: &str| {
        let told = journal.clone();
        FakePlugin::new(name, &journal).offering(move |startup| {
            if let Err(error) = startup.provide(std::sync::Arc::new(7u64)) {
                told.note(error.to_string());
            }
        })
    };
    host([provider("a"), provider("b")]).start().await.unwrap();
    assert!(journal.line().contains("the service `u64` is provided already, by `a`"));
}

#[tokio::test(start_paused = true)]
async fn shutdown_is_reversed_bounded_and_visits_all_whatever_fails() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("a", &journal).at(1),
        FakePlugin::new("b", &journal).at(2).on_shutdown(Act::Stall),
        FakePlugin::new("c", &journal).at(3).on_shutdown(Act::Panic),
        FakePlugin::new("d", &journal).at(4).on_shutdown(Act::Fail),
    ]);
    let host = host.limits(Duration::from_secs(30), Duration::from_secs(3)).start().await.unwrap();
    journal.take();
    let begun = tokio::time::Instant::now();
    host.stop(Duration::from_secs(1)).await;
    assert_eq!(journal.line(), "d.shutdown c.shutdown b.shutdown a.shutdown");
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    let states: Vec<_> = host.live().plugins().iter().map(|p| p.status.status).collect();
    assert_eq!(states, [PluginState::Stopped, PluginState::Failed, PluginState::Failed, PluginState::Failed]);
    host.stop(Duration::from_secs(1)).await;
    assert_eq!(journal.all().len(), 4, "the second stop does nothing");
}

#[tokio::test]
async fn tasks_end_with_their_plugin() {
    let journal = Journal::default();
    let flushed = journal.clone();
    let plugin = FakePlugin::new("a", &journal).offering(move |startup| {
        startup.spawn(std::future::pending());
        let (context, flushed) = (startup.context(), flushed.clone());
        startup.spawn_until_done(async move {
            context.cancelled().cancelled().await;
            flushed.note("flushed");
        });
    });
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let host = host([plugin]).start().await.unwrap();
    host.stop(Duration::from_secs(5)).await;
    assert!(journal.line().ends_with("a.shutdown flushed"), "{}", journal.line());
    eventually("no task is left", || async { tokio::runtime::Handle::current().metrics().num_alive_tasks() <= before })
        .await;
}

#[tokio::test]
async fn a_failed_startup_leaves_nothing_running() {
    let journal = Journal::default();
    let plugin = FakePlugin::new("a", &journal).on_startup(Act::Fail).offering(|startup| {
        startup.spawn(std::future::pending());
        startup.health_check("a", || async { Finding::healthy() });
    });
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let host = host([plugin]).start().await.unwrap();
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
    assert!(host.health().run(Duration::from_secs(1)).await.is_empty());
    assert_eq!(journal.line(), "a.startup", "what never ran is not shut down");
}

#[tokio::test]
async fn kept_state_data_directories_and_settings() {
    let journal = Journal::default();
    let seen = journal.clone();
    let data = tempfile::tempdir().unwrap();
    let plugin = FakePlugin::new("@acme/plugin-a", &journal).offering(move |startup| {
        let counter = startup.keep("starts", || std::sync::atomic::AtomicU32::new(0));
        let starts = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        let dir = startup.data_dir().unwrap();
        assert!(dir.is_dir());
        seen.note(format!("{starts} {} {}", startup.base(), dir.file_name().unwrap().to_str().unwrap()));
    });
    let host = host([plugin]).data_dir(data.path()).start().await.unwrap();
    host.restart(&PluginName::new("@acme/a")).await.unwrap();
    let line = journal.line();
    assert!(line.contains("1 /p/a acme_a") && line.contains("2 /p/a acme_a"), "{line}");
}

#[tokio::test]
async fn offers_show_in_the_report_and_in_the_routers() {
    let journal = Journal::default();
    let plugin = FakePlugin::new("a", &journal).offering(|startup| {
        let hello = || axum::Router::new().route("/api/hello", axum::routing::get(|| async { "hello" }));
        startup.routes(Access::Public, hello());
        startup.routes(Access::Admin, axum::Router::new().route("/api/secret", axum::routing::get(|| async { "s" })));
        startup.menu(Menu { title: "A".into(), path: "/p/a/".into(), icon: None, priority: 1 });
        startup.openapi(json!({ "paths": {} }));
        startup.health_check("plugin:a", || async { Finding::degraded("tired") });
    });
    let host = host([plugin]).start().await.unwrap();
    let call = |router: axum::Router, path: &'static str| async move {
        tower::ServiceExt::oneshot(router, crate::get(path)).await.unwrap().status().as_u16()
    };
    assert_eq!(call(host.router(), "/p/a/api/hello").await, 200);
    assert_eq!(call(host.router(), "/p/a/api/secret").await, 404, "administrative routes are closed");
    assert_eq!(call(host.admin_router(), "/p/a/api/secret").await, 200);
    assert_eq!(host.live().plugins()[0].menus[0].title, "A");
    assert_eq!(host.live().openapi()[0].0, "/p/a");
    let found = host.health().run(Duration::from_secs(1)).await;
    assert_eq!((found[0].name.as_str(), found[0].finding.message.as_deref()), ("plugin:a", Some("tired")));
}
