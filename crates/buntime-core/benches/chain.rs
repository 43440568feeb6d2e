//! The chain's budget: eight plugins whose hooks do nothing, both directions, < 1 µs unmeasured and < 2 µs measured,
//! beside the same exchange without any plugin.

use std::{hint::black_box, sync::Arc};

use axum::body::Body;
use buntime_core::{Cx, Handler, HookSet, Hooks, Host, Http, HttpRequest, Meta, Post, Pre, Stages, Step, handler_fn};
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

criterion_group!(benches, chain);
criterion_main!(benches);
