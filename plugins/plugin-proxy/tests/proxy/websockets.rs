//! WebSockets, with a real client and a real server at the ends.

use std::{net::SocketAddr, sync::Arc};

use buntime_testing::{RawUpstream, TestRuntime, eventually};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, StatusCode};
use plugin_proxy::ProxyPlugin;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        handshake::server::{Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::support::{get, proxy_to, raw, read_to_end, read_until, tls_acceptor};

type Socket = WebSocketStream<TcpStream>;

/// Greets with what it was asked, then echoes; `close` is answered with a close of its own.
pub(crate) async fn echo_server() -> SocketAddr {
    serve(|mut socket, asked| async move {
        let _ = socket.send(Message::text(asked)).await;
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) if text == "close" => {
                    let frame = CloseFrame { code: CloseCode::Library(4001), reason: "enough".into() };
                    let _ = socket.close(Some(frame)).await;
                }
                Message::Text(_) | Message::Binary(_) => drop(socket.send(message).await),
                _ => {}
            }
        }
    })
    .await
}

async fn serve<F>(talk: impl Fn(Socket, String) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let talk = Arc::new(talk);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let talk = talk.clone();
            tokio::spawn(async move {
                let mut asked = String::new();
                #[expect(clippy::result_large_err, reason = "the signature is the library's")]
                let answer = |request: &Request, mut response: Response| {
                    let field = |name: &str| {
                        request.headers().get(name).map_or("-", |value| value.to_str().unwrap_or("?")).to_owned()
                    };
                    let names = ["host", "x-forwarded-for", "sec-websocket-protocol", "sec-websocket-extensions"];
                    asked = format!("{} {}", request.uri(), names.map(field).join(" "));
                    if request.headers().contains_key("sec-websocket-protocol") {
                        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("b"));
                    }
                    Ok(response)
                };
                if let Ok(socket) = accept_hdr_async(stream, answer).await {
                    talk(socket, asked).await;
                }
            });
        }
    });
    address
}

async fn connect(
    to: SocketAddr,
    path: &str,
    protocols: Option<&'static str>,
) -> (Socket, tungstenite::http::Response<Option<Vec<u8>>>) {
    let mut request = format!("ws://client.example{path}").into_client_request().unwrap();
    if let Some(protocols) = protocols {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocols));
    }
    client_async(request, TcpStream::connect(to).await.unwrap()).await.unwrap()
}

pub(crate) async fn text(socket: &mut Socket) -> String {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("no text but {other:?}"),
    }
}

pub(crate) async fn close_of(socket: &mut Socket) -> (u16, String) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
            Some(Ok(_)) => {}
            other => panic!("no close but {other:?}"),
        }
    }
}

#[tokio::test]
async fn messages_query_and_subprotocol_pass() {
    let upstream = echo_server().await;
    let rule = json!({ "pattern": "^/ws/(.*)$", "rewrite": "/$1" });
    let proxy = proxy_to(&format!("http://{upstream}"), rule).await;
    let (mut socket, response) = connect(proxy.address(), "/ws/chat?room=1&x=%2F", Some("a, b")).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["sec-websocket-protocol"], "b");
    assert_eq!(response.headers()["x-request-id"], "test");
    assert_eq!(text(&mut socket).await, "/chat?room=1&x=%2F client.example 127.0.0.1 a, b -");
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(text(&mut socket).await, "hello");
    let big: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    socket.send(Message::binary(big.clone())).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap() == Message::binary(big));
    socket.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
    proxy.stop().await;
}

#[tokio::test]
async fn close_codes_and_reasons_pass_both_ways() {
    let (seen, mut saw) = tokio::sync::mpsc::unbounded_channel();
    let upstream = serve(move |mut socket, _| {
        let seen = seen.clone();
        async move {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(frame) = message {
                    seen.send(frame.map(|f| (u16::from(f.code), f.reason.to_string()))).unwrap();
                }
            }
        }
    })
    .await;
    let proxy = proxy_to(&format!("http://{upstream}"), json!({})).await;
    let (mut socket, _) = connect(proxy.address(), "/", None).await;
    let frame = CloseFrame { code: CloseCode::Library(4321), reason: "bye".into() };
    socket.close(Some(frame)).await.unwrap();
    assert_eq!(saw.recv().await.unwrap(), Some((4321, "bye".to_owned())));
    proxy.stop().await;
    let proxy = proxy_to(&format!("http://{}", echo_server().await), json!({})).await;
    let (mut socket, _) = connect(proxy.address(), "/", None).await;
    text(&mut socket).await;
    socket.send(Message::text("close")).await.unwrap();
    assert_eq!(close_of(&mut socket).await, (4001, "enough".to_owned()));
    proxy.stop().await;
}

/// A text frame as a client sends it, with a mask that changes nothing.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
                         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn frames_sent_before_the_upstream_is_open_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(&format!("http://{}", listener.local_addr().unwrap()), json!({})).await;
    let mut client = raw(proxy.address(), HANDSHAKE).await;
    client.write_all(&frame("early")).await.unwrap();
    // The upstream answers only now, with the frame long on its way.
    let (stream, _) = listener.accept().await.unwrap();
    client.write_all(&frame("later")).await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("early"));
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("later"));
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    proxy.stop().await;
}

