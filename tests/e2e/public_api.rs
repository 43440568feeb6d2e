//! `config/examples/public-api.jsonc` as its users meet it: browsers, programs with a key, strangers, an operator.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::header,
    routing::{any, get},
};
use buntime_testing::FakeUpstream;
use buntime_tests::{Answer, client, soon, start_example};
use futures_util::future::join_all;
use http::Method;
use runner::Running;
use serde_json::{Value, json};

struct World {
    running: Running,
    asked: Arc<AtomicUsize>,
    _upstream: FakeUpstream,
    _dir: tempfile::TempDir,
}

/// Who asks for what, from where.
#[derive(Clone)]
struct Ask {
    method: Method,
    path: String,
    fields: Vec<(&'static str, String)>,
    body: String,
}

impl Ask {
    fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), fields: Vec::new(), body: String::new() }
    }

    fn post(path: &str, body: &str) -> Self {
        let ask = Self { method: Method::POST, body: body.to_owned(), ..Self::get(path) };
        ask.with("content-type", "application/json")
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    fn from(self, address: &str) -> Self {
        self.with("x-forwarded-for", address)
    }

    fn key(self, key: &str) -> Self {
        self.with("x-api-key", key)
    }

    async fn to(self, to: SocketAddr) -> Answer {
        let mut request = client::request(self.method.as_str(), &self.path);
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        client::send(to, request.body(Body::from(self.body)).unwrap()).await
    }
}

async fn world() -> World {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let product = move |Path(number): Path<String>| {
        let turn = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            let control = if number == "mine" { "private, max-age=60" } else { "public, max-age=60" };
            let fields =
                [(header::CACHE_CONTROL.as_str(), control.to_owned()), ("cache-tag", format!("product-{number}"))];
            (fields, format!("product {number}, asked {turn} times"))
        }
    };
    let upstream = Router::new().route("/products/{number}", get(product)).route("/search", any(|| async { "found" }));
    let upstream = FakeUpstream::start(upstream).await;
    let dir = tempfile::tempdir().unwrap();
    // The tests come through a load balancer on this machine.
    let env = [
        ("PRODUCTS", upstream.url()),
        ("SEARCH", upstream.url()),
        ("LOAD_BALANCER", "127.0.0.0/8".to_owned()),
        ("BUNTIME_ADMIN_TOKEN", "t0ken".to_owned()),
    ];
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let running = start_example("public-api.jsonc", dir.path(), &env).await;
    World { running, asked, _upstream: upstream, _dir: dir }
}

impl World {
    fn addr(&self) -> SocketAddr {
        self.running.addr()
    }

