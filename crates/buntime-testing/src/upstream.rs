//! What plugins talk to in tests: a real server with an axum router, and one that sends raw bytes.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// A well-behaved upstream on a free loopback port; ends when dropped.
#[derive(Debug)]
pub struct FakeUpstream {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl FakeUpstream {
    /// Serves the router over HTTP/1.1 and HTTP/2 by prior knowledge.
    pub async fn start(router: Router) -> Self {
        let (listener, address) = listen().await;
        let (stop, stopped) = oneshot::channel::<()>();
        let service = hyper_util::service::TowerToHyperService::new(router);
        tokio::spawn(async move {
            let accept = async {
                while let Ok((stream, _)) = listener.accept().await {
                    let service = service.clone();
                    tokio::spawn(async move {
                        let io = hyper_util::rt::TokioIo::new(stream);
                        let executor = hyper_util::rt::TokioExecutor::new();
                        let server = hyper_util::server::conn::auto::Builder::new(executor);
                        // A client that breaks off is the client's affair.
                        let _ = server.serve_connection_with_upgrades(io, service).await;
                    });
                }
            };
            tokio::select! {
                () = accept => {}
                _ = stopped => {}
            }
        });
        Self { address, _stop: stop }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An upstream that reads one request head, then does with the connection what it is told.
#[derive(Debug)]
pub struct RawUpstream {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl RawUpstream {
    /// Answers every connection's first request head with these bytes, then closes.
    pub async fn answering(bytes: &'static [u8]) -> Self {
        Self::start(move |mut stream, _| async move {
            // The other end may have gone already.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        })
        .await
    }

    /// Hands every connection over, with the request head that was read.
    pub async fn start<F>(handle: impl Fn(TcpStream, String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (listener, address) = listen().await;
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = Arc::new(handle);
        tokio::spawn(async move {
            let accept = async {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let handle = handle.clone();
                    tokio::spawn(async move {
                        let head = read_head(&mut stream).await;
                        handle(stream, head).await;
                    });
                }
            };
            tokio::select! {
                () = accept => {}
                _ = stopped => {}
            }
        });
        Self { address, _stop: stop }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap_or_else(|e| panic!("no free loopback port: {e}"));
    let address = listener.local_addr().unwrap_or_else(|e| panic!("a bound listener has an address: {e}"));
    (listener, address)
}

/// Byte by byte, so that nothing behind the head is taken.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
