//! Time and size: what is slow or endless ends.

use std::convert::Infallible;

use buntime_testing::RawUpstream;
use futures_util::stream;
use tokio::io::AsyncWriteExt;

use super::*;

fn limits(total_ms: u64, stall_ms: u64, response: u64) -> Limits {
    let total = Some(Duration::from_millis(total_ms));
    Limits { total, stall: Duration::from_millis(stall_ms), response, redirects: 5 }
}

async fn fetch(address: SocketAddr, limits: Limits) -> Result<Response<Bytes>, CallError> {
    let (client, _) = client(FakeNames::new().with("a.example", &[A]));
    client.detour(at(A, 80), address).fetch(Call::get("http://a.example/").limits(limits)).await
}

#[tokio::test]
async fn an_answer_that_is_announced_too_large_is_not_read() {
    let raw = RawUpstream::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nx").await;
    let error = fetch(raw.address(), limits(10_000, 10_000, 1000)).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge(1000)), "{error}");
}

#[tokio::test]
async fn an_endless_answer_ends_at_its_limit() {
    let router = Router::new().fallback(|| async {
        Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024]))))
    });
    let server = FakeUpstream::start(router).await;
    let error = fetch(server.address(), limits(30_000, 10_000, 100_000)).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge(100_000)), "{error}");
}

#[tokio::test]
async fn an_answer_as_large_as_its_limit_is_taken() {
    let server = FakeUpstream::start(Router::new().fallback(|| async { "x".repeat(1000) })).await;
    assert_eq!(fetch(server.address(), limits(10_000, 10_000, 1000)).await.unwrap().body().len(), 1000);
    assert!(fetch(server.address(), limits(10_000, 10_000, 999)).await.is_err());
}

#[tokio::test]
async fn a_server_that_never_answers_is_left() {
    let raw = RawUpstream::start(|stream, _| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let error = fetch(raw.address(), limits(50, 10_000, 1000)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
    let stream = Limits { total: None, ..limits(0, 50, 1000) };
    let error = fetch(raw.address(), stream).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
}

#[tokio::test]
async fn an_answer_that_stands_still_or_trickles_is_left() {
    let stalls = RawUpstream::start(|mut stream, _| async move {
        // The other end leaves; that is what is tested.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx").await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = fetch(stalls.address(), limits(30_000, 50, 1000)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
    let trickles = RawUpstream::start(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let error = fetch(trickles.address(), limits(200, 10_000, 1 << 20)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let raw = RawUpstream::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx").await;
    let error = fetch(raw.address(), limits(10_000, 10_000, 1000)).await.unwrap_err();
    assert!(matches!(error, CallError::Body(_)), "{error}");
    let raw = RawUpstream::answering(b"SSH-2.0-OpenSSH\r\n").await;
    let error = fetch(raw.address(), limits(10_000, 10_000, 1000)).await.unwrap_err();
    assert!(matches!(error, CallError::Exchange(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_hangs_is_a_refusal() {
    #[derive(Debug)]
    struct Hangs;
    impl crate::Resolver for Hangs {
        fn resolve<'a>(&'a self, _: &'a str) -> buntime_core::BoxFuture<'a, std::io::Result<Vec<std::net::IpAddr>>> {
            Box::pin(std::future::pending())
        }
    }
    let guard = Guard::with_resolver(Policy::default(), Arc::new(Hangs));
    let refused = guard.check("http://a.example/").await.unwrap_err();
    assert_eq!(refused.code(), "unresolved");
}
