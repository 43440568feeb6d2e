//! Real sockets. Names resolve to public addresses, which are judged; connections to those end at servers of the test.

mod limits;
mod pinning;
mod redirects;
mod tls;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use buntime_testing::FakeUpstream;

use super::*;
use crate::{OutboundSettings, Policy, testing::FakeNames};

const A: &str = "93.184.216.34";
const B: &str = "93.184.216.35";

/// A server that says who it is, and what it was sent.
async fn echo(name: &'static str) -> FakeUpstream {
    let answer = |State(name): State<&'static str>, request: Request| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
        let mut headers: Vec<String> = parts
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        headers.sort();
        let body = String::from_utf8_lossy(&body);
        format!("{name} {} {} {} [{body}]", parts.method, parts.uri, headers.join(" "))
    };
    FakeUpstream::start(Router::new().fallback(answer).with_state(name)).await
}

/// A server that redirects every request to one place.
async fn redirecting(status: u16, to: impl Into<String>) -> FakeUpstream {
    let to: String = to.into();
    let answer = move || {
        let (status, to) = (StatusCode::from_u16(status).unwrap(), to.clone());
        async move { (status, [(header::LOCATION, HeaderValue::from_str(&to).unwrap())]).into_response() }
    };
    FakeUpstream::start(Router::new().fallback(answer)).await
}

fn client(names: FakeNames) -> (GuardedClient, Arc<FakeNames>) {
    let names = Arc::new(names);
    (GuardedClient::new(Guard::with_resolver(Policy::default(), names.clone())), names)
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// The usual pair: `a.example` leads to server `a`, `b.example` to server `b`.
fn pair(a: &FakeUpstream, b: &FakeUpstream) -> GuardedClient {
    let (client, _) = client(FakeNames::new().with("a.example", &[A]).with("b.example", &[B]));
    client.detour(at(A, 80), a.address()).detour(at(B, 80), b.address())
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn secrets(call: Call) -> Call {
    ["authorization", "cookie", "x-api-key", "proxy-authorization", "connection", "x-own", "host"]
        .into_iter()
        .fold(call, |call, name| call.header(HeaderName::from_static(name), HeaderValue::from_static("secret")))
        .header(header::ACCEPT, HeaderValue::from_static("text/plain"))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("text/x"))
}
