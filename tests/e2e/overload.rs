//! More requests than the gateway takes at a time, and a stop while some of them go on.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body, response::Response, routing::any};
use buntime_testing::{FakeUpstream, RawUpstream, eventually};
use buntime_tests::{Answer, Gateway, PATIENCE, WebSocket, client, soon, websocket, websocket_echo};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, broadcast},
    task::JoinHandle,
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

/// `/held` is answered when the test says so, `/events` are the test's, anything else is answered at once.
struct Held {
    upstream: FakeUpstream,
    sockets: RawUpstream,
    asked: Arc<AtomicUsize>,
    places: Arc<Semaphore>,
    /// `None` is the end of all streams.
    events: broadcast::Sender<Option<Bytes>>,
}

impl Held {
    async fn start() -> Self {
        let (asked, places) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (events, _) = broadcast::channel(16);
        let (count, wait, sender) = (Arc::clone(&asked), Arc::clone(&places), events.clone());
        let held = any(move || {
            let (count, wait) = (Arc::clone(&count), Arc::clone(&wait));
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                wait.acquire().await.expect("it is never closed").forget();
                "released"
            }
        });
        let streamed = any(move || {
            let events = sender.subscribe();
            let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"data: first\n\n"))]);
            let others = stream::unfold(events, async |mut events| Some((Ok(events.recv().await.ok()??), events)));
            async move {
                let answer = Response::builder().header("content-type", "text/event-stream");
                answer.body(Body::from_stream(first.chain(others))).expect("an answer")
            }
        });
        let router = Router::new().route("/held", held).route("/events", streamed).fallback(any(async || "at once"));
        let upstream = FakeUpstream::start(router).await;
        Self { upstream, sockets: websocket_echo().await, asked, places, events }
    }

    /// `limit` 0 is none.
    fn config(&self, limit: usize, grace: &str) -> Value {
        let mut server = json!({ "shutdownGrace": grace });
        if limit > 0 {
            server["maxRequests"] = json!(limit);
        }
        json!({
            "server": server,
            "plugins": ["@buntime/plugin-metrics", "@buntime/plugin-logs", "@buntime/plugin-health"],
            "services": [
                { "name": "web", "upstream": { "targets": [{ "url": self.upstream.url() }] },
                  "routes": [{ "name": "all", "paths": ["/web"], "stripPath": true }] },
                { "name": "live", "upstream": { "targets": [{ "url": self.sockets.url() }] },
                  "routes": [{ "name": "all", "paths": ["/live"] }] },
            ],
        })
    }

    /// That many requests that hang.
    async fn hang(&self, gateway: &Gateway, count: usize) -> Vec<JoinHandle<Answer>> {
        let before = self.asked.load(Ordering::SeqCst);
        let addr = gateway.addr();
        let tasks = (0..count).map(|_| tokio::spawn(async move { client::get(addr, "/web/held").await })).collect();
        eventually("they hang", async || self.asked.load(Ordering::SeqCst) == before + count).await;
        tasks
    }

    /// All that hang are among them, or they came first.
    async fn release(&self, tasks: Vec<JoinHandle<Answer>>) {
        self.places.add_permits(tasks.len());
        Self::end(tasks).await;
    }

    async fn end(tasks: Vec<JoinHandle<Answer>>) {
        for task in tasks {
            let answer = soon("its answer", task).await.unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (200, "released"));
        }
    }

    fn tell(&self, event: &'static str) {
        assert!(self.events.send(Some(Bytes::from_static(event.as_bytes()))).is_ok(), "somebody listens");
    }

    fn end_streams(&self) {
        drop(self.events.send(None));
    }
}

async fn events(gateway: &Gateway) -> Incoming {
    let request = client::request("GET", "/web/events").body(Body::empty()).unwrap();
    let answer = client::open(gateway.addr(), request).await;
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    assert_eq!(event(&mut body).await.as_deref(), Some("data: first\n\n"));
    body
}

/// The next one. `None`: the stream was ended, or cut.
async fn event(body: &mut Incoming) -> Option<String> {
    let frame = soon("an event", body.frame()).await?.ok()?;
    Some(String::from_utf8_lossy(frame.data_ref()?).into_owned())
}

/// Refused at once, and told when to come back.
async fn is_full(gateway: &Gateway) -> bool {
    let begun = Instant::now();
    let answer = gateway.get("/web/x").await;
    if answer.status == 200 {
        return false;
    }
    assert_eq!((answer.status, answer.problem().as_str()), (503, "over_capacity"));
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{:?}", answer.headers);
    assert!(begun.elapsed() < Duration::from_secs(5), "at once, and not after {:?}", begun.elapsed());
    true
}

async fn has_room(gateway: &Gateway) {
    eventually("there is room again", async || !is_full(gateway).await).await;
}

