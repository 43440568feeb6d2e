//! Service routes over real sockets: what the upstream is asked, what hooks still see, time limits, WebSockets.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, routing::any};
use buntime_config::model::{RoutePath, Target, Upstream};
use buntime_core::{Clock, Handler, Host, Http, Matched, Meta, RouteMatch, RouteSource, Stage};
use buntime_testing::{Act, FakePlugin, FakeUpstream, Journal, RawUpstream, TestRuntime, eventually};
use buntime_upstream::{Cluster, ClusterOptions, ForwardOptions, RouteOptions, ServiceRoute, Surroundings};
use http::{HeaderValue, Request, StatusCode, request};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

/// Everything is this route's.
struct Everything(Arc<dyn Handler<Http>>);

impl RouteSource for Everything {
    fn find(&self, _: &request::Parts) -> Option<RouteMatch> {
        let matched = Matched { label: "users".into(), plugin: None, public: false, data: None };
        Some(RouteMatch { matched: Arc::new(matched), handler: self.0.clone() })
    }

    fn list(&self) -> Vec<Value> {
        Vec::new()
    }
}

fn cluster(url: &str, change: impl FnOnce(&mut Upstream)) -> Arc<Cluster> {
    let mut settings = Upstream::new(vec![Target::new(url.parse().unwrap())]);
    change(&mut settings);
    let around = Surroundings::new(Clock::system(), CancellationToken::new());
    Cluster::open("users", &settings, &ClusterOptions::of(&settings), &around, None).unwrap()
}

/// A server all of whose requests go to that cluster. Of the plugin only those stages are taken part in.
async fn serve(cluster: &Arc<Cluster>, options: RouteOptions, stages: &[Stage], act: Act) -> TestRuntime {
    let handler = ServiceRoute::new(cluster.clone(), options);
    let plugin = FakePlugin::new("routes", &Journal::default()).only(stages).offering(move |startup| {
        startup.route_source(Arc::new(Everything(handler.clone())));
    });
    let plugin = stages.iter().fold(plugin, |plugin, stage| plugin.on(*stage, act.clone()));
    TestRuntime::builder().plugin(plugin, json!({})).start().await
}

/// An upstream that answers with the request it got.
async fn echo() -> FakeUpstream {
    let router = Router::new().fallback(any(|request: Request<Body>| async move {
        let fields = request.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
        format!("{} {}\n{}", request.method(), request.uri(), fields.collect::<String>())
    }));
    FakeUpstream::start(router).await
}

async fn ask(runtime: &TestRuntime, head: &str) -> String {
    let mut stream = TcpStream::connect(runtime.address()).await.unwrap();
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

const PLAIN: &str = "GET /users/7?x=1 HTTP/1.1\r\nhost: client.example\r\norigin: https://app.example\r\nx-mine: yes";

#[tokio::test]
async fn the_target_is_asked_by_its_own_name_for_the_path_below_its_own() {
    let upstream = echo().await;
    let cluster = cluster(&format!("{}/v1", upstream.url()), |_| {});
    let runtime = serve(&cluster, RouteOptions::default(), &[], Act::Continue).await;
    let answer = ask(&runtime, PLAIN).await;
    assert!(answer.contains("GET /v1/users/7?x=1\n"), "{answer}");
    assert!(answer.contains(&format!("\nhost: {}\n", upstream.address())), "{answer}");
    for field in ["origin: https://app.example", "x-forwarded-host: client.example", "via: 1.1 buntime", "x-mine: yes"]
    {
        assert!(answer.contains(&format!("\n{field}\n")), "{field}: {answer}");
    }
    runtime.stop().await;
}

#[tokio::test]
async fn the_path_can_be_stripped_and_the_host_preserved() {
    let upstream = echo().await;
    let cluster = cluster(&upstream.url(), |_| {});
    let options = RouteOptions {
        strip: vec!["/users".parse::<RoutePath>().unwrap()],
        forward: ForwardOptions { preserve_host: true, ..ForwardOptions::default() },
    };
    let runtime = serve(&cluster, options, &[], Act::Continue).await;
    let answer = ask(&runtime, PLAIN).await;
    assert!(answer.contains("GET /7?x=1\n") && answer.contains("\nhost: client.example\n"), "{answer}");
    runtime.stop().await;
}

#[tokio::test]
async fn hooks_on_the_way_back_see_the_request_as_it_came() {
    let upstream = echo().await;
    let cluster = cluster(&upstream.url(), |_| {});
    for stage in [Stage::Post, Stage::Complete] {
        let seen: Arc<Mutex<Option<String>>> = Arc::default();
        let note = seen.clone();
        let look = Act::Do(Arc::new(move |cx| {
            let said = cx.request().headers.get("x-mine").and_then(|value| value.to_str().ok());
            *note.lock().unwrap() = said.map(str::to_owned);
        }));
        let runtime = serve(&cluster, RouteOptions::default(), &[stage], look).await;
        assert!(ask(&runtime, PLAIN).await.contains("\nx-mine: yes\n"));
        eventually("it was seen", || async { seen.lock().unwrap().as_deref() == Some("yes") }).await;
        runtime.stop().await;
    }
}

#[tokio::test]
async fn a_target_that_is_too_slow_for_the_server_is_known_to_be() {
    let upstream = RawUpstream::start(|stream, _| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    for own in [None, Some("30ms")] {
        let cluster = cluster(&upstream.url(), |settings| settings.timeout = own.map(|own| own.parse().unwrap()));
        let host = Host::builder().start().await.unwrap();
        let mut meta = Meta::new(HeaderValue::from_static("test"));
        // Its own limit replaces the server's.
        let limit = if own.is_some() { Duration::ZERO } else { Duration::from_millis(30) };
        meta.deadline = Some(Instant::now() + limit);
        let request = Request::get("/").body(Body::empty()).unwrap();
        let chain = host.live().chain().clone();
        let began = Instant::now();
        let response = chain.respond(meta, request, ServiceRoute::new(cluster.clone(), RouteOptions::default())).await;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(began.elapsed() >= Duration::from_millis(30), "{own:?}");
        assert_eq!(cluster.report().targets[0].failures, 1, "{own:?}");
        host.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_websocket_goes_through_the_cluster_and_is_told_when_the_server_stops() {
    let upstream = RawUpstream::start(|mut stream, head| async move {
        assert!(head.to_ascii_lowercase().contains("upgrade: websocket"), "{head}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Until the other end goes away.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let cluster = cluster(&upstream.url(), |settings| settings.targets[0].max_connections = Some(1));
    let runtime = serve(&cluster, RouteOptions::default(), &[], Act::Continue).await;
    let mut client = TcpStream::connect(runtime.address()).await.unwrap();
    let asked = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(asked.as_bytes()).await.unwrap();
    let mut read = vec![0; 1024];
    let count = client.read(&mut read).await.unwrap();
    assert!(read[..count].starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&read[..count]));
    assert_eq!(cluster.report().targets[0].in_flight, 1);
    let stopping = tokio::spawn(runtime.stop());
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    // A close of the server's: 1001.
    assert_eq!((rest[0], &rest[2..4]), (0x88, &1001_u16.to_be_bytes()[..]), "{rest:?}");
    stopping.await.unwrap();
    assert_eq!(cluster.report().targets[0].in_flight, 0);
}
