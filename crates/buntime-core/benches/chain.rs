//! The chain's budget: eight plugins whose hooks do nothing, both directions, < 1 µs unmeasured and < 2 µs measured,
//! beside the same exchange without any plugin.

use std::{hint::black_box, sync::Arc};

use axum::body::Body;
use buntime_core::{
    Capability, ConsumerScope, Cx, Entry, Handler, HookSet, Hooks, Host, Http, HttpRequest, Meta, Post, Pre, Stages,
    Step, handler_fn,
};
use buntime_testing::{FakePlugin, Journal};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response};
use serde_json::json;

struct Nothing;

impl Hooks<Http> for Nothing {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST
    }

    fn pre<'a>(&'a self, _: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        Step::ready(Pre::Continue)
    }

    fn post<'a>(&'a self, _: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        Step::ready(Post::Continue)
    }
}

async fn host(count: usize, measured: bool) -> Host {
    let journal = Journal::default();
    let mut builder = Host::builder();
    if !measured {
        builder = builder.unmeasured();
    }
    for number in 0..count {
        let plugin = FakePlugin::new(&format!("p{number}"), &journal)
            .with_sets(&[])
            .offering(|startup| startup.hooks(HookSet::new("nothing", Nothing)));
        builder = builder.plugin(plugin, json!({}));
    }
    match builder.start().await {
        Ok(host) => host,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn chain(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let handler: Arc<dyn Handler<Http>> =
        Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::empty()).into())));
    let mut group = c.benchmark_group("chain");
    for (name, count, measured) in [("no plugin", 0, false), ("8 plugins", 8, false), ("8 plugins, measured", 8, true)]
    {
        let host = runtime.block_on(host(count, measured));
        let live = host.live();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || (Meta::new(HeaderValue::from_static("id")), HttpRequest::from(Request::new(Body::empty()))),
                |(meta, request)| black_box(live.chain().respond(meta, request, handler.clone()).now_or_never()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Says that `acme` calls.
struct Names(Arc<str>);

impl Hooks<Http> for Names {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        Step::Done(cx.set_consumer(self.0.clone()).map(|()| Pre::Continue).map_err(Into::into))
    }
}

/// Two phases: what it costs that the chain goes on as a consumer's own, beside the same chain for somebody who
/// configures nothing. The budget is 200 ns.
fn two_phases(c: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let handler: Arc<dyn Handler<Http>> =
        Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::empty()).into())));
    let mut group = c.benchmark_group("two phases");
    for (name, who) in [("nothing configured", "nobody"), ("a chain of its own", "acme")] {
        let host = runtime.block_on(async {
            let journal = Journal::default();
            let names = who.to_owned();
            let auth = FakePlugin::new("auth", &journal).with_sets(&[]).at(10);
            let auth = auth.with(|m| m.with_capabilities([Capability::AuthProvider]));
            let auth = auth.offering(move |s| s.hooks(HookSet::new("auth", Names(names.as_str().into()))));
            let mut builder = Host::builder().unmeasured().plugin(auth, json!({}));
            for number in 0..8 {
                let plugin = FakePlugin::new(&format!("p{number}"), &journal).with_sets(&[]);
                let plugin = plugin.offering(|startup| startup.hooks(HookSet::new("nothing", Nothing)));
                builder = builder.plugin(plugin, json!({}));
            }
            let entries = vec![Entry::new("p3", json!({ "value": 1 }))];
            let acme = ConsumerScope { name: "acme".into(), groups: vec![], matches: vec![], entries };
            match builder.consumers([acme]).start().await {
                Ok(host) => host,
                Err(errors) => panic!("{errors:?}"),
            }
        });
        let live = host.live();
        let exchange = || (Meta::new(HeaderValue::from_static("id")), HttpRequest::from(Request::new(Body::empty())));
        let (meta, request) = exchange();
        runtime.block_on(live.chain().respond(meta, request, handler.clone()));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                exchange,
                |(meta, request)| black_box(live.chain().respond(meta, request, handler.clone()).now_or_never()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, chain, two_phases);
criterion_main!(benches);