#[tokio::test]
async fn past_the_limit_it_says_so_at_once() {
    let held = Held::start().await;
    let gateway = Gateway::start(held.config(3, "20s")).await;
    let hanging = held.hang(&gateway, 2).await;
    assert!(!is_full(&gateway).await);
    let more = held.hang(&gateway, 1).await;
    for _ in 0..20 {
        assert!(is_full(&gateway).await);
    }
    // Even what would be a 404, but nothing that tells how it is or changes it.
    assert_eq!(gateway.get("/nowhere").await.problem(), "over_capacity");
    let excepted = ["/livez", "/readyz", "/.well-known/buntime", "/api/config", "/api/plugins", "/api/routes"];
    for path in excepted.into_iter().chain(["/p/health/api/health", "/p/health/api/ready", "/p/metrics/api/stats"]) {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }
    assert!(gateway.metrics().await.contains("over-capacity"), "refusals are counted");
    // Whichever is answered makes room.
    held.places.add_permits(1);
    has_room(&gateway).await;
    held.places.add_permits(2);
    Held::end(hanging.into_iter().chain(more).collect()).await;
    // Nothing is lost of the places.
    for _ in 0..3 {
        has_room(&gateway).await;
        let all = held.hang(&gateway, 3).await;
        assert!(is_full(&gateway).await);
        held.release(all).await;
    }
    // Nor when clients go away without their answers.
    has_room(&gateway).await;
    let gone = held.hang(&gateway, 3).await;
    assert!(is_full(&gateway).await);
    for task in gone {
        task.abort();
    }
    has_room(&gateway).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_holds_its_place_and_a_websocket_does_not() {
    let held = Held::start().await;
    let gateway = Gateway::start(held.config(2, "20s")).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(websocket(gateway.addr(), "/live").await);
    }
    eventually("upgraded connections take no place", async || !is_full(&gateway).await).await;
    let (mut one, two) = (events(&gateway).await, events(&gateway).await);
    assert!(is_full(&gateway).await);
    held.tell("data: more\n\n");
    assert_eq!(event(&mut one).await.as_deref(), Some("data: more\n\n"));
    assert!(is_full(&gateway).await, "as long as they go on");
    // One client goes away.
    drop(two);
    has_room(&gateway).await;
    let three = events(&gateway).await;
    assert!(is_full(&gateway).await);
    // The upstream ends both.
    held.end_streams();
    assert_eq!(event(&mut one).await, None);
    has_room(&gateway).await;
    drop(three);
    for socket in &mut sockets {
        socket.send(Message::text("still here")).await.unwrap();
        assert_eq!(soon("its echo", socket.next()).await.unwrap().unwrap(), Message::text("still here"));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_reload_changes_the_limit() {
    let held = Held::start().await;
    let gateway = Gateway::start(held.config(2, "20s")).await;
    let reload = async |limit: usize| {
        gateway.replace(&held.config(limit, "20s"));
        gateway.running().reload("a test").await.unwrap();
    };
    let two = held.hang(&gateway, 2).await;
    assert!(is_full(&gateway).await);
    reload(4).await;
    assert!(!is_full(&gateway).await);
    let four = held.hang(&gateway, 2).await;
    assert!(is_full(&gateway).await);
    // Those that are above a new limit may finish.
    reload(1).await;
    assert!(is_full(&gateway).await);
    held.release(two).await;
    assert!(is_full(&gateway).await, "two of them still run");
    reload(0).await;
    assert!(!is_full(&gateway).await, "no limit");
    held.release(four).await;
    reload(1).await;
    has_room(&gateway).await;
    let one = held.hang(&gateway, 1).await;
    assert!(is_full(&gateway).await);
    held.release(one).await;
    gateway.stop().await;
}

async fn echoes(socket: &mut WebSocket, text: &'static str) {
    socket.send(Message::text(text)).await.unwrap();
    assert_eq!(soon("its echo", socket.next()).await.unwrap().unwrap(), Message::text(text));
}

#[tokio::test]
async fn a_stop_waits_for_the_last_stream() {
    // Without a limit, with one, and with one that is used up.
    for limit in [0, 100, 2] {
        let held = Held::start().await;
        let gateway = Gateway::start(held.config(limit, "60s")).await;
        let addr = gateway.addr();
        let mut socket = websocket(addr, "/live").await;
        echoes(&mut socket, "before").await;
        let (mut stream, hanging) = (events(&gateway).await, held.hang(&gateway, 1).await);
        assert_eq!(is_full(&gateway).await, limit == 2);
        let stopping = tokio::spawn(gateway.stop());
        match soon("the goodbye", socket.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("limit {limit}: {other:?}"),
        }
        eventually("nobody new is taken", async || TcpStream::connect(addr).await.is_err()).await;
        // Both go on, and it waits for them.
        held.tell("data: late\n\n");
        assert_eq!(event(&mut stream).await.as_deref(), Some("data: late\n\n"), "limit {limit}");
        held.release(hanging).await;
        held.tell("data: later\n\n");
        assert_eq!(event(&mut stream).await.as_deref(), Some("data: later\n\n"), "limit {limit}");
        assert!(!stopping.is_finished(), "limit {limit}: it stopped before the last stream had ended");
        held.end_streams();
        assert_eq!(event(&mut stream).await, None);
        drop(soon("the stop, long before its grace is over", stopping).await.unwrap());
    }
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_grace() {
    for limit in [0, 3] {
        let held = Held::start().await;
        let gateway = Gateway::start(held.config(limit, "500ms")).await;
        let mut socket = websocket(gateway.addr(), "/live").await;
        echoes(&mut socket, "before").await;
        let (mut stream, hanging) = (events(&gateway).await, held.hang(&gateway, 1).await);
        let begun = Instant::now();
        drop(soon("the stop", tokio::spawn(gateway.stop())).await.unwrap());
        let took = begun.elapsed();
        // The socket's client never said that it had seen the goodbye.
        assert!((Duration::from_millis(450)..PATIENCE / 2).contains(&took), "limit {limit}: {took:?}");
        assert_eq!(event(&mut stream).await, None, "it was cut");
        for task in hanging {
            // Cut without an answer, which the client takes for a failure, or told.
            assert!(soon("its end", task).await.map_or(true, |answer| answer.status >= 500));
        }
        drop(socket);
    }
}
