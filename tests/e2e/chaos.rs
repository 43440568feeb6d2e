//! An operator kills, drains, slows down, breaks and restores upstreams under load, and nobody notices.

use std::{
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use buntime_testing::eventually;
use buntime_tests::{Gateway, Mood, Moody, client, skipped, soon};
use http::Method;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{net::TcpStream, process::Command, task::JoinHandle};

const CLIENTS: usize = 12;

/// A service with these targets and weights.
fn config(targets: &[(&Moody, u32)]) -> Value {
    let targets = targets.iter().map(|(target, weight)| json!({ "url": target.url(), "weight": weight }));
    json!({
        "plugins": ["@buntime/plugin-metrics", "@buntime/plugin-proxy"],
        "services": [{
            "name": "shop",
            "upstream": {
                "targets": targets.collect::<Vec<_>>(),
                "timeout": "10s",
                "tryTimeout": "400ms",
                "retries": 3,
                "health": {
                    "active": { "path": "/health", "interval": "100ms", "timeout": "300ms", "unhealthyAfter": 2 },
                    "passive": { "failures": 3, "window": "1s" },
                },
                "breaker": { "failures": 3, "window": "10s", "open": "300ms", "halfOpenProbes": 1, "successes": 2 },
            },
            "routes": [{ "name": "all", "paths": ["/shop"] }],
        }],
    })
}

/// The operator: what is done, and what is seen of it.
struct Operator<'a> {
    gateway: &'a Gateway,
    targets: Vec<Moody>,
}

impl<'a> Operator<'a> {
    async fn report(&self, at: usize) -> Value {
        let report = self.gateway.json("/p/proxy/api/upstreams/shop").await;
        let url = self.targets[at].url();
        let targets = report["targets"].as_array().unwrap();
        let found = targets.iter().find(|one| one["url"].as_str().unwrap().trim_end_matches('/') == url);
        found.cloned().unwrap_or_default()
    }

    async fn is(&self, at: usize, state: &str) -> bool {
        self.report(at).await["state"] == state
    }

