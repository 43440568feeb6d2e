//! WebSockets whose messages a plugin looks at.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use buntime_core::{
    BoxError, Capability, Completion, Cx, Direction, Error, ErrorKind, Flow, HookSet, Hooks, Http, Metadata, Plugin,
    Stages, Startup, Step, WsMessage,
};
use buntime_testing::{TestRuntime, eventually};
use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use plugin_proxy::ProxyPlugin;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    support::{raw, read_until},
    websockets::{HANDSHAKE, close_of, echo_server, frame, text},
};

/// Notes messages; turns `secret` into `***`, drops `drop`, refuses `refuse`.
#[derive(Clone, Default)]
struct Watcher(Arc<Mutex<Vec<String>>>);

impl Watcher {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn line(&self) -> String {
        self.0.lock().unwrap().join(" ")
    }
}

impl Hooks<Http> for Watcher {
    fn stages(&self) -> Stages {
        Stages::MESSAGE | Stages::COMPLETE
    }

    fn message<'a>(
        &'a self,
        _: &'a mut Cx<Http>,
        direction: Direction,
        message: &'a mut Option<WsMessage>,
    ) -> Step<'a, Flow<Http>> {
        if let Some(WsMessage::Text(text)) = message {
            self.note(format!("{}{text}", if direction == Direction::ToUpstream { ">" } else { "<" }));
            match text.as_str() {
                "secret" => "***".clone_into(text),
                "drop" => *message = None,
                "refuse" => return Step::ready(Flow::Fail(Error::new(ErrorKind::Forbidden))),
                _ => {}
            }
        }
        Step::ready(Flow::Continue)
    }

    fn complete(&self, _: &mut Cx<Http>, end: &Completion) -> Step<'static, ()> {
        let counted = end.request_bytes > 0 && end.response_bytes > 0;
        self.note(format!("{:?}({}{})", end.ended, end.error.unwrap_or("-"), if counted { "" } else { ", uncounted" }));
        Step::ready(())
    }
}

#[async_trait]
impl Plugin for Watcher {
    fn metadata(&self) -> Metadata {
        Metadata::new("watcher", "1.0.0")
            .with_description("x")
            .with_capabilities([Capability::Middleware])
            .with_priority(1)
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        startup.hooks::<Http>(HookSet::new("messages", self.clone()));
        Ok(())
    }
}

async fn watched(upstream: SocketAddr) -> (TestRuntime, Watcher) {
    let watcher = Watcher::default();
    let rules = json!({ "rules": [
        { "pattern": "^/", "target": format!("http://{upstream}"), "maxMessageSize": "64kb" },
    ] });
    let runtime = TestRuntime::builder().plugin(watcher.clone(), json!({})).plugin(ProxyPlugin, rules);
    (runtime.start().await, watcher)
}

#[tokio::test]
async fn plugins_see_and_change_messages() {
    let (proxy, watcher) = watched(echo_server().await).await;
    let mut request = "ws://client.example/".into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-extensions", HeaderValue::from_static("permessage-deflate"));
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    assert_eq!(text(&mut socket).await, "/ client.example 127.0.0.1 - -", "no extension is offered");
    for (sent, expected) in [("hi", "hi"), ("secret", "***")] {
        socket.send(Message::text(sent)).await.unwrap();
        assert_eq!(text(&mut socket).await, expected);
    }
    socket.send(Message::text("drop")).await.unwrap();
    let long = vec![9u8; 60_000];
    socket.send(Message::binary(long.clone())).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap() == Message::binary(long));
    socket.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
    socket.send(Message::text("close")).await.unwrap();
    assert_eq!(close_of(&mut socket).await, (4001, "enough".to_owned()));
    eventually("it is completed", || async { watcher.line().contains("Whole(-)") }).await;
    let line = watcher.line();
    assert!(line.contains(">hi <hi >secret <*** >drop >close Whole(-)"), "{line}");
    proxy.stop().await;
}

#[tokio::test]
async fn messages_in_pieces_are_shown_whole() {
    let (proxy, watcher) = watched(echo_server().await).await;
    let mut client = raw(proxy.address(), HANDSHAKE).await;
    read_until(&mut client, " - -").await;
    // `a`, a ping between, `b`, each byte by itself.
    let pieces = [0x01, 0x81, 0, 0, 0, 0, b'a', 0x89, 0x80, 0, 0, 0, 0, 0x80, 0x81, 0, 0, 0, 0, b'b'];
    for byte in pieces {
        client.write_all(&[byte]).await.unwrap();
    }
    read_until(&mut client, "\u{2}ab").await;
    assert!(watcher.line().contains(">ab <ab"), "{}", watcher.line());
    proxy.stop().await;
}

#[tokio::test]
async fn what_is_not_allowed_is_ended_with_its_code() {
    for (wrong, code, said) in [
        (vec![0x81, 1, b'x'], 1002u16, "Broken(malformed_request"),
        (vec![0xc1, 0x80, 0, 0, 0, 0], 1002, "Broken(malformed_request"),
        (vec![0x80, 0x80, 0, 0, 0, 0], 1002, "Broken(malformed_request"),
        (vec![0x81, 0x81, 0, 0, 0, 0, 0xff], 1007, "Broken(malformed_request"),
        (vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], 1009, "Broken(payload_too_large"),
        (frame("refuse"), 1008, "Broken(forbidden"),
    ] {
        let (proxy, watcher) = watched(echo_server().await).await;
        let mut client = raw(proxy.address(), HANDSHAKE).await;
        read_until(&mut client, " - -").await;
        client.write_all(&wrong).await.unwrap();
        let mut end = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), client.read_to_end(&mut end)).await;
        assert_eq!((end.first(), end.get(2..4)), (Some(&0x88), Some(&code.to_be_bytes()[..])), "{wrong:?}: {end:?}");
        eventually("it is completed", || async { watcher.line().contains(said) }).await;
        proxy.stop().await;
    }
}
