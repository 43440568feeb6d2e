//! Behind sockets: the listener of tests, and a plain axum program.

use std::net::SocketAddr;

use axum::{Router, routing::get};
use buntime_core::Host;
use buntime_testing::TestRuntime;
use plugin_ip_restriction::IpRestrictionPlugin;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

async fn status(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /x HTTP/1.1\r\nhost: h\r\nx-forwarded-for: 10.0.0.1\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_sockets_address_is_judged() {
    for (settings, expected) in [
        (json!({ "allow": ["127.0.0.0/8"] }), "200"),
        // Nobody trusts this peer, so what it says of itself is nothing.
        (json!({ "allow": ["10.0.0.0/8"] }), "403"),
        (json!({ "deny": ["127.0.0.1"] }), "403"),
    ] {
        let fine = Router::new().fallback(get(|| async { "fine" }));
        let runtime = TestRuntime::builder().plugin(IpRestrictionPlugin, settings.clone()).fallback(fine).start().await;
        assert_eq!(status(runtime.address()).await, expected, "{settings}");
        runtime.stop().await;
    }
}

#[tokio::test]
async fn in_an_axum_program_too() {
    for (settings, expected) in [(json!({ "allow": ["127.0.0.1"] }), "200"), (json!({ "deny": ["127.0.0.1"] }), "403")]
    {
        let host = Host::builder().plugin(IpRestrictionPlugin, settings.clone()).start().await.unwrap();
        let app = Router::new().route("/x", get(|| async { "fine" })).layer(host.layer());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        assert_eq!(status(address).await, expected, "{settings}");
        server.abort();
    }
}
