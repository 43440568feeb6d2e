//! Section 4: pre, handler, post or error, complete.

use std::sync::Arc;

use buntime_core::{Capability, ErrorKind, Http, Identity, Matched, Pre, Stage, Step, Upgrade, handler_fn};
use buntime_testing::{Act, FakePlugin, Journal, eventually};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::{body_of, drive, failing, fine, get, host, meta, read, reply};

#[tokio::test]
async fn pre_in_order_post_in_reverse_complete_once() {
    let journal = Journal::default();
    let host =
        host([FakePlugin::new("b", &journal).at(2), FakePlugin::new("a", &journal).at(1)]).start().await.unwrap();
    journal.take();
    assert_eq!(drive(&host, fine()).await, (200, "fine".to_owned()));
    assert_eq!(journal.line(), "a.pre b.pre b.post a.post b.complete(whole) a.complete(whole)");
}

#[tokio::test]
async fn a_response_skips_the_rest_and_unwinds_its_own_set_too() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("a", &journal).at(1),
        FakePlugin::new("b", &journal).at(2).on(Stage::Pre, Act::Respond(202)),
        FakePlugin::new("c", &journal).at(3),
    ]);
    let host = host.start().await.unwrap();
    journal.take();
    let untouched = Arc::new(handler_fn::<Http, _>(|_| panic!("the handler must not run")));
    assert_eq!(drive(&host, untouched).await, (202, "fake 202".to_owned()));
    assert_eq!(journal.line(), "a.pre b.pre b.post a.post b.complete(whole) a.complete(whole)");
}

#[tokio::test]
async fn a_refusal_travels_back_as_an_error() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("a", &journal).at(1),
        FakePlugin::new("b", &journal).at(2).on(Stage::Pre, Act::Refuse(ErrorKind::Forbidden)),
    ]);
    let host = host.start().await.unwrap();
    journal.take();
    let (status, body) = drive(&host, fine()).await;
    assert_eq!((status, body_of(&body)["code"].as_str()), (403, Some("forbidden")));
    assert_eq!(journal.line(), "a.pre b.pre b.error(forbidden) a.error(forbidden) b.complete(whole) a.complete(whole)");
}

#[tokio::test]
async fn a_handler_chosen_by_handle_skips_later_pre_hooks() {
    let journal = Journal::default();
    let chosen = Arc::new(handler_fn::<Http, _>(|_| Step::ready(reply("chosen"))));
    let handle = Act::Pre(Arc::new(move |_| Pre::Handle(chosen.clone())));
    let host =
        host([FakePlugin::new("a", &journal).at(1).on(Stage::Pre, handle), FakePlugin::new("b", &journal).at(2)]);
    let host = host.start().await.unwrap();
    journal.take();
    assert_eq!(drive(&host, fine()).await.1, "chosen");
    assert_eq!(journal.line(), "a.pre a.post a.complete(whole)");
}

/// The handler is no part of the hook that chose it: it may take longer than the hook's limit, and its failure does
/// not count as the hook's.
#[tokio::test(start_paused = true)]
async fn a_handled_exchange_has_its_own_time_and_failures() {
    let journal = Journal::default();
    let slow = Arc::new(handler_fn::<Http, _>(|_| {
        Step::later(async {
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            Err(ErrorKind::UpstreamUnreachable.into())
        })
    }));
    let handle = Act::Pre(Arc::new(move |_| Pre::Handle(slow.clone())));
    let host = host([FakePlugin::new("a", &journal).on(Stage::Pre, handle)]).start().await.unwrap();
    for _ in 0..6 {
        assert_eq!(drive(&host, fine()).await.0, 502);
    }
    assert_eq!(host.live().plugins()[0].breaker, Some(buntime_core::breaker::BreakerState::Closed));
}

