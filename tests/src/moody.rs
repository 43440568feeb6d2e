//! An upstream whose mood a test changes under load.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buntime_testing::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// What a [`Moody`] does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Answers at once.
    Well,
    /// Answers that much later, health checks too.
    Slow(Duration),
    /// Answers 503, to health checks too.
    Busy,
    /// Closes in the middle of an answer's head.
    MidHead,
    /// Answers, but fails health checks.
    Hypochondriac,
}

/// A target on a loopback port that speaks plain HTTP/1.1 over kept connections and counts what it is asked for, health
/// checks (`/health`) apart.
#[derive(Debug)]
pub struct Moody {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
    open: AtomicUsize,
}

impl Shared {
    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moody {
    /// One that is well.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Shared { mood: Mutex::new(Mood::Well), asked: AtomicUsize::new(0), open: AtomicUsize::new(0) };
        let mut moody = Self { address, shared: Arc::new(shared), running: None };
        moody.serve(listener);
        moody
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have reached it.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// From now on it does this.
    pub fn feel(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// Its listener and all its connections are gone at once, whatever runs.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            drop(running.await);
        }
        eventually("its connections are gone", async || self.shared.open.load(Ordering::SeqCst) == 0).await;
    }

    /// Listens again, on the same port.
    pub async fn restore(&mut self) {
        // Meanwhile somebody else's connection may have it for a moment.
        let listener = Mutex::new(None);
        eventually("its port is free", async || {
            let bound = TcpListener::bind(self.address).await.ok();
            let is_bound = bound.is_some();
            *listener.lock().unwrap_or_else(PoisonError::into_inner) = bound;
            is_bound
        })
        .await;
        self.serve(listener.into_inner().ok().flatten().expect("it was bound"));
    }

    fn serve(&mut self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        self.running = Some(tokio::spawn(async move {
            // Aborted with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let open = Open::new(&shared);
                connections.spawn(async move { drop(talk(stream, &open.0).await) });
                while connections.try_join_next().is_some() {}
            }
        }));
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Requests without bodies, one after the other.
async fn talk(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let is_check = read.starts_with(b"GET /health ");
        read.drain(..end + 4);
        if !is_check {
            shared.asked.fetch_add(1, Ordering::SeqCst);
        }
        let answer: &[u8] = match shared.mood() {
            Mood::Well => OK,
            Mood::Slow(time) => {
                tokio::time::sleep(time).await;
                OK
            }
            Mood::Busy => BUSY,
            Mood::Hypochondriac if is_check => BUSY,
            Mood::Hypochondriac => OK,
            Mood::MidHead => return stream.write_all(&OK[..24]).await,
        };
        stream.write_all(answer).await?;
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell";
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";
