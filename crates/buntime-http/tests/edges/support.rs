//! A server on a free port, a raw client, a scripted upstream. Everything has a patience; nothing sleeps to be in time.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use buntime_http::{
    body,
    server::{ConnectionInfo, Control, Drained, Limits, ListenOptions, Serve, Server},
};
use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A closure as a service.
pub(crate) struct Closure<F>(pub(crate) F);

impl<F> Serve for Closure<F>
where
    F: Fn(Request<Body>, Arc<ConnectionInfo>) -> Answering + Send + Sync + 'static,
{
    async fn serve(&self, request: Request<Body>, connection: &Arc<ConnectionInfo>) -> Response<Body> {
        (self.0)(request, Arc::clone(connection)).await
    }
}

/// Answers with the request's method, target, host and body.
pub(crate) fn echo(request: Request<Body>, _: Arc<ConnectionInfo>) -> Answering {
    Box::pin(async move {
        let (parts, incoming) = request.into_parts();
        match body::collect(incoming, u64::MAX).await {
            Ok(bytes) => {
                let host = parts.headers.get("host").map_or("", |host| host.to_str().unwrap_or(""));
                let text = format!("{} {} {host} [{}]", parts.method, parts.uri, String::from_utf8_lossy(&bytes));
                Response::new(Body::from(text))
            }
            Err(error) => buntime_http::server::plain_problem(&error),
        }
    })
}

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) control: Arc<Control>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<Drained>>,
}

impl TestServer {
    pub(crate) fn start<F>(limits: Limits, service: F) -> Self
    where
        F: Fn(Request<Body>, Arc<ConnectionInfo>) -> Answering + Send + Sync + 'static,
    {
        Self::start_with(&ListenOptions { limits, workers: Some(2), ..ListenOptions::default() }, service)
    }

    pub(crate) fn start_with<F>(options: &ListenOptions, service: F) -> Self
    where
        F: Fn(Request<Body>, Arc<ConnectionInfo>) -> Answering + Send + Sync + 'static,
    {
        let server = Server::bind(options).unwrap();
        let (address, control) = (server.local_addr(), Arc::clone(server.control()));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.serve(Closure(service), async {
            let _ = stopped.await;
        }));
        Self { address, control, stop: Some(stop), task }
    }

    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn stopped(mut self) -> Drained {
        self.begin_stop();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap()
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends bytes over a new connection and returns everything until the server closes it.
    pub(crate) async fn talk(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut raw = self.connect().await;
        raw.send(bytes).await;
        raw.rest().await
    }
}

/// A client that sends what it is told.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.0.write_all(bytes.as_ref())).await.unwrap().unwrap();
    }

    /// Everything until the connection ends.
    pub(crate) async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        match timeout(PATIENCE, self.0.read_to_end(&mut all)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => all.extend_from_slice(format!("<{:?}>", error.kind()).as_bytes()),
            Err(_) => panic!("the other side did not close after {:?}", String::from_utf8_lossy(&all)),
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Everything up to and with `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let mut byte = [0u8; 1];
        while !all.ends_with(end.as_bytes()) {
            let count = timeout(PATIENCE, self.0.read(&mut byte)).await.expect("nothing came").unwrap();
            assert_ne!(count, 0, "closed before {end:?}: {:?}", String::from_utf8_lossy(&all));
            all.push(byte[0]);
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// An upstream that answers each connection as it is told: a closure over the raw stream.
pub(crate) async fn scripted<F, Fut>(script: F) -> SocketAddr
where
    F: Fn(usize, Raw) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(script(number, Raw(stream)));
        }
    });
    address
}

/// Asks again until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