    async fn admin(&self, ask: Ask) -> Value {
        let answer = ask.with("authorization", "Bearer t0ken").to(self.addr()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// Asks, each time from another address, until it is refused; says how often it was not, and how it was.
async fn until_refused(world: &World, ask: impl Fn(usize) -> Ask, most: usize) -> (usize, Answer) {
    for turn in 0..most {
        let answer = ask(turn).to(world.addr()).await;
        if answer.status == 429 {
            assert_eq!(answer.problem(), "rate_limited");
            return (turn, answer);
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    panic!("{most} were let through");
}

fn refused_by(answer: &Answer) -> Vec<String> {
    // `"key";r=0;t=1, "daily";r=4999;t=5`
    let all = answer.list("ratelimit");
    let parts = all.split(", ").filter(|part| part.contains(";r=0;"));
    parts.map(|part| part.split('"').nth(1).unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_key_is_counted_wherever_it_is_used_and_an_address_whatever_keys_it_has() {
    let world = world().await;
    let began = Instant::now();
    // One key from many addresses.
    let spread = |turn: usize| Ask::get("/products/1").key("key-of-acme").from(&format!("198.51.100.{}", turn % 200));
    let (passed, refused) = until_refused(&world, spread, 200).await;
    let more = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!((60..=60 + more).contains(&passed), "{passed} in {:?}", began.elapsed());
    assert_eq!(refused_by(&refused), ["key"]);
    assert!((1..=2).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    // Another key, and nobody's, from the same places are not touched by it.
    let other = Ask::get("/products/1").key("key-of-globex").from("198.51.100.1").to(world.addr()).await;
    assert!(other.status == 200 && other.list("ratelimit").contains("\"key\";r=59"), "{}", other.list("ratelimit"));
    let policy = other.list("ratelimit-policy");
    for part in ["\"flood\";q=100;w=1", "\"address\";q=600;w=60", "\"key\";q=60;w=60", "\"daily\";q=5000;w=86400"] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    // Leaving the key out gains nothing: the address is counted instead.
    let bare = |_| Ask::get("/products/1").from("198.51.100.201");
    let (passed, refused) = until_refused(&world, bare, 200).await;
    assert!((60..=90).contains(&passed), "{passed}");
    assert_eq!(refused_by(&refused), ["key"]);
    // Nor do keys that nobody has.
    let forged = Ask::get("/products/1").key("forged").from("198.51.100.201").to(world.addr()).await;
    assert_eq!(forged.status, 429);
    // What watches the API is not counted.
    let watched = Ask::get("/products/health").from("198.51.100.201").to(world.addr()).await;
    assert_eq!((watched.status, watched.list("ratelimit").contains("key")), (200, false));
    soon("the stop", world.running.stop()).await;
}

#[tokio::test]
async fn who_hammers_is_stopped_and_dear_requests_cost_more() {
    let world = world().await;
    let burst = (0..200).map(|_| Ask::get("/products/health").from("198.51.100.7").to(world.addr()));
    let began = Instant::now();
    let answers = join_all(burst).await;
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(passed >= 100 && passed <= 100 * seconds, "{passed} in {:?}", began.elapsed());
    if let Some(refused) = answers.iter().find(|answer| answer.status == 429) {
        assert_eq!((refused_by(refused), refused.header("retry-after")), (vec!["flood".to_owned()], "1"));
    }
    // A search costs ten.
    let search = |_| Ask::post("/search", r#"{"words":"shoes"}"#).key("key-of-acme").from("198.51.100.8");
    let (passed, refused) = until_refused(&world, search, 20).await;
    assert!((6..=7).contains(&passed), "{passed}");
    assert_eq!(
        refused.json()["detail"].as_str().map(|text| text.starts_with("The limit of 60 requests in 1m")),
        Some(true)
    );
    let quota = refused.list("ratelimit").split(", ").find(|part| part.starts_with("\"daily\"")).map(str::to_owned);
    assert!(quota.is_none_or(|quota| quota.starts_with(&format!("\"daily\";r={}", 5000 - passed))), "{refused:?}");
    // An operator lets them begin anew.
    let key = "/p/gateway/api/rate-limit/buckets/consumer:acme?name=key";
    let reset = world.admin(Ask { method: Method::DELETE, ..Ask::get(key) }).await;
    assert_eq!(reset, json!({ "deleted": true, "key": "consumer:acme" }));
    assert_eq!(search(0).to(world.addr()).await.status, 200);
    soon("the stop", world.running.stop()).await;
}

#[tokio::test]
async fn answers_are_cached_for_everybody_and_forgotten_by_tag() {
    let world = world().await;
    let ask = |path: &str, key: &str| Ask::get(path).key(key).from("198.51.100.1").to(world.addr());
    let cache = |answer: &Answer| answer.header("x-cache").to_owned();
    let first = ask("/products/1", "key-of-acme").await;
    assert_eq!((first.status, cache(&first)), (200, "MISS".to_owned()));
    let hit = ask("/products/1", "key-of-globex").await;
    assert_eq!((cache(&hit), hit.text()), ("HIT".to_owned(), first.text()), "public answers are for everybody");
    assert!(hit.header("cache-status").contains("hit") && hit.header("age").parse::<u64>().is_ok());
    assert!(hit.list("ratelimit").contains("\"key\";r=59"), "hits are counted too: {}", hit.list("ratelimit"));
    for _ in 0..2 {
        assert_ne!(cache(&ask("/products/mine", "key-of-acme").await), "HIT", "private is never stored");
    }
    assert_eq!(cache(&ask("/products/2", "key-of-acme").await), "MISS");
    let before = world.asked.load(Ordering::SeqCst);
    let forget = |tag: &str| Ask::post("/p/gateway/api/cache/invalidate", &json!({ "tag": tag }).to_string());
    assert_eq!(world.admin(forget("product-1")).await, json!({ "invalidated": 1 }));
    let anew = ask("/products/1", "key-of-acme").await;
    assert_eq!((cache(&anew), anew.text() == first.text()), ("MISS".to_owned(), false));
    assert_eq!(cache(&ask("/products/2", "key-of-acme").await), "HIT", "another tag");
    assert_eq!(world.asked.load(Ordering::SeqCst), before + 1);
    // All of the service has its tag.
    assert_eq!(world.admin(forget("products")).await, json!({ "invalidated": 2 }));
    let nobody = forget("products").to(world.addr()).await;
    assert_eq!(nobody.status, 401, "{}", nobody.text());
    soon("the stop", world.running.stop()).await;
}

#[tokio::test]
async fn browsers_of_known_origins_may_call_and_others_may_not() {
    let world = world().await;
    let preflight = |origin: &str| {
        let ask = Ask { method: Method::OPTIONS, ..Ask::get("/search") }.with("origin", origin).from("198.51.100.1");
        ask.with("access-control-request-method", "POST")
            .with("access-control-request-headers", "content-type,x-api-key")
            .to(world.addr())
    };
    for origin in ["https://shop.example.com", "https://a.example.org", "https://a.b.example.org"] {
        let answer = preflight(origin).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, origin));
        assert_eq!(answer.header("access-control-max-age"), "3600");
        assert!(answer.header("access-control-allow-methods").contains("POST"));
    }
    for origin in [
        "https://example.org",
        "http://a.example.org",
        "https://a.example.org:8443",
        "https://a.example.org.evil.test",
        "https://evilexample.org",
        "null",
    ] {
        let answer = preflight(origin).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, ""), "{origin}");
    }
    let actual =
        Ask::get("/products/1").with("origin", "https://a.example.org").from("198.51.100.1").to(world.addr()).await;
    assert_eq!(actual.header("access-control-allow-origin"), "https://a.example.org");
    assert!(actual.header("access-control-expose-headers").contains("ratelimit-policy"));
    assert!(actual.headers.get_all("vary").iter().any(|value| value == "Origin"));
    // A refusal can be read by the page too.
    let refused = Ask::post("/search", r#"{"word":1}"#).with("origin", "https://shop.example.com").from("198.51.100.1");
    let refused = refused.to(world.addr()).await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "validation_failed"));
    assert_eq!(refused.header("access-control-allow-origin"), "https://shop.example.com");
    soon("the stop", world.running.stop()).await;
}

#[tokio::test]
async fn what_no_client_would_send_is_refused_before_it_is_served() {
    let world = world().await;
    let denied = Ask::get("/products/1").from("203.0.113.9").to(world.addr()).await;
    assert_eq!((denied.status, denied.problem().as_str()), (403, "ip_denied"));
    let long = Ask::get(&format!("/products/1?{}", "a".repeat(2100))).from("198.51.100.1").to(world.addr()).await;
    assert_eq!(long.status, 414, "{}", long.text());
    let many = (0..30).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
    assert_eq!(Ask::get(&format!("/products/1?{many}")).from("198.51.100.1").to(world.addr()).await.status, 400);
    let empty = Ask::post("/search", "").from("198.51.100.1").to(world.addr()).await;
    assert_eq!(empty.problem(), "validation_failed");
    let good = Ask::post("/search", r#"{"words":"shoes","page":2}"#).from("198.51.100.1").to(world.addr()).await;
    assert_eq!((good.status, good.text()), (200, "found".to_owned()));
    assert_eq!(world.asked.load(Ordering::SeqCst), 0);
    soon("the stop", world.running.stop()).await;
}
