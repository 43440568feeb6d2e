//! Counters in Redis: shared exactly, and what happens when it is away.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use buntime_core::Host;
use buntime_testing::eventually;
use serde_json::{Value, json};

use crate::common::{api, get, header, json as read, start};

/// A server of its own, killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

/// Where it is installed; `None` skips the test, but not under `CI`.
fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join("redis-server")).find(|file| file.is_file());
    assert!(found.is_some() || std::env::var("CI").as_deref() != Ok("true"), "needs redis-server");
    found
}

pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn run(binary: &Path, dir: &Path, address: SocketAddr) -> Child {
    let mut command = Command::new(binary);
    command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

impl Server {
    pub(crate) async fn start_at(address: SocketAddr) -> Option<Self> {
        let (binary, dir) = (binary()?, tempfile::tempdir().unwrap());
        let child = run(&binary, dir.path(), address);
        eventually("redis listens", || async move { tokio::net::TcpStream::connect(address).await.is_ok() }).await;
        Some(Self { child, address, _dir: dir })
    }

    pub(crate) async fn start() -> Option<Self> {
        Self::start_at(free()).await
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn settings(&self, limit: &Value) -> Value {
        settings(self.address, limit, "open")
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(address: SocketAddr, limit: &Value, unavailable: &str) -> Value {
    json!({ "rateLimit": limit, "redis": { "url": format!("redis://{address}"), "onUnavailable": unavailable, "timeout": "2s" } })
}

async fn connected(host: &Host) -> bool {
    read(api(host, "GET", "/stats").await).await["redis"]["connected"] == true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_share_one_limit_exactly() {
    let Some(server) = Server::start().await else { return };
    for (index, limit) in [
        json!({ "requests": 200, "window": "1d", "keyBy": "global" }),
        json!({ "requests": 200, "window": "366d", "keyBy": "global", "algorithm": "fixed_window" }),
        json!({ "requests": 200, "window": "366d", "keyBy": "global", "algorithm": "sliding_window" }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut hosts = Vec::new();
        for _ in 0..3 {
            hosts.push(start(server.settings(&limit)).await);
        }
        let tasks: Vec<_> = (0..24)
            .map(|task| {
                let host = hosts[task % 3].clone();
                tokio::spawn(async move { get("/").passes(&host, 20).await })
            })
            .collect();
        let mut passed = 0;
        for task in tasks {
            passed += task.await.unwrap();
        }
        assert_eq!(passed, 200, "{index}");
        let refused = get("/").to(&hosts[0]).await;
        assert_eq!((refused.status().as_u16(), header(&refused, "x-ratelimit-remaining")), (429, "0"));
        assert!(header(&refused, "retry-after").parse::<u64>().unwrap() > 0);
    }
}

#[tokio::test]
async fn it_counts_as_memory_does() {
    let Some(server) = Server::start().await else { return };
    let limits = json!([
        { "name": "many", "requests": 10, "window": "1h", "cost": [{ "cost": 4, "methods": ["POST"] }] },
        { "name": "few", "requests": 3, "window": "365d", "algorithm": "fixed_window", "keyBy": "header:x-api-key" },
        { "name": "seen", "requests": 1, "window": "365d", "algorithm": "fixed_window", "mode": "observe", "keyBy": "global" },
    ]);
    let host = start(server.settings(&limits)).await;
    let asked = || get("/").header("x-api-key", "very-secret");
    let first = asked().to(&host).await;
    assert_eq!(
        (first.status().as_u16(), header(&first, "x-ratelimit-limit"), header(&first, "x-ratelimit-remaining")),
        (200, "3", "2")
    );
    assert_eq!(asked().passes(&host, 5).await, 2);
    // What `few` refused was not taken from `many`; another address has three of its own.
    let fourth = get("/").method("POST").header("x-api-key", "other").to(&host).await;
    assert_eq!((fourth.status().as_u16(), header(&fourth, "x-ratelimit-remaining")), (200, "3"));
    assert!(crate::common::all(&fourth, "ratelimit")[0].starts_with(r#""many";r=3"#), "{fourth:?}");
    assert_eq!(get("/").ip("192.0.2.2").passes(&host, 5).await, 3);
    let buckets = read(api(&host, "GET", "/rate-limit/buckets?name=few").await).await;
    assert_eq!(buckets.as_array().unwrap().len(), 3, "{buckets:#}");
    assert!(!buckets.to_string().contains("secret"));
    let of_ip = read(api(&host, "GET", "/rate-limit/buckets?name=few&prefix=ip:").await).await;
    assert_eq!((&of_ip[0]["key"], &of_ip[0]["tokens"]), (&json!("ip:192.0.2.2"), &json!(0)));
    let reset = read(api(&host, "DELETE", "/rate-limit/buckets/ip:192.0.2.2?name=few").await).await;
    assert_eq!(reset["deleted"], true);
    assert_eq!(get("/").ip("192.0.2.2").passes(&host, 5).await, 3);
    assert!(read(api(&host, "POST", "/rate-limit/clear").await).await["cleared"].as_u64().unwrap() >= 5);
    assert_eq!(asked().passes(&host, 5).await, 3);
}

#[tokio::test]
async fn while_it_is_away_requests_pass_or_not_as_configured_and_its_return_is_noticed() {
    let address = free();
    let limit = json!({ "requests": 2, "window": "1h" });
    let open = start(settings(address, &limit, "open")).await;
    let closed = start(settings(address, &limit, "closed")).await;
    assert_eq!(get("/").passes(&open, 9).await, 9);
    let refused = get("/").to(&closed).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "1"));
    let problem = read(refused).await;
    assert_eq!(problem["code"], "limits_unavailable");
    let Some(server) = Server::start_at(address).await else { return };
    eventually("both have noticed", || async { connected(&open).await && connected(&closed).await }).await;
    assert_eq!(get("/").passes(&open, 5).await, 2, "together they have two");
    assert_eq!(get("/").passes(&closed, 5).await, 0);
    // It hangs: nobody waits longer than once.
    server.signal("-STOP");
    eventually("it is noticed that it hangs", || async { !connected(&open).await && !connected(&closed).await }).await;
    assert_eq!((get("/").status(&open).await, get("/").status(&closed).await), (200, 503));
    server.signal("-CONT");
    eventually("its return is noticed", || async { connected(&open).await && connected(&closed).await }).await;
    assert_eq!((get("/").status(&open).await, get("/").status(&closed).await), (429, 429), "it has forgotten nothing");
    // It is another, empty one.
    drop(server);
    eventually("it is noticed that it is gone", || async { !connected(&open).await }).await;
    let Some(_server) = Server::start_at(address).await else { return };
    eventually("its return is noticed", || async { connected(&open).await }).await;
    assert_eq!(get("/").passes(&open, 5).await, 2);
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer).await {
                    if stream.write_all(b"+nonsense\r\n+nonsense\r\n").await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let host = start(settings(address, &json!({ "requests": 1, "window": "1h" }), "closed")).await;
    assert_eq!(get("/").status(&host).await, 503);
    host.stop(Duration::from_secs(5)).await;
    server.abort();
}
