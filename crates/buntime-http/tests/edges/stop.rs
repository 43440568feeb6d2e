//! A graceful stop: what runs may end, what does not end is cut, nothing new begins.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use buntime_http::server::Limits;
use http::{Request, Response};
use tokio::{net::TcpStream, sync::Notify};

use crate::support::{Answering, TestServer, eventually};

/// Answers when told to.
fn waiting(
    started: &Arc<Notify>,
    go: &Arc<Notify>,
) -> impl Fn(Request<Body>, Arc<buntime_http::server::ConnectionInfo>) -> Answering + use<> {
    let (started, go) = (Arc::clone(started), Arc::clone(go));
    move |_, _| {
        let (started, go) = (Arc::clone(&started), Arc::clone(&go));
        Box::pin(async move {
            started.notify_one();
            go.notified().await;
            Response::new(Body::from("done"))
        })
    }
}

#[tokio::test]
async fn running_exchanges_end_and_idle_connections_close() {
    let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut server = TestServer::start(Limits::default(), waiting(&started, &go));
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    started.notified().await;
    go.notify_one();
    idle.until("done").await;
    let mut busy = server.connect().await;
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    started.notified().await;

    let (address, control) = (server.address, Arc::clone(&server.control));
    server.begin_stop();
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    eventually("one left", || control.stats().open() == 1).await;
    assert!(TcpStream::connect(address).await.is_err(), "still accepts");
    go.notify_one();
    let answer = busy.rest().await;
    assert!(answer.to_lowercase().contains("connection: close") && answer.ends_with("done"), "{answer}");
    let drained = server.stopped().await;
    assert_eq!(drained.cut(), 0);
    drained.finish();
}

#[tokio::test]
async fn what_was_sent_before_is_answered() {
    let server = TestServer::start(Limits::default(), |_, _| Box::pin(async { Response::new(Body::from("done")) }));
    // Some of them not accepted yet, some accepted and not read.
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = server.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
    }
    let stopped = tokio::spawn(server.stopped());
    for mut client in clients {
        let answer = client.rest().await;
        assert!(answer.ends_with("done"), "{answer}");
    }
    assert_eq!(stopped.await.unwrap().cut(), 0);
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let limits = Limits { shutdown_grace: Duration::from_millis(100), ..Limits::default() };
    let server = TestServer::start(limits, waiting(&started, &go));
    let mut busy = server.connect().await;
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    started.notified().await;
    let drained = server.stopped().await;
    assert_eq!(drained.cut(), 1);
    assert!(!busy.rest().await.contains("done"));
    drained.finish();
}

#[tokio::test]
async fn http2_exchanges_end_too() {
    let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut server = TestServer::start(Limits::default(), waiting(&started, &go));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(executor)
        .handshake(hyper_util::rt::TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::builder().uri("http://a/").body(Body::empty()).unwrap();
    let running = tokio::spawn(sender.send_request(request));
    started.notified().await;
    server.begin_stop();
    let stopping = server.control.stopping().clone();
    stopping.cancelled().await;
    go.notify_one();
    let response = running.await.unwrap().unwrap();
    assert_eq!(buntime_http::body::collect(Body::new(response.into_body()), 100).await.unwrap(), "done");
    connection.await.unwrap().unwrap();
    assert_eq!(server.stopped().await.cut(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_exchange() {
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (started, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = {
        let (started, dropped) = (Arc::clone(&started), Arc::clone(&dropped));
        move |_, _| -> Answering {
            let (started, tell) = (Arc::clone(&started), Tell(Arc::clone(&dropped)));
            Box::pin(async move {
                let _tell = tell;
                started.notify_one();
                std::future::pending().await
            })
        }
    };
    let server = TestServer::start(Limits::default(), service);
    let mut raw = server.connect().await;
    raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    started.notified().await;
    drop(raw);
    tokio::time::timeout(crate::support::PATIENCE, dropped.notified()).await.unwrap();
    eventually("closed", || server.control.stats().open() == 0).await;
}
