//! Targets that can be killed and restored, and clusters made of settings.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{Router, body::Body, extract::Request, response::Response};
use buntime_config::model::Upstream;
use buntime_core::{Clock, Error};
use buntime_upstream::{Call, Cluster, ClusterOptions, Surroundings};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

/// A target that counts requests. Killed, its listener and all its connections are gone at once.
pub(crate) struct Backend {
    address: SocketAddr,
    router: Router,
    hits: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    running: Option<JoinHandle<()>>,
}

impl Backend {
    /// Answers with `answer`.
    pub(crate) async fn start<F>(answer: impl Fn(Request) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let hits = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&hits);
        let router = Router::new().fallback(move |request: Request| {
            count.fetch_add(1, SeqCst);
            answer(request)
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut backend = Self { address, router, hits, open: Arc::default(), running: None };
        backend.serve(listener);
        backend
    }

    /// Answers 200 with that text.
    pub(crate) async fn saying(text: &'static str) -> Self {
        Self::start(move |_| async move { Response::new(Body::from(text)) }).await
    }

    /// Answers that status.
    pub(crate) async fn failing(status: u16) -> Self {
        Self::start(move |_| async move {
            let mut response = Response::new(Body::from("failed"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        })
        .await
    }

    fn serve(&mut self, listener: TcpListener) {
        let service = TowerToHyperService::new(self.router.clone());
        let open = Arc::clone(&self.open);
        self.running = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                let counted = Counted::new(&open);
                connections.spawn(async move {
                    let _counted = counted;
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
                while connections.try_join_next().is_some() {}
            }
        }));
    }

    pub(crate) async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
    }

    pub(crate) async fn restore(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    pub(crate) fn hits(&self) -> usize {
        self.hits.load(SeqCst)
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

pub(crate) fn around() -> Surroundings {
    Surroundings::new(Clock::system(), CancellationToken::new())
}

pub(crate) fn open(settings: Value) -> Arc<Cluster> {
    open_in(settings, &around(), None)
}

pub(crate) fn open_in(settings: Value, around: &Surroundings, before: Option<&Cluster>) -> Arc<Cluster> {
    let settings: Upstream = serde_json::from_value(settings).unwrap();
    Cluster::open("test", &settings, &ClusterOptions::of(&settings), around, before).unwrap()
}

pub(crate) fn request(method: &str, path: &str, body: impl Into<Body>) -> http::Request<Body> {
    http::Request::builder().method(method).uri(path).body(body.into()).unwrap()
}

pub(crate) fn call() -> Call<'static> {
    Call::new([127, 0, 0, 1].into())
}

/// Status and body.
pub(crate) async fn send(cluster: &Cluster, request: http::Request<Body>) -> Result<(u16, String), Error> {
    let response = cluster.send(request, &call()).await?;
    let status = response.status().as_u16();
    let whole = response.into_body().collect().await.unwrap().to_bytes();
    Ok((status, String::from_utf8_lossy(&whole).into_owned()))
}

pub(crate) async fn get(cluster: &Cluster) -> Result<(u16, String), Error> {
    send(cluster, request("GET", "/", Body::empty())).await
}

/// A port where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
