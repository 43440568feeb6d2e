//! A store behind a listener, and a client.

use std::sync::Arc;

use buntime_core::{Plugin, services::Services};
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use buntime_testing::{TestRuntime, TestRuntimeBuilder};
use plugin_keyval::KeyvalPlugin;
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

use crate::events::Events;

pub(crate) const TOKEN: &str = "a-long-and-random-text";

/// The plugin, served.
pub(crate) struct World {
    runtime: TestRuntime,
    client: reqwest::Client,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of an answer that is no error.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()
    }

    /// Its status, and the words of an error.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String) {
        assert!(self.status >= 400, "{self:?}");
        (self.status, self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(json!({})).await
    }

    pub(crate) async fn with(settings: Value) -> Self {
        Self::of(settings, Options::memory(), |runtime| runtime).await
    }

    /// With another plugin.
    pub(crate) async fn beside(plugin: impl Plugin) -> Self {
        Self::of(json!({}), Options::memory(), |runtime| runtime.plugin(plugin, json!({}))).await
    }

    /// On a database that returns so many bytes at once.
    pub(crate) async fn narrow(bytes: usize) -> Self {
        Self::of(json!({}), Options::memory().with_max_result_bytes(bytes), |runtime| runtime).await
    }

    async fn of(
        mut settings: Value,
        database: Options,
        more: impl FnOnce(TestRuntimeBuilder) -> TestRuntimeBuilder,
    ) -> Self {
        settings["accessTokens"] = json!([TOKEN]);
        // Its client wants one, though nothing here is encrypted.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sqlite = Sqlite::open(database).await.expect("a database in memory");
        let services = Services::default();
        services.provide::<Registry>(Arc::new(Registry::builder().add(Arc::new(sqlite), true).build().expect("one")));
        let runtime = TestRuntime::builder().plugin(KeyvalPlugin, settings).services(services);
        let runtime = more(runtime).start().await;
        Self { runtime, client: reqwest::Client::new() }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.ask_with(Some(TOKEN), method, path)
    }

    pub(crate) fn ask_with(&self, token: Option<&str>, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, self.runtime.url(&format!("/p/keyval{path}")));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.expect("a whole answer") }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.ask(Method::GET, path)).await
    }

    pub(crate) async fn put(&self, path: &str, value: &Value) -> Answer {
        self.send(self.ask(Method::PUT, path).json(value)).await
    }

    pub(crate) async fn post(&self, path: &str, value: &Value) -> Answer {
        self.send(self.ask(Method::POST, path).json(value)).await
    }

    /// What OpenAPI is told.
    pub(crate) fn openapi(&self) -> Vec<Value> {
        self.runtime.host().live().openapi().into_iter().map(|(_, fragment)| fragment).collect()
    }

    /// A stream of events.
    pub(crate) async fn events(&self, path: &str) -> Events {
        Events::new(self.ask(Method::GET, path).send().await.expect("an answer"))
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.ask(Method::DELETE, path)).await
    }
}
