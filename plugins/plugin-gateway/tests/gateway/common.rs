//! Exchanges through a host that has the plugin.

use std::{net::IpAddr, sync::Arc};

use axum::body::Body;
use buntime_core::{Clock, Cx, Entry, Host, HostBuilder, Http, Matched, Meta, Program, Services, Step, handler_fn};
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use http::{HeaderValue, Request, Response};
use plugin_gateway::GatewayPlugin;
use serde_json::Value;

/// A host with the plugin and these settings.
pub(crate) fn builder(settings: Value) -> HostBuilder {
    Host::builder().plugin(GatewayPlugin, settings)
}

/// Starts it.
pub(crate) async fn start(settings: Value) -> Host {
    builder(settings).start().await.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Starts it with a clock that stands still.
pub(crate) async fn start_at(settings: Value, clock: &Clock) -> Host {
    builder(settings).clock(clock.clone()).start().await.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A database, as the runner provides it.
pub(crate) async fn services(file: Option<&std::path::Path>) -> Services {
    let options = file.map_or_else(Options::memory, Options::file);
    let sqlite = Sqlite::open(options).await.unwrap();
    let services = Services::default();
    services.provide::<Registry>(Arc::new(Registry::builder().add(Arc::new(sqlite), true).build().unwrap()));
    services
}

/// Who asks for what.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) ip: IpAddr,
    pub(crate) route: Option<&'static str>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// `GET /` from 192.0.2.1.
pub(crate) fn get(path: &str) -> Ask {
    let ip = IpAddr::from([192, 0, 2, 1]);
    Ask { method: "GET", path: path.to_owned(), ip, route: None, headers: Vec::new() }
}

impl Ask {
    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn ip(mut self, ip: &str) -> Self {
        self.ip = ip.parse().unwrap();
        self
    }

    pub(crate) fn route(mut self, label: &'static str) -> Self {
        self.route = Some(label);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Through the chain, to a handler that answers `fine`.
    pub(crate) async fn to(&self, host: &Host) -> Response<Body> {
        self.answered(host, handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::from("fine")).into()))).await
    }

    /// Through the chain, to that handler.
    pub(crate) async fn answered(&self, host: &Host, handler: impl buntime_core::Handler<Http>) -> Response<Body> {
        let mut request = Request::builder().method(self.method).uri(&self.path).header("host", "example.com");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let mut meta = Meta::new(HeaderValue::from_static("id"));
        meta.client_ip = self.ip;
        meta.route =
            self.route.map(|label| Arc::new(Matched { label: label.into(), plugin: None, public: false, data: None }));
        let chain = host.live().chain().clone();
        chain.respond(meta, request.body(Body::empty()).unwrap(), Arc::new(handler)).await
    }

    pub(crate) async fn status(&self, host: &Host) -> u16 {
        self.to(host).await.status().as_u16()
    }

    /// How many of so many are let through.
    pub(crate) async fn passes(&self, host: &Host, tries: usize) -> usize {
        let mut passed = 0;
        for _ in 0..tries {
            passed += usize::from(self.status(host).await == 200);
        }
        passed
    }
}

/// The value of a header; empty if there is none.
pub(crate) fn header<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Every value of a header.
pub(crate) fn all(response: &Response<Body>, name: &str) -> Vec<String> {
    response.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// A body as JSON.
pub(crate) async fn json(response: Response<Body>) -> Value {
    let body = axum::body::to_bytes(response.into_body(), 1 << 22).await.unwrap();
    serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}

/// Asks the plugin's API.
pub(crate) async fn api(host: &Host, method: &str, path: &str) -> Response<Body> {
    use tower::ServiceExt;
    let request = Request::builder().method(method).uri(format!("/p/gateway/api{path}")).body(Body::empty()).unwrap();
    host.admin_router().oneshot(request).await.unwrap()
}

/// A plugin that names the consumer that `x-who` names, at 10.
pub(crate) fn auth() -> buntime_testing::FakePlugin {
    let name = buntime_testing::Act::Do(Arc::new(|cx: &mut Cx<Http>| {
        let who = cx.request().headers.get("x-who").and_then(|who| who.to_str().ok()).map(Arc::<str>::from);
        if let Some(who) = who {
            let identity = buntime_core::Identity { subject: format!("user-of-{who}"), ..Default::default() };
            cx.set_identity(Arc::new(identity)).unwrap();
            cx.set_consumer(who).unwrap();
        }
    }));
    let pre = buntime_core::Stage::Pre;
    let auth = buntime_testing::FakePlugin::new("auth", &buntime_testing::Journal::default()).at(10).only(&[pre]);
    auth.with(|m| m.with_capabilities([buntime_core::Capability::AuthProvider])).on(pre, name)
}

/// The gateway's entry of a program.
pub(crate) fn program(settings: Value) -> Program {
    Program {
        entries: vec![Entry::new("auth", serde_json::json!({})), Entry::new("gateway", settings)],
        ..Program::default()
    }
}