#[tokio::test]
async fn the_last_to_choose_a_handler_wins_and_may_wrap_it() {
    let journal = Journal::default();
    let first =
        Act::Do(Arc::new(|cx| cx.set_handler(Arc::new(handler_fn::<Http, _>(|_| Step::ready(reply("first")))))));
    let wrap = Act::Do(Arc::new(|cx| {
        let inner = cx.handler().clone();
        cx.set_handler(Arc::new(Wrapper(inner)));
    }));
    let host = host([
        FakePlugin::new("a", &journal).at(1).on(Stage::Pre, first),
        FakePlugin::new("b", &journal).at(2).on(Stage::Pre, wrap),
    ]);
    let host = host.start().await.unwrap();
    let response = host.live().chain().respond(meta(), get("/"), fine()).await;
    assert_eq!(response.headers()["x-wrapped"], "yes");
    assert_eq!(read(response).await.1, "first");
}

#[tokio::test]
async fn what_waits_for_the_handler_runs_before_it_and_only_if_there_is_one() {
    let journal = Journal::default();
    let noted = journal.clone();
    let wait = Act::Do(Arc::new(move |cx| {
        let noted = noted.clone();
        cx.before_handler(move |cx| noted.note(format!("about to be called: {}", cx.request().uri)));
    }));
    let there = FakePlugin::new("a", &journal).only(&[]).on(Stage::Pre, wait);
    let host_of_one = host([there.clone()]).start().await.unwrap();
    journal.take();
    drive(&host_of_one, fine()).await;
    assert_eq!(journal.line(), "a.pre about to be called: /");
    let refusing = FakePlugin::new("b", &journal).only(&[]).on(Stage::Pre, Act::Refuse(ErrorKind::Forbidden));
    let host_of_two = host([there, refusing]).start().await.unwrap();
    journal.take();
    drive(&host_of_two, fine()).await;
    assert_eq!(journal.line(), "a.pre b.pre");
}

struct Wrapper(Arc<dyn buntime_core::Handler<Http>>);

impl buntime_core::Handler<Http> for Wrapper {
    fn call<'a>(
        &'a self,
        cx: &'a mut buntime_core::Cx<Http>,
    ) -> Step<'a, buntime_core::HttpResponse, buntime_core::Error> {
        match self.0.call(cx) {
            Step::Done(Ok(mut response)) => {
                response.head.headers.insert("x-wrapped", HeaderValue::from_static("yes"));
                Step::ready(response)
            }
            other => other,
        }
    }
}

#[tokio::test]
async fn an_error_hook_recovers_and_those_further_out_get_post() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("a", &journal).at(1),
        FakePlugin::new("b", &journal).at(2).on(Stage::Error, Act::Respond(203)),
        FakePlugin::new("c", &journal).at(3).on(Stage::Error, Act::Refuse(ErrorKind::UpstreamTimeout)),
    ]);
    let host = host.start().await.unwrap();
    journal.take();
    assert_eq!(drive(&host, failing(ErrorKind::UpstreamUnreachable)).await.0, 203);
    let line = journal.line();
    assert!(
        line.starts_with("a.pre b.pre c.pre c.error(upstream_unreachable) b.error(upstream_timeout) a.post"),
        "{line}"
    );
}

#[tokio::test]
async fn an_error_hook_adds_headers_to_the_answer() {
    struct Adds(&'static str);
    impl buntime_core::Hooks<Http> for Adds {
        fn stages(&self) -> buntime_core::Stages {
            buntime_core::Stages::ERROR
        }
        fn error<'a>(
            &'a self,
            _: &'a mut buntime_core::Cx<Http>,
            _: &'a buntime_core::Error,
        ) -> Step<'a, buntime_core::OnFailure<Http>> {
            let mut headers = http::HeaderMap::new();
            headers.append("vary", http::HeaderValue::from_static(self.0));
            headers.append("vary", http::HeaderValue::from_static("more"));
            headers.append("x-added", http::HeaderValue::from_static(self.0));
            Step::ready(buntime_core::OnFailure::AddHeaders(headers))
        }
    }
    let journal = Journal::default();
    let plugin = FakePlugin::new("a", &journal).offering(|startup| {
        startup.hooks(buntime_core::HookSet::new("outer", Adds("outer")).at(1));
        startup.hooks(buntime_core::HookSet::new("inner", Adds("inner")).at(2));
    });
    let host = host([plugin]).start().await.unwrap();
    let chain = host.live().chain().clone();
    let response = chain.respond(crate::meta(), crate::get("/"), failing(ErrorKind::UpstreamTimeout)).await;
    assert_eq!(response.status(), 504);
    let all = |name| response.headers().get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((all("vary"), all("x-added")), (vec!["inner", "more", "outer", "more"], vec!["inner", "outer"]));
}