#[tokio::test]
async fn an_upstream_with_tls_is_spoken_to_in_http1() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let acceptor = tls_acceptor(&[b"h2", b"http/1.1"]);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let proxy = proxy_to(&target, json!({ "secure": false })).await;
    let (mut socket, _) = connect(proxy.address(), "/", None).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(text(&mut socket).await, "hello");
    proxy.stop().await;
}

#[tokio::test]
async fn extensions_are_agreed_on_between_the_ends() {
    let upstream = RawUpstream::start(|mut stream, head| async move {
        assert!(head.contains("sec-websocket-extensions: permessage-deflate; client_max_window_bits"), "{head}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: x\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        // A compressed message: reserved bits pass unread.
        stream.write_all(&[0xc1, 2, 7, 8]).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let offer = "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let head = HANDSHAKE.strip_suffix("\r\n").unwrap().to_owned() + offer;
    let mut client = raw(proxy.address(), &head).await;
    let answer = read_until(&mut client, "\u{7}\u{8}").await;
    assert!(answer.contains("sec-websocket-extensions: permessage-deflate\r\n"), "{answer}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_refused_upgrade_is_answered_as_the_upstream_did() {
    let upstream = RawUpstream::answering(b"HTTP/1.1 403 No\r\ncontent-length: 7\r\nx-why: x\r\n\r\nrefused").await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let mut client = raw(proxy.address(), HANDSHAKE).await;
    let answer = read_until(&mut client, "refused").await;
    assert!(answer.starts_with("HTTP/1.1 403 No\r\n") && answer.contains("x-why: x"), "{answer}");
    proxy.stop().await;
    let closed = proxy_to("http://127.0.0.1:1", json!({})).await;
    let mut client = raw(closed.address(), HANDSHAKE).await;
    assert!(read_until(&mut client, "upstream_unreachable").await.starts_with("HTTP/1.1 502"));
    closed.stop().await;
}

#[tokio::test]
async fn a_rule_without_sockets_is_no_match_for_them() {
    let proxy = proxy_to(&format!("http://{}", echo_server().await), json!({ "ws": false })).await;
    let mut client = raw(proxy.address(), HANDSHAKE).await;
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 404"));
    assert_ne!(get(proxy.address(), "/").await.0, StatusCode::NOT_FOUND);
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_upstreams_side() {
    let (ended, mut ending) = tokio::sync::mpsc::unbounded_channel();
    let upstream = serve(move |mut socket, _| {
        let ended = ended.clone();
        async move {
            while let Some(Ok(_)) = socket.next().await {}
            ended.send(()).unwrap();
        }
    })
    .await;
    let proxy = proxy_to(&format!("http://{upstream}"), json!({})).await;
    let (socket, _) = connect(proxy.address(), "/", None).await;
    drop(socket);
    ending.recv().await.unwrap();
    proxy.stop().await;
}

#[tokio::test]
async fn silence_and_stop_are_ended_with_a_goodbye() {
    let upstream = format!("http://{}", echo_server().await);
    let proxy = proxy_to(&upstream, json!({ "idleTimeout": "50ms" })).await;
    let (mut socket, _) = connect(proxy.address(), "/", None).await;
    assert_eq!(close_of(&mut socket).await.0, 1001);
    proxy.stop().await;
    let proxy = proxy_to(&upstream, json!({})).await;
    let (mut socket, _) = connect(proxy.address(), "/", None).await;
    text(&mut socket).await;
    let stopping = tokio::spawn(proxy.stop());
    assert_eq!(close_of(&mut socket).await, (1001, "the gateway is stopping".to_owned()));
    stopping.await.unwrap();
}

#[tokio::test]
async fn bytes_are_counted_without_message_hooks_too() {
    let journal = buntime_testing::Journal::default();
    let upstream = echo_server().await;
    let rules = json!({ "rules": [{ "pattern": "^/", "target": format!("http://{upstream}") }] });
    let observer = buntime_testing::FakePlugin::new("observer", &journal).at(1);
    let proxy = TestRuntime::builder().plugin(observer, json!({})).plugin(ProxyPlugin, rules).start().await;
    let (mut socket, _) = connect(proxy.address(), "/", None).await;
    text(&mut socket).await;
    assert!(journal.line().contains("observer.pre observer.post"), "post sees the 101: {}", journal.line());
    assert!(!journal.line().contains("complete"), "{}", journal.line());
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    eventually("it is completed", || async { journal.line().contains("observer.complete(whole)") }).await;
    proxy.stop().await;
}

#[tokio::test]
async fn other_protocols_are_not_switched_to() {
    let proxy = proxy_to(&format!("http://{}", echo_server().await), json!({})).await;
    let asked = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: x\r\n\r\n";
    let mut client = raw(proxy.address(), asked).await;
    let answer = read_to_end(&mut client).await;
    assert!(!answer.starts_with("HTTP/1.1 101"), "{answer}");
    proxy.stop().await;
}
