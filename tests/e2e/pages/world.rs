//! What the pages show: a gateway with a limit, a cache, a service with a target that is down, and traffic.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, body::Body, routing::any};
use buntime_testing::FakeUpstream;
use buntime_tests::{Browser, Gateway, Tab, client, rule};
use serde_json::{Value, json};

/// The admin token.
pub(super) const TOKEN: &str = "a token <that> is \"long\" enough";

pub(super) struct World {
    pub(super) tab: Tab,
    pub(super) gateway: Gateway,
    axe: String,
    shots: Option<PathBuf>,
    traffic: Arc<AtomicBool>,
    _upstreams: Vec<FakeUpstream>,
}

impl World {
    pub(super) async fn start(browser: &Browser, axe: String) -> Self {
        let answers = || Router::new().fallback(any(|| async { ([("cache-control", "max-age=60")], "hello") }));
        let (first, second) = (FakeUpstream::start(answers()).await, FakeUpstream::start(answers()).await);
        // Nobody listens there any more.
        let gone = FakeUpstream::start(answers()).await.url();
        let gateway = Gateway::start(json!({
            "admin": { "token": TOKEN },
            "plugins": [
                ["@buntime/plugin-metrics", { "sseInterval": "500ms" }], "@buntime/plugin-logs", "@buntime/plugin-health",
                "@buntime/plugin-database",
                ["@buntime/plugin-proxy", { "rules": [rule("legacy", &first.url())] }],
                "@buntime/plugin-keyval",
                ["@buntime/plugin-gateway", {
                    "cache": { "ttl": "60s" },
                    "rateLimit": { "name": "per-caller", "requests": 50, "window": "1h", "keyBy": "header:x-caller" },
                }],
            ],
            "services": [{
                "name": "users",
                "upstream": {
                    "targets": [{ "url": first.url() }, { "url": second.url() }, { "url": gone }],
                    "health": { "passive": { "failures": 2, "window": "10m" } },
                },
                "routes": [{ "name": "all", "paths": ["/users"], "methods": ["GET", "POST"] }],
            }],
        }))
        .await;
        let tab = browser.tab().await;
        let shots = std::env::var_os("BUNTIME_TEST_SHOTS").map(PathBuf::from);
        let traffic = Arc::new(AtomicBool::new(true));
        tokio::spawn(ask(gateway.addr(), Arc::clone(&traffic)));
        Self { tab, gateway, axe, shots, traffic, _upstreams: vec![first, second] }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.addr())
    }

    pub(super) async fn open(&self, path: &str) {
        self.tab.go(&self.url(path)).await;
    }

    /// On the page that asks for the token.
    pub(super) async fn sign_in(&self) {
        self.tab.write("#token", TOKEN).await;
        self.tab.press("#sign-in-form", "Sign in").await;
    }

    /// What everybody must be able to use, looked at in both themes and on a phone.
    pub(super) async fn look(&self, name: &str) {
        let errors = self.tab.errors();
        assert!(errors.is_empty(), "{name}: the console says {errors:#?}");
        for (kind, scheme, width, height) in
            [("light", "light", 1280, 900), ("dark", "dark", 1280, 900), ("phone", "light", 390, 844)]
        {
            self.tab.prefers(scheme).await;
            self.tab.size(width, height).await;
            if let Some(shots) = &self.shots {
                self.tab.screenshot(&shots.join(format!("{name}-{kind}.png"))).await;
            }
            let wide =
                self.tab.value(&format!("Math.max(innerWidth, document.documentElement.scrollWidth) > {width}")).await;
            assert_eq!(wide, false, "{name}, {kind}: it is wider than what is seen");
            self.check(name, kind).await;
        }
        self.tab.prefers("light").await;
        self.tab.size(1280, 900).await;
    }

    async fn check(&self, name: &str, kind: &str) {
        if self.tab.value("typeof axe").await != "object" {
            self.tab.value(&format!("{}; true", self.axe)).await;
        }
        let found = self.tab.value(
            "axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations \
             .filter((one) => ['serious', 'critical'].includes(one.impact)) \
             .map((one) => `${one.id}: ${one.nodes.map((node) => node.html + ' ' + node.failureSummary).join('; ')}`))",
        );
        let found = found.await;
        assert_eq!(found, json!([]), "{name}, {kind}: {found:#}");
    }

    /// What the API says of a path, asked with the token.
    pub(super) async fn json(&self, path: &str) -> Value {
        let request = client::request("GET", path).header("authorization", format!("Bearer {TOKEN}"));
        client::send(self.gateway.addr(), request.body(Body::empty()).expect("a request")).await.json()
    }

    /// Sends that to a path of the API, with the token.
    pub(super) async fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = client::request(method, path).header("authorization", format!("Bearer {TOKEN}"));
        let request = request.header("content-type", "application/json").body(Body::from(body.to_string()));
        let answer = client::send(self.gateway.addr(), request.expect("a request")).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// State and override of a target.
    pub(super) async fn upstream(&self, name: &str, target: usize) -> Value {
        let upstream = self.json(&format!("/p/proxy/api/upstreams/{name}")).await;
        json!([upstream["targets"][target]["state"], upstream["targets"][target]["override"]])
    }

    /// The status of what anybody asks for.
    pub(super) async fn gateway_status(&self, path: &str) -> u16 {
        self.gateway.get(path).await.status
    }

    pub(super) async fn stop(self) {
        self.traffic.store(false, Ordering::Relaxed);
        self.gateway.stop().await;
    }
}

/// Callers until it is told to stop: one of them over its limit, all of them for the same few pages.
async fn ask(to: std::net::SocketAddr, going: Arc<AtomicBool>) {
    for turn in 0..100_000u32 {
        if !going.load(Ordering::Relaxed) {
            return;
        }
        let is_greedy = turn % 4 == 1 || turn % 8 == 0;
        let caller = if is_greedy { "greedy".to_owned() } else { format!("caller-{}", turn % 80) };
        let (method, path) = match turn % 4 {
            0 => ("GET", format!("/users/{}", turn % 12)),
            1 => ("POST", "/users".to_owned()),
            2 => ("GET", "/legacy/page".to_owned()),
            _ => ("GET", "/nothing-here".to_owned()),
        };
        let request = client::request(method, &path).header("x-caller", caller).body(Body::empty());
        client::send(to, request.expect("a request")).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