#[tokio::test]
async fn an_error_hook_answers_with_a_handler() {
    struct Instead;
    impl buntime_core::Hooks<Http> for Instead {
        fn stages(&self) -> buntime_core::Stages {
            buntime_core::Stages::ERROR
        }
        fn error<'a>(
            &'a self,
            _: &'a mut buntime_core::Cx<Http>,
            _: &'a buntime_core::Error,
        ) -> Step<'a, buntime_core::OnFailure<Http>> {
            let other = handler_fn::<Http, _>(|_| Step::ready(reply("other service")));
            Step::ready(buntime_core::OnFailure::Handle(Arc::new(other)))
        }
    }
    let journal = Journal::default();
    let plugin = FakePlugin::new("a", &journal)
        .offering(|startup| startup.hooks(buntime_core::HookSet::new("instead", Instead)));
    let host = host([plugin]).start().await.unwrap();
    assert_eq!(drive(&host, failing(ErrorKind::UpstreamTimeout)).await, (200, "other service".to_owned()));
}

#[tokio::test]
async fn a_post_hook_turns_a_response_into_an_error() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("a", &journal).at(1),
        FakePlugin::new("b", &journal).at(2).on(Stage::Post, Act::Refuse(ErrorKind::UpstreamProtocol)),
    ]);
    let host = host.start().await.unwrap();
    journal.take();
    assert_eq!(drive(&host, fine()).await.0, 502);
    assert!(journal.line().starts_with("a.pre b.pre b.post a.error(upstream_protocol_error)"));
}

#[tokio::test]
async fn an_error_that_is_left_is_formatted_once() {
    let host = host([]).start().await.unwrap();
    let response = host.live().chain().respond(meta(), get("/"), failing(ErrorKind::RateLimited)).await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["x-request-id"], "test-id");
    let body = body_of(&read(response).await.1);
    assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(429), Some("rate_limited")));
}

/// Exactly one of post and error, and complete, on every way out: also when the client leaves in the middle.
#[tokio::test]
async fn a_client_that_leaves_is_told_to_every_entered_set() {
    for stalled in ["b", "handler"] {
        let journal = Journal::default();
        let b = FakePlugin::new("b", &journal).at(2);
        let b = if stalled == "b" { b.on(Stage::Pre, Act::Stall) } else { b };
        let host = host([FakePlugin::new("a", &journal).at(1), b, FakePlugin::new("c", &journal).at(3)]);
        let host = host.start().await.unwrap();
        journal.take();
        let never = Arc::new(handler_fn::<Http, _>(|_| Step::later(std::future::pending())));
        let exchange = host.live().chain().clone();
        let mut future = Box::pin(async move { exchange.respond(meta(), get("/"), never).await });
        assert!(futures_util::poll!(&mut future).is_pending());
        drop(future);
        eventually("a is completed", || async { journal.line().contains("a.complete") }).await;
        let inner = if stalled == "b" { "" } else { "c.error(client_closed) " };
        let completes = if stalled == "b" { "" } else { "c.complete(client_gone) " };
        let entered = if stalled == "b" { "a.pre b.pre" } else { "a.pre b.pre c.pre" };
        assert_eq!(
            journal.line(),
            format!(
                "{entered} {inner}b.error(client_closed) a.error(client_closed) {completes}b.complete(client_gone) a.complete(client_gone)"
            )
        );
    }
}

/// A post hook that was begun when the client left is not called again as error.
#[tokio::test]
async fn a_hook_under_way_is_not_called_twice() {
    let journal = Journal::default();
    let host =
        host([FakePlugin::new("a", &journal).at(1), FakePlugin::new("b", &journal).at(2).on(Stage::Post, Act::Stall)]);
    let host = host.start().await.unwrap();
    journal.take();
    let chain = host.live().chain().clone();
    let mut future = Box::pin(async move { chain.respond(meta(), get("/"), fine()).await });
    assert!(futures_util::poll!(&mut future).is_pending());
    drop(future);
    eventually("a is completed", || async { journal.line().contains("a.complete") }).await;
    assert_eq!(
        journal.line(),
        "a.pre b.pre b.post a.error(client_closed) b.complete(client_gone) a.complete(client_gone)"
    );
}

