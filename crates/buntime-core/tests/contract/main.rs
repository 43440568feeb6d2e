//! The rules of `CONTRACT.md`, held one by one. Each rule there names the test here that holds it.

mod attempts;
mod failure;
mod lifecycle;
mod limit;
mod loading;
mod order;
mod parallel;
mod reload;
mod scopes;
mod stages;
mod streams;
mod surface;

use std::sync::Arc;

use axum::body::Body;
use buntime_core::{
    Entry, Error, Handler, Host, HostBuilder, Http, HttpResponse, Meta, Step, handler_fn, options::EntryOptions,
};
use buntime_testing::FakePlugin;
use http::{HeaderValue, Request, Response};
use serde_json::{Value, json};

/// A host of fakes, in this order, without settings.
fn host(plugins: impl IntoIterator<Item = FakePlugin>) -> HostBuilder {
    plugins.into_iter().fold(Host::builder(), |builder, plugin| builder.plugin(plugin, json!({})))
}

/// A host of fakes with these options.
fn host_with(plugins: impl IntoIterator<Item = (FakePlugin, Value)>) -> HostBuilder {
    use buntime_core::Plugin;
    let mut catalog = buntime_core::Catalog::new();
    let mut program = buntime_core::Program::default();
    for (plugin, options) in plugins {
        let name = plugin.metadata().name;
        catalog.add(plugin).unwrap();
        program.entries.push(entry(name.as_str(), options));
    }
    Host::builder().catalog(catalog).program(program)
}

fn entry(name: &str, options: Value) -> Entry {
    let options: EntryOptions = serde_json::from_value(options).unwrap();
    Entry::new(name, json!({})).with_options(options)
}

fn meta() -> Meta {
    Meta::new(HeaderValue::from_static("test-id"))
}

fn get(path: &str) -> Request<Body> {
    Request::builder().uri(path).header("host", "example.com").body(Body::empty()).unwrap()
}

fn fine() -> Arc<dyn Handler<Http>> {
    Arc::new(handler_fn::<Http, _>(|_| Step::ready(reply("fine"))))
}

fn failing(kind: buntime_core::ErrorKind) -> Arc<dyn Handler<Http>> {
    Arc::new(handler_fn::<Http, _>(move |_| Step::Done(Err(Error::new(kind)))))
}

fn reply(text: &'static str) -> HttpResponse {
    Response::new(Body::from(text)).into()
}

/// One exchange: status and body.
async fn drive(host: &Host, handler: Arc<dyn Handler<Http>>) -> (u16, String) {
    let response = host.live().chain().respond(meta(), get("/"), handler).await;
    read(response).await
}

async fn read(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn body_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
