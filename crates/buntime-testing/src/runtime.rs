//! Plugins behind a real listener on port 0.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use buntime_core::{
    BoxFuture, Catalog, Entry, Error, ErrorKind, Handler, Host, Http, Meta, Plugin, Policy, Program, ServiceHandler,
    Step, handler_fn, services::Services,
};
use buntime_http::server::{ConnectionInfo, ListenOptions, Serve, Server};
use http::{HeaderValue, Request, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tower::ServiceExt;

/// Plugins behind a real listener. All their routes are open, administrative ones too; what they do not claim is
/// answered by the fallback router through the whole chain.
pub struct TestRuntime {
    host: Host,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    _data: TempDir,
}

/// Builds a [`TestRuntime`].
pub struct TestRuntimeBuilder {
    catalog: Catalog,
    program: Program,
    fallback: Option<Router>,
    options: ListenOptions,
    services: Services,
}

impl TestRuntime {
    /// Builds one.
    pub fn builder() -> TestRuntimeBuilder {
        TestRuntimeBuilder {
            catalog: Catalog::new(),
            program: Program::default(),
            fallback: None,
            options: ListenOptions { workers: Some(1), ..ListenOptions::default() },
            services: Services::default(),
        }
    }

    /// What runs.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and that path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Stops listening, then the plugins.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.server).await;
        self.host.stop(Duration::from_secs(5)).await;
    }
}

impl std::fmt::Debug for TestRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestRuntime").field("address", &self.address).field("host", &self.host).finish_non_exhaustive()
    }
}

impl TestRuntimeBuilder {
    /// Adds a plugin, with its settings.
    #[must_use]
    pub fn plugin(self, plugin: impl Plugin, settings: Value) -> Self {
        let entry = Entry::new(plugin.metadata().name.as_str(), settings);
        self.entry(plugin, entry)
    }

    /// Adds a plugin, configured like this.
    #[must_use]
    pub fn entry(mut self, plugin: impl Plugin, entry: Entry) -> Self {
        self.catalog.add(plugin).unwrap_or_else(|error| panic!("{error}"));
        self.program.entries.push(entry);
        self
    }

    /// What may load, and what must.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.program.policy = policy;
        self
    }

    /// What answers when no plugin claims the request. Default: 404.
    #[must_use]
    pub fn fallback(mut self, router: Router) -> Self {
        self.fallback = Some(router);
        self
    }

    /// How to listen.
    #[must_use]
    pub fn listen(mut self, options: ListenOptions) -> Self {
        self.options = options;
        self
    }

    /// What the host provides: a database, say.
    #[must_use]
    pub fn services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// Starts it. Panics with every problem when it cannot.
    pub async fn start(self) -> TestRuntime {
        let data = TempDir::new().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        let builder = Host::builder().catalog(self.catalog).program(self.program).data_dir(data.path());
        let host = builder.services(self.services).start().await.unwrap_or_else(|errors| panic!("{errors:#?}"));
        let server = Server::bind(&self.options).unwrap_or_else(|error| panic!("{error}"));
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let fallback: Arc<dyn Handler<Http>> = match self.fallback {
            Some(router) => Arc::new(ServiceHandler(router)),
            None => Arc::new(handler_fn::<Http, _>(|_| Step::failed(Error::new(ErrorKind::NotFound)))),
        };
        let serving = Serving { host: host.clone(), fallback };
        let server = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            match server.serve(serving, shutdown).await {
                Ok(drained) => drained.finish(),
                Err(error) => panic!("the listener failed: {error}"),
            }
        });
        TestRuntime { host, address, stop: Some(stop), server, _data: data }
    }
}

impl std::fmt::Debug for TestRuntimeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestRuntimeBuilder").field("program", &self.program).finish_non_exhaustive()
    }
}

struct Serving {
    host: Host,
    fallback: Arc<dyn Handler<Http>>,
}

impl Serve for Serving {
    fn serve(
        &self,
        request: Request<Body>,
        connection: &Arc<ConnectionInfo>,
    ) -> impl Future<Output = Response<Body>> + Send {
        let live = self.host.live();
        let mut meta = Meta::new(HeaderValue::from_static("test"));
        meta.peer = connection.peer;
        meta.client_ip = connection.peer.ip();
        let (head, body) = request.into_parts();
        let claimed = live.sources().iter().find_map(|source| source.find(&head));
        let request = Request::from_parts(head, body);
        let future: BoxFuture<'static, Response<Body>> = if request.uri().path().starts_with("/p/") {
            let router = self.host.router().merge(self.host.admin_router());
            Box::pin(async move { router.oneshot(request).await.unwrap_or_else(|never| match never {}) })
        } else {
            let handler = match claimed {
                Some(found) => {
                    meta.route = Some(found.matched);
                    found.handler
                }
                None => self.fallback.clone(),
            };
            let chain = live.chain().clone();
            Box::pin(async move { chain.respond(meta, request, handler).await })
        };
        future
    }
}
