//! A gateway with the plugin in it, real upstreams behind it, and a client that reads answers as they are on the wire.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use buntime_core::{
    BoxError, Capability, Clock, Handler, Http, Matched, Metadata, Plugin, RouteMatch, RouteSource, Startup,
    services::Services,
};
use buntime_testing::{RawUpstream, TestRuntime, TestRuntimeBuilder};
use buntime_upstream::{Cluster, ClusterOptions, Clusters, RouteOptions, ServiceRoute, cluster::Surroundings};
use http::request;
use plugin_fallback::FallbackPlugin;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

/// An upstream that does the first thing with the first request, and the last with all that are left. Each is what it
/// answers; nothing means that it closes the connection.
pub(crate) struct Scripted {
    pub(crate) upstream: RawUpstream,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Scripted {
    pub(crate) async fn start(answers: &'static [&'static str]) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let upstream = RawUpstream::start(move |mut stream, head| {
            let number = counted.fetch_add(1, SeqCst);
            let answer = answers[number.min(answers.len() - 1)];
            async move {
                let mut body = vec![0; length(&head)];
                if stream.read_exact(&mut body).await.is_err() || answer.is_empty() {
                    return;
                }
                let (status, text) = answer.split_once(' ').unwrap_or((answer, ""));
                let text = text.replace("{body}", &String::from_utf8_lossy(&body));
                let text = text.replace("{head}", &head);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nx-upstream: yes\r\netag: \"1\"\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { upstream: upstream.await, asked }
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

fn length(head: &str) -> usize {
    let line =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

pub(crate) fn cluster(name: &str, url: &str) -> Arc<Cluster> {
    let around = Surroundings::new(Clock::default(), CancellationToken::new());
    Cluster::single(name, url.parse().unwrap(), &ClusterOptions::default(), &around, None).unwrap()
}

/// A port where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Sends everything to one handler.
struct Everything(Arc<dyn Handler<Http>>);

struct Source(Arc<dyn Handler<Http>>);

impl RouteSource for Source {
    fn find(&self, _: &request::Parts) -> Option<RouteMatch> {
        let matched = Matched { label: "service:main/all".into(), plugin: None, public: false, data: None };
        Some(RouteMatch { matched: Arc::new(matched), handler: self.0.clone() })
    }

    fn list(&self) -> Vec<Value> {
        Vec::new()
    }
}

#[async_trait]
impl Plugin for Everything {
    fn metadata(&self) -> Metadata {
        Metadata::new("everything", "1.0.0").with_capabilities([Capability::Routes])
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        startup.route_source(Arc::new(Source(self.0.clone())));
        Ok(())
    }
}

/// A gateway whose every request goes to `main`, with a service `backup` beside it.
pub(crate) fn gateway(main: &str, backup: &str, settings: Value) -> TestRuntimeBuilder {
    let clusters = Clusters::new();
    let main = cluster("main", main);
    clusters.replace([main.clone(), cluster("backup", backup)]);
    let services = Services::default();
    services.provide(Arc::new(clusters));
    let handler = ServiceRoute::new(main, RouteOptions::default());
    TestRuntime::builder().services(services).plugin(Everything(handler), Value::Null).plugin(FallbackPlugin, settings)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(known, _)| *known == name).map(|(_, v)| v)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request line with more headers and a body, and reads until the connection is closed.
pub(crate) async fn ask(runtime: &TestRuntime, line: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(runtime.address()).await.unwrap();
    let mut text = format!("{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
