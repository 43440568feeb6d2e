//! Section 6: what happens when a hook itself fails.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use buntime_core::{
    BoxError, Capability, Catalog, Cx, ErrorKind, HookSet, Hooks, Host, Http, Metadata, Plugin, Pre, Program, Stage,
    Stages, Startup, Step, breaker::BreakerState, clock::Clock, stats::Outcome,
};
use buntime_testing::{Act, FakePlugin, Journal};
use http::HeaderValue;
use serde_json::{Value, json};

use crate::{body_of, drive, entry, fine, get, host, host_with, meta, read};

async fn one(plugin: FakePlugin, options: Value) -> Host {
    host_with([(plugin, options)]).start().await.unwrap()
}

fn outcome(host: &Host, stage: Stage, outcome: Outcome) -> u64 {
    host.live().chain().links()[0].stats.read(stage).outcomes[outcome as usize]
}

#[tokio::test]
async fn fail_answers_503_with_the_plugins_name() {
    let journal = Journal::default();
    let host = one(FakePlugin::new("a", &journal).on(Stage::Pre, Act::Fail), json!({ "onError": "fail" })).await;
    let (status, body) = drive(&host, fine()).await;
    let body = body_of(&body);
    assert_eq!((status, body["code"].as_str(), body["plugin"].as_str()), (503, Some("plugin_failed"), Some("a")));
    assert!(!body.to_string().contains("told to fail"), "what the hook said is for the log");
}

#[tokio::test]
async fn continue_is_as_if_the_hook_had_done_nothing() {
    let journal = Journal::default();
    let seen = journal.clone();
    let spoil = Act::DoThenFail(Arc::new(|cx| {
        cx.request_mut().headers.insert("x-half", HeaderValue::from_static("made"));
        cx.insert(5u8);
        cx.set_handler(Arc::new(buntime_core::handler_fn::<buntime_core::Http, _>(|_| panic!("undone"))));
    }));
    let look = Act::Do(Arc::new(move |cx| {
        seen.note(format!("{} {:?}", cx.request().headers.contains_key("x-half"), cx.get::<u8>()));
    }));
    let host = host([
        FakePlugin::new("a", &journal).at(1).on(Stage::Pre, spoil),
        FakePlugin::new("b", &journal).at(2).on(Stage::Pre, look),
    ]);
    let host = host.start().await.unwrap();
    assert_eq!(drive(&host, fine()).await, (200, "fine".to_owned()));
    assert!(journal.line().contains("false None"), "{}", journal.line());
}

#[tokio::test]
async fn the_default_is_fail_for_plugins_that_refuse_and_continue_for_others() {
    let journal = Journal::default();
    let sick = |n: &str| FakePlugin::new(n, &journal).on(Stage::Pre, Act::Fail);
    assert_eq!(drive(&one(sick("observer"), json!({})).await, fine()).await.0, 200);
    assert_eq!(drive(&one(sick("guard").with(buntime_core::Metadata::refusing), json!({})).await, fine()).await.0, 503);
    // What cannot be undone fails, whatever is configured.
    let took = Act::DoThenFail(Arc::new(|cx| drop(cx.take_body())));
    let host = one(FakePlugin::new("took", &journal).on(Stage::Pre, took), json!({ "onError": "continue" })).await;
    assert_eq!(drive(&host, fine()).await.0, 503);
}

#[tokio::test(start_paused = true)]
async fn retry_calls_it_again_and_then_does_what_after_retry_says() {
    let journal = Journal::default();
    let first = |n: u32| Act::FailFirst(Arc::new(Mutex::new(n)));
    let plugin = |n: u32| FakePlugin::new("a", &journal).on(Stage::Pre, first(n));
    let options = |after: &str| json!({ "onError": { "retry": { "attempts": 2, "afterRetry": after } } });
    assert_eq!(drive(&one(plugin(2), options("fail")).await, fine()).await.0, 200);
    assert_eq!(drive(&one(plugin(3), options("fail")).await, fine()).await.0, 503);
    assert_eq!(drive(&one(plugin(3), options("continue")).await, fine()).await.0, 200);
}

#[tokio::test]
async fn fallback_asks_another_plugin_or_gives_a_fixed_response() {
    let journal = Journal::default();
    let sick = || FakePlugin::new("a", &journal).at(1).on(Stage::Pre, Act::Fail);
    let other = FakePlugin::new("b", &journal).at(2).on(Stage::Pre, Act::Respond(203));
    let by_plugin = host_with([(sick(), json!({ "onError": { "fallback": { "plugin": "b" } } })), (other, json!({}))]);
    assert_eq!(drive(&by_plugin.start().await.unwrap(), fine()).await.0, 203);
    let fixed = json!({ "onError": { "fallback": { "response": { "status": 200, "headers": { "x-fixed": "1" }, "body": "sorry" } } } });
    let host = one(sick(), fixed).await;
    let response = host.live().chain().respond(meta(), get("/"), fine()).await;
    assert_eq!(response.headers()["x-fixed"], "1");
    assert_eq!(read(response).await, (200, "sorry".to_owned()));
    // A fallback that is not there is warned of at load.
    let missing = one(sick(), json!({ "onError": { "fallback": { "plugin": "nobody" } } })).await;
    assert!(missing.live().warnings()[0].contains("`nobody`, which has no hooks in this chain"));
    assert_eq!(drive(&missing, fine()).await.0, 503);
}

