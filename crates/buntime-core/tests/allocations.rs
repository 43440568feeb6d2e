//! Budgets as assertions: what an exchange allocates, and how large its future is.

use std::sync::Arc;

use axum::body::Body;
use buntime_core::{
    Cx, Flow, Handler, HookSet, Hooks, Host, Http, Meta, OnFailure, Post, Pre, Stages, Step, handler_fn,
};
use buntime_testing::{FakePlugin, Journal};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response};
use serde_json::json;

/// Hooks at every stage of both directions that are ready at once and do nothing.
struct Nothing;

impl Hooks<Http> for Nothing {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST | Stages::ERROR | Stages::COMPLETE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        std::hint::black_box(cx.request().method.is_safe());
        Step::ready(Pre::Continue)
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        std::hint::black_box(cx.response().is_some());
        Step::ready(Post::Continue)
    }

    fn error<'a>(&'a self, _: &'a mut Cx<Http>, _: &'a buntime_core::Error) -> Step<'a, OnFailure<Http>> {
        Step::ready(OnFailure::PassOn)
    }

    fn chunk<'a>(&'a self, _: &'a mut Cx<Http>, _: &'a mut Option<Bytes>, _: bool) -> Step<'a, Flow<Http>> {
        Step::ready(Flow::Continue)
    }
}

async fn host(count: usize) -> Host {
    let journal = Journal::default();
    let builder = (0..count).fold(Host::builder(), |builder, number| {
        let plugin = FakePlugin::new(&format!("p{number}"), &journal)
            .with_sets(&[])
            .offering(|startup| startup.hooks(HookSet::new("nothing", Nothing)));
        builder.plugin(plugin, json!({}))
    });
    builder.start().await.unwrap()
}

/// The heap allocations of one exchange, body read to its end.
fn allocations(host: &Host, handler: &Arc<dyn Handler<Http>>) -> u64 {
    allocations_of(host, handler, "")
}

/// Those of an exchange of a consumer.
fn allocations_of(host: &Host, handler: &Arc<dyn Handler<Http>>, who: &'static str) -> u64 {
    let live = host.live();
    let exchange = || {
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert("host", HeaderValue::from_static(who));
        let meta = Meta::new(HeaderValue::from_static("id"));
        let mut counted = allocation_counter::AllocationInfo::default();
        let handler = handler.clone();
        counted.count_total = allocation_counter::measure(|| {
            let response = live.chain().respond(meta, request, handler).now_or_never().unwrap();
            let body = axum::body::to_bytes(response.into_body(), 1024).now_or_never().unwrap().unwrap();
            assert_eq!(body.len(), 4);
        })
        .count_total;
        counted.count_total
    };
    exchange();
    exchange()
}

#[tokio::test]
async fn ready_hooks_allocate_nothing() {
    let handler: Arc<dyn Handler<Http>> =
        Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::from("fine")).into())));
    let one = allocations(&host(1).await, &handler);
    let eight = allocations(&host(8).await, &handler);
    assert_eq!(eight, one, "eight hook sets allocate as much as one");
    let none = allocations(&host(0).await, &handler);
    assert!(one <= none + 2, "the body that completes the exchange costs at most two: {none} without, {one} with");
}

#[tokio::test]
async fn resolving_scopes_allocates_nothing() {
    let handler: Arc<dyn Handler<Http>> =
        Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::from("fine")).into())));
    let host = with_consumers().await;
    // Built by the first who comes.
    let first = host.live().chain().respond(
        Meta::new(HeaderValue::from_static("id")),
        Request::builder().header("host", "acme").body(Body::empty()).unwrap(),
        handler.clone(),
    );
    assert_eq!(first.await.status(), 200);
    let unknown = allocations_of(&host, &handler, "nobody");
    assert_eq!(allocations_of(&host, &handler, "acme"), unknown);
}

/// One who says who calls by `Host`, and one that a consumer configures.
async fn with_consumers() -> Host {
    let journal = Journal::default();
    let auth =
        FakePlugin::new("auth", &journal).with_sets(&[]).at(10).offering(|s| s.hooks(HookSet::new("auth", Names)));
    let auth = auth.with(|m| m.with_capabilities([buntime_core::Capability::AuthProvider]));
    let other = FakePlugin::new("other", &journal).with_sets(&[]);
    let other = other.offering(|startup| startup.hooks(HookSet::new("nothing", Nothing)));
    let entries = vec![buntime_core::Entry::new("other", json!({ "value": 1 }))];
    let acme = buntime_core::ConsumerScope { name: "acme".into(), groups: vec![], matches: vec![], entries };
    let builder = Host::builder().plugin(auth, json!({})).plugin(other, json!({})).consumers([acme]);
    builder.start().await.unwrap()
}

struct Names;

impl Hooks<Http> for Names {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        thread_local! {
            static KNOWN: [Arc<str>; 2] = ["acme".into(), "nobody".into()];
        }
        let host = cx.request().headers["host"].clone();
        let known = KNOWN.with(|known| known.iter().find(|name| name.as_bytes() == host.as_bytes()).cloned());
        Step::Done(known.map_or(Ok(()), |name| cx.set_consumer(name)).map(|()| Pre::Continue).map_err(Into::into))
    }
}

#[tokio::test]
async fn the_future_of_an_exchange_stays_small() {
    let host = host(8).await;
    let handler = handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::empty()).into()));
    let request = Request::new(Body::empty());
    let chain = host.live().chain().clone();
    let future = chain.respond(Meta::new(HeaderValue::from_static("id")), request, Arc::new(handler));
    assert!(size_of_val(&future) <= 4096, "{} bytes", size_of_val(&future));
}