    async fn tell(&self, at: usize, wanted: &str) {
        let body = json!({ "target": self.targets[at].url(), "override": wanted });
        let answer = self.gateway.send(Method::PUT, "/p/proxy/api/upstreams/shop", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// They are asked for that many more each.
    async fn asked(&self, these: &[usize], more: usize) {
        let before: Vec<usize> = these.iter().map(|at| self.targets[*at].asked()).collect();
        eventually(&format!("{these:?} are asked {more} times more each"), async || {
            these.iter().zip(&before).all(|(at, before)| self.targets[*at].asked() >= before + more)
        })
        .await;
    }

    /// It is left alone, while the others have work.
    async fn left_alone(&self, at: usize, others: &[usize]) {
        eventually("what it had has ended", async || self.report(at).await["in_flight"].as_u64().unwrap_or(0) == 0)
            .await;
        let before = self.targets[at].asked();
        self.asked(others, 40).await;
        assert_eq!(self.targets[at].asked(), before, "{at} got something new: {}", self.report(at).await);
    }

    async fn is_found_ill(&self, at: usize) {
        eventually(&format!("{at} is found to be ill"), async || !self.is(at, "healthy").await).await;
    }

    /// All of the first four are well and asked.
    async fn all_well(&self) {
        eventually("all are healthy", async || {
            self.is(0, "healthy").await
                && self.is(1, "healthy").await
                && self.is(2, "healthy").await
                && self.is(3, "healthy").await
        })
        .await;
        self.asked(&[0, 1, 2, 3], 10).await;
    }

    /// Everything there is to be survived, one after the other.
    async fn go(&mut self) {
        self.all_well().await;
        // Killed, and back on the same port.
        self.targets[0].kill().await;
        self.is_found_ill(0).await;
        self.asked(&[1, 2, 3], 40).await;
        self.targets[0].restore().await;
        self.all_well().await;
        // Drained, forced out, and back.
        for word in ["drain", "force_open"] {
            self.tell(1, word).await;
            self.left_alone(1, &[0, 2, 3]).await;
            self.tell(1, "auto").await;
            self.all_well().await;
        }
        // Its checks fail, and an operator knows better.
        self.targets[2].feel(Mood::Hypochondriac);
        eventually("checks find it unhealthy", async || self.is(2, "unhealthy").await).await;
        self.left_alone(2, &[0, 1, 3]).await;
        self.tell(2, "force_closed").await;
        self.asked(&[2], 10).await;
        self.targets[2].feel(Mood::Well);
        self.tell(2, "auto").await;
        self.all_well().await;
        // Ill in other ways, and well again.
        for (at, mood) in [(3, Mood::Slow(Duration::from_secs(2))), (0, Mood::Busy), (1, Mood::MidHead)] {
            self.targets[at].feel(mood);
            self.is_found_ill(at).await;
            let others: Vec<usize> = (0..4).filter(|other| *other != at).collect();
            self.asked(&others, 40).await;
            self.targets[at].feel(Mood::Well);
            self.all_well().await;
        }
        self.reload_amid().await;
    }

    /// Weights change, a target goes and another comes, while one is dead; and back.
    async fn reload_amid(&mut self) {
        self.targets.push(Moody::start().await);
        self.targets[2].kill().await;
        let of = |these: &[(usize, u32)]| {
            let targets: Vec<(&Moody, u32)> = these.iter().map(|(at, weight)| (&self.targets[*at], *weight)).collect();
            config(&targets)
        };
        self.gateway.replace(&of(&[(0, 3), (1, 1), (2, 1), (4, 2)]));
        self.gateway.running().reload("a test").await.unwrap();
        self.asked(&[0, 1, 4], 20).await;
        let gone = self.targets[3].asked();
        self.asked(&[0, 1, 4], 20).await;
        assert_eq!(self.targets[3].asked(), gone, "it is no target any more");
        self.targets[2].restore().await;
        let back = config(&self.targets[..4].iter().map(|target| (target, 1)).collect::<Vec<_>>());
        self.gateway.replace(&back);
        self.gateway.running().reload("a test").await.unwrap();
        self.all_well().await;
    }
}

/// Clients that ask again and again over kept connections.
struct Clients {
    done: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(gateway: &Gateway) -> Self {
        let mut clients = Self {
            done: Arc::default(),
            answered: Arc::default(),
            failed: Arc::default(),
            tasks: Vec::with_capacity(CLIENTS),
        };
        for _ in 0..CLIENTS {
            let (addr, done) = (gateway.addr(), Arc::clone(&clients.done));
            let (answered, failed) = (Arc::clone(&clients.answered), Arc::clone(&clients.failed));
            clients.tasks.push(tokio::spawn(async move {
                let stream = TcpStream::connect(addr).await.expect("it listens");
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
                tokio::spawn(connection);
                while !done.load(Ordering::SeqCst) {
                    match ask(&mut sender).await {
                        Ok(()) => {
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(why) => {
                            failed.lock().unwrap_or_else(PoisonError::into_inner).push(why);
                            return;
                        }
                    }
                }
            }));
        }
        clients
    }

    /// Returns how many requests were answered.
    async fn end(self) -> usize {
        self.done.store(true, Ordering::SeqCst);
        for task in self.tasks {
            soon("the end of a client", task).await.unwrap();
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = self.answered.load(Ordering::SeqCst);
        assert!(failed.is_empty(), "{} of {answered} failed: {failed:#?}", failed.len());
        answered
    }
}

async fn ask(sender: &mut http1::SendRequest<Body>) -> Result<(), String> {
    let request = client::request("GET", "/shop/cart").body(Body::empty()).map_err(|error| error.to_string())?;
    sender.ready().await.map_err(|error| error.to_string())?;
    let answer = soon("an answer", sender.send_request(request)).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = soon("its body", answer.into_body().collect()).await.map_err(|error| error.to_string())?.to_bytes();
    if status == 200 && body == "well" { Ok(()) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&body))) }
}

async fn four() -> (Gateway, Vec<Moody>) {
    let targets = vec![Moody::start().await, Moody::start().await, Moody::start().await, Moody::start().await];
    let dir = tempfile::tempdir().unwrap();
    let config = config(&targets.iter().map(|target| (target, 1)).collect::<Vec<_>>());
    // Reloaded when the test says so, and not by the watch as well.
    (Gateway::start_in(dir, config, |options| options.watch = false).await, targets)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_fails_that_a_healthy_target_could_have_served() {
    let (gateway, targets) = four().await;
    let clients = Clients::start(&gateway);
    let mut operator = Operator { gateway: &gateway, targets };
    operator.go().await;
    assert!(clients.end().await > 500);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_under_load_from_wrk() {
    let (gateway, targets) = four().await;
    // Told to stop when the operator is through.
    let wrk = Command::new("wrk")
        .args(["-t2", "-c16", "-d120s", "--timeout", "15s"])
        .arg(format!("http://{}/shop/cart", gateway.addr()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let Ok(wrk) = wrk else { return skipped("needs wrk; `cargo xtask setup` installs it") };
    let mut operator = Operator { gateway: &gateway, targets };
    operator.go().await;
    let id = wrk.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("it runs");
    kill_process(id, Signal::INT).expect("it can be told");
    let output = soon("the end of wrk", wrk.wait_with_output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(" requests in "), "{said}");
    assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
    gateway.stop().await;
}