#[tokio::test]
async fn shutdown_waits_for_completions() {
    let journal = Journal::default();
    let host = host([FakePlugin::new("a", &journal).on(Stage::Complete, Act::Later)]).start().await.unwrap();
    drive(&host, fine()).await;
    host.stop(std::time::Duration::from_secs(5)).await;
    let line = journal.line();
    assert!(line.ends_with("a.complete(whole) a.settled a.shutdown"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_handler_with_504() {
    let host = host([]).start().await.unwrap();
    let never = Arc::new(handler_fn::<Http, _>(|_| Step::later(std::future::pending())));
    let mut meta = meta();
    meta.deadline = Some(std::time::Instant::now() + std::time::Duration::from_secs(60));
    let response = host.live().chain().respond(meta, get("/"), never).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn headers_stay_multi_valued_and_removed_ones_are_gone() {
    let journal = Journal::default();
    let name = HeaderName::from_static("x-many");
    let add = name.clone();
    let change = Act::Do(Arc::new(move |cx| {
        let headers = &mut cx.request_mut().headers;
        headers.append(&add, HeaderValue::from_static("2"));
        headers.remove("host");
    }));
    let host = host([FakePlugin::new("a", &journal).on(Stage::Pre, change)]).start().await.unwrap();
    let seen = Arc::new(handler_fn::<Http, _>(|cx| {
        let headers = &cx.request().headers;
        let many: Vec<_> = headers.get_all("x-many").iter().map(|v| v.to_str().unwrap_or("?")).collect();
        let text = format!("{} host:{}", many.join("+"), headers.contains_key("host"));
        Step::ready(http::Response::new(axum::body::Body::from(text)).into())
    }));
    let mut request = get("/");
    request.headers_mut().append(name, HeaderValue::from_static("1"));
    let response = host.live().chain().respond(meta(), request, seen).await;
    assert_eq!(read(response).await.1, "1+2 host:false");
}

#[tokio::test]
async fn values_reach_later_hooks_and_reserved_ones_need_the_capability() {
    let journal = Journal::default();
    let (put, look) = (journal.clone(), journal.clone());
    let first = Act::Do(Arc::new(move |cx| {
        cx.insert(7u32);
        assert!(cx.set_named("tenant", "acme".into()).is_ok());
        for name in ["identity", "consumer", "request_id", "client_address"] {
            assert!(cx.set_named(name, "forged".into()).is_err());
        }
        let refused = cx.set_identity(Arc::new(Identity::default())).is_err() && cx.set_consumer("x".into()).is_err();
        put.note(format!("refused:{refused}"));
    }));
    let auth = Act::Do(Arc::new(|cx| {
        let identity = Identity { subject: "ada".to_owned(), ..Identity::default() };
        cx.set_identity(Arc::new(identity)).unwrap();
    }));
    let last = Act::Do(Arc::new(move |cx| {
        let who = cx.identity().map(|i| i.subject.clone());
        look.note(format!("{:?} {:?} {:?}", cx.get::<u32>(), cx.named("tenant"), who));
    }));
    let host = host([
        FakePlugin::new("first", &journal).at(1).only(&[Stage::Pre]).on(Stage::Pre, first),
        FakePlugin::new("auth", &journal)
            .at(2)
            .with(|m| m.with_capabilities([Capability::AuthProvider]))
            .only(&[Stage::Pre])
            .on(Stage::Pre, auth),
        FakePlugin::new("last", &journal).at(3).only(&[Stage::Pre]).on(Stage::Pre, last),
    ]);
    let host = host.start().await.unwrap();
    drive(&host, fine()).await;
    let line = journal.line();
    assert!(line.contains("refused:true"), "{line}");
    assert!(line.contains(r#"Some(7) Some(String("acme")) Some("ada")"#), "{line}");
}

#[tokio::test]
async fn an_upgrade_completes_when_its_relay_ends() {
    let journal = Journal::default();
    let host = host([FakePlugin::new("a", &journal)]).start().await.unwrap();
    journal.take();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = std::sync::Mutex::new(Some(gone));
    let upgrading = Arc::new(handler_fn::<Http, _>(move |_| {
        let gone = gone.lock().unwrap().take();
        let mut response = http::Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.extensions_mut().insert(Upgrade::new(|mut tail| async move {
            gone.unwrap().await.unwrap();
            tail.sent(5);
            tail.finish(buntime_core::Ended::Whole);
        }));
        Step::ready(response.into())
    }));
    let response = host.live().chain().respond(meta(), get("/"), upgrading).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    drop(response);
    assert_eq!(journal.line(), "a.pre a.post", "not complete while the relay runs");
    go.send(()).unwrap();
    eventually("the relay has ended", || async { journal.line().contains("a.complete(whole)") }).await;
}

#[tokio::test]
async fn observers_alone_run_for_administrative_routes() {
    let journal = Journal::default();
    let seen = journal.clone();
    struct Looks(Journal);
    impl buntime_core::Hooks<Http> for Looks {
        fn stages(&self) -> buntime_core::Stages {
            buntime_core::Stages::PRE
        }
        fn pre<'a>(&'a self, _: &'a mut buntime_core::Cx<Http>) -> Step<'a, Pre<Http>> {
            self.0.note("looked");
            Step::ready(Pre::Continue)
        }
    }
    let looker = FakePlugin::new("looker", &journal).with_sets(&[]).offering(move |startup| {
        startup.hooks(buntime_core::HookSet::new("look", Looks(seen.clone())).observing());
    });
    let host = host([looker, FakePlugin::new("other", &journal)]).start().await.unwrap();
    journal.take();
    host.live().observers().respond(meta(), get("/api"), fine()).await;
    assert_eq!(journal.line(), "looked");
}

#[tokio::test]
async fn a_route_is_known_to_every_hook() {
    let journal = Journal::default();
    let seen = journal.clone();
    let look = Act::Do(Arc::new(move |cx| seen.note(cx.route().map(|r| r.label.to_string()).unwrap_or_default())));
    let host = host([FakePlugin::new("a", &journal).on(Stage::Pre, look)]).start().await.unwrap();
    let mut meta = meta();
    meta.route = Some(Arc::new(Matched { label: "proxy:x".into(), plugin: None, public: false, data: None }));
    host.live().chain().respond(meta, get("/"), fine()).await;
    assert!(journal.line().contains("proxy:x"));
}

/// The sets behind it see the second request as they would have seen the first; those before it, and it itself, do not.
#[tokio::test]
async fn what_was_answered_is_fetched_anew_through_the_rest_of_the_chain() {
    let journal = Journal::default();
    let (sent, got) = tokio::sync::oneshot::channel();
    let sent = std::sync::Mutex::new(Some(sent));
    let fetch = Act::Pre(Arc::new(move |cx| {
        let sent = sent.lock().unwrap().take();
        cx.afterwards(get("/again").into(), |answer| async move {
            let answer = crate::read(answer).await;
            if let Some(sent) = sent {
                sent.send(answer).unwrap();
            }
        });
        Pre::respond(reply("old"))
    }));
    let host = host([
        FakePlugin::new("a", &journal).at(1),
        FakePlugin::new("b", &journal).at(2).on(Stage::Pre, fetch),
        FakePlugin::new("c", &journal).at(3),
    ]);
    let host = host.start().await.unwrap();
    journal.take();
    let handler = Arc::new(handler_fn::<Http, _>(|cx| {
        assert_eq!(cx.request().uri.path(), "/again");
        Step::ready(reply("new"))
    }));
    assert_eq!(drive(&host, handler).await, (200, "old".to_owned()));
    assert_eq!(got.await.unwrap(), (200, "new".to_owned()));
    let (all, rest) = (journal.line(), "c.pre c.post c.complete(whole)");
    let of_c: Vec<&str> = all.split(' ').filter(|hook| hook.starts_with("c.")).collect();
    assert_eq!(of_c.join(" "), rest);
    let others: Vec<&str> = all.split(' ').filter(|hook| !hook.starts_with("c.")).collect();
    assert_eq!(others.join(" "), "a.pre b.pre b.post a.post b.complete(whole) a.complete(whole)");
}
