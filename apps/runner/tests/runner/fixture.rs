//! A runner in this process, with a directory, an environment and a client of its own.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use buntime_config::Source;
use buntime_testing::{FakePlugin, Journal};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use runner::{Options, Running, StartError, start};
use serde_json::Value;
use tempfile::TempDir;

/// What to start. The file is `buntime.jsonc` in a directory of its own.
pub(crate) struct Setup {
    pub(crate) dir: Arc<TempDir>,
    env: BTreeMap<String, String>,
    fakes: Vec<FakePlugin>,
    watch: bool,
}

impl Setup {
    pub(crate) fn new(config: &Value) -> Self {
        let setup = Self {
            dir: Arc::new(tempfile::tempdir().unwrap()),
            env: BTreeMap::from([("PORT".to_owned(), "0".to_owned())]),
            fakes: Vec::new(),
            watch: false,
        };
        setup.write(&config.to_string());
        setup
    }

    /// Another runner on the same directory.
    pub(crate) fn again(&self) -> Self {
        Self { dir: Arc::clone(&self.dir), env: self.env.clone(), fakes: self.fakes.clone(), watch: self.watch }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("buntime.jsonc")
    }

    /// Replaces the file as editors do.
    pub(crate) fn write(&self, text: &str) {
        let next = self.dir.path().join(".buntime.jsonc.new");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A plugin that the program knows beside the built-in ones.
    pub(crate) fn fake(mut self, plugin: FakePlugin) -> Self {
        self.fakes.push(plugin);
        self
    }

    pub(crate) fn watched(mut self) -> Self {
        self.watch = true;
        self
    }

    pub(crate) async fn try_start(&self) -> Result<Gateway, StartError> {
        let mut options = Options::new(Source::File(self.file()));
        options.env = Arc::new(self.env.clone());
        options.workers = Some(1);
        options.watch = self.watch;
        for fake in &self.fakes {
            options.catalog.add(fake.clone()).unwrap();
        }
        let running = start(options).await?;
        // Of several tests in one process the first installs it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Ok(Gateway { url: running.url(), running, client, _dir: Arc::clone(&self.dir) })
    }

    pub(crate) async fn start(&self) -> Gateway {
        self.try_start().await.unwrap()
    }
}

/// A runner that runs.
pub(crate) struct Gateway {
    pub(crate) running: Running,
    pub(crate) url: String,
    client: Client,
    _dir: Arc<TempDir>,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Gateway {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send(self.request(method, path).json(&body)).await
    }

    /// One plugin, as the admin API shows it.
    pub(crate) async fn plugin(&self, name: &str) -> Value {
        self.get(&format!("/api/plugins/{name}")).await.expect(200).json()
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }
}

/// A plugin that only takes notes.
pub(crate) fn fake(name: &str) -> FakePlugin {
    FakePlugin::new(name, &Journal::default())
}
