//! WebSockets: a client, and an upstream that sends everything back.

use std::net::SocketAddr;

use buntime_testing::RawUpstream;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use crate::soon;

/// A client's end.
pub type WebSocket = WebSocketStream<TcpStream>;

/// Opens a WebSocket.
///
/// # Panics
/// If the answer is not a 101.
pub async fn websocket(to: SocketAddr, path: &str) -> WebSocket {
    let stream = TcpStream::connect(to).await.expect("it listens");
    let opened = soon("a WebSocket", tokio_tungstenite::client_async(format!("ws://localhost{path}"), stream)).await;
    opened.unwrap_or_else(|error| panic!("{path}: {error}")).0
}

/// An upstream that accepts every WebSocket and sends each message back.
pub async fn websocket_echo() -> RawUpstream {
    RawUpstream::start(|mut stream, head| async move {
        use tokio::io::AsyncWriteExt;
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
        };
        let Some(key) = head.lines().find_map(field) else {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            return;
        };
        let accept = derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        );
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            let back = matches!(message, Message::Text(_) | Message::Binary(_));
            if back && socket.send(message).await.is_err() {
                return;
            }
        }
    })
    .await
}