#[tokio::test(start_paused = true)]
async fn a_hook_past_its_time_limit_is_cancelled() {
    let journal = Journal::default();
    let stall = || FakePlugin::new("a", &journal).on(Stage::Pre, Act::Stall);
    let begun = tokio::time::Instant::now();
    let host = one(stall(), json!({})).await;
    assert_eq!(drive(&host, fine()).await.0, 200);
    assert_eq!(begun.elapsed().as_secs(), 5, "the default");
    assert_eq!(outcome(&host, Stage::Pre, Outcome::Timeout), 1);
    let begun = tokio::time::Instant::now();
    let host = one(stall(), json!({ "hookTimeout": "200ms", "onError": "fail" })).await;
    assert_eq!(drive(&host, fine()).await.0, 503);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

struct Patient;

impl Hooks<Http> for Patient {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, _: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        Step::later(std::future::pending())
    }
}

#[async_trait]
impl Plugin for Patient {
    fn metadata(&self) -> Metadata {
        Metadata::new("patient", "1.0.0").with_capabilities([Capability::Middleware])
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        startup.hooks::<Http>(HookSet::new("waits", Self).within(Duration::from_secs(20)));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_set_may_have_a_time_limit_of_its_own() {
    for (options, seconds) in [(json!({}), 20), (json!({ "hookTimeout": "2s" }), 2)] {
        let mut catalog = Catalog::new();
        catalog.add(Patient).unwrap();
        let program = Program { entries: vec![entry("patient", options)], ..Program::default() };
        let host = Host::builder().catalog(catalog).program(program).start().await.unwrap();
        let begun = tokio::time::Instant::now();
        assert_eq!(drive(&host, fine()).await.0, 200);
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}

#[tokio::test]
async fn a_panic_is_caught_and_its_text_is_not_answered() {
    let journal = Journal::default();
    for stage in [Stage::Pre, Stage::Post, Stage::Complete] {
        let plugin = FakePlugin::new("a", &journal).on(stage, Act::Panic);
        let host = one(plugin.clone(), json!({})).await;
        assert_eq!(drive(&host, fine()).await.0, 200, "{stage:?}");
        assert_eq!(outcome(&host, stage, Outcome::Panic), 1, "{stage:?}");
        let host = one(plugin, json!({ "onError": "fail" })).await;
        let (_, body) = drive(&host, fine()).await;
        assert!(!body.contains("secret"), "{body}");
    }
    let wild = Arc::new(buntime_core::handler_fn::<buntime_core::Http, _>(|_| panic!("a secret")));
    let (status, body) = drive(&host([]).start().await.unwrap(), wild).await;
    assert!(status == 500 && !body.contains("secret"), "{body}");
}

#[tokio::test]
async fn a_breaker_opens_decides_at_once_and_closes_after_probes() {
    let journal = Journal::default();
    let clock = Clock::fake();
    let sick = Arc::new(Mutex::new(3));
    let plugin = FakePlugin::new("a", &journal).on(Stage::Pre, Act::FailFirst(sick.clone()));
    let options = json!({ "breaker": { "failures": 3, "open": "30s", "successes": 2 }, "onError": "fail" });
    let host = host_with([(plugin, options)]).clock(clock.clone()).start().await.unwrap();
    let state = || host.live().plugins()[0].breaker.unwrap();
    for _ in 0..3 {
        assert_eq!(drive(&host, fine()).await.0, 503);
    }
    assert_eq!((state(), host.live().plugins()[0].status.status.as_str()), (BreakerState::Open, "degraded"));
    journal.take();
    assert_eq!(drive(&host, fine()).await.0, 503);
    assert_eq!(journal.all(), Vec::<String>::new(), "not called while open");
    assert_eq!(outcome(&host, Stage::Pre, Outcome::Skipped), 1);
    clock.advance(Duration::from_secs(30));
    assert_eq!(drive(&host, fine()).await.0, 200);
    assert_eq!(state(), BreakerState::HalfOpen);
    assert_eq!(drive(&host, fine()).await.0, 200);
    assert_eq!(state(), BreakerState::Closed);
}

#[tokio::test]
async fn an_open_breaker_passes_by_where_failures_do() {
    let journal = Journal::default();
    let plugin = FakePlugin::new("a", &journal).on(Stage::Pre, Act::Fail);
    let host = one(plugin, json!({ "breaker": { "failures": 1 } })).await;
    drive(&host, fine()).await;
    journal.take();
    assert_eq!(drive(&host, fine()).await.0, 200);
    assert_eq!(journal.all(), Vec::<String>::new(), "neither pre nor post nor complete");
}

#[tokio::test]
async fn states_counts_and_the_last_error_are_visible() {
    let journal = Journal::default();
    let host = one(FakePlugin::new("a", &journal).on(Stage::Post, Act::Fail), json!({})).await;
    drive(&host, fine()).await;
    let report = serde_json::to_value(&host.live().plugins()[0]).unwrap();
    assert_eq!(report["lastError"], json!({ "stage": "post", "message": "told to fail" }));
    assert_eq!((&report["stats"]["calls"], &report["stats"]["failures"]), (&json!(3), &json!(1)));
    assert_eq!(report["breaker"], "closed");
}

#[tokio::test]
async fn a_failing_error_hook_leaves_the_error_that_travels() {
    let journal = Journal::default();
    let plugin = FakePlugin::new("a", &journal).on(Stage::Error, Act::Fail);
    let host = one(plugin, json!({ "onError": "fail" })).await;
    assert_eq!(drive(&host, crate::failing(ErrorKind::UpstreamTimeout)).await.0, 504);
}
