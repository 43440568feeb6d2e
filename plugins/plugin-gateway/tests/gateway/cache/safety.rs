//! What must never be stored, or given to the wrong one, and how much may be.

use super::*;

#[tokio::test]
async fn what_reaches_the_upstream_beside_the_url_poisons_nothing() {
    let origin = Origin::saying(FRESH);
    let host = start(json!({ "cache": {} })).await;
    for name in ["x-original-url", "x-rewrite-url", "x-http-method-override", "x-method-override", "x-http-method"] {
        assert_eq!(ask(&host, &get("/a").header(name, "/admin"), &origin).await.0, "-", "{name}");
    }
    let poisoned = get("/a").header("x-forwarded-host", "evil.example");
    assert_eq!(ask(&host, &poisoned, &origin).await, pair("MISS", "6"));
    assert_eq!(ask(&host, &get("/a").header("content-length", "5"), &origin).await.0, "-", "a GET with a body");
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("MISS", "8"), "none of it was stored for everybody");
    assert_eq!(
        ask(&host, &get("/a").header("x-original-url", "/b"), &origin).await,
        pair("-", "9"),
        "nor is it served"
    );
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("HIT", "8"));
    assert_eq!(
        ask(&host, &get("/a").route("service:b/b"), &origin).await.0,
        "MISS",
        "another route is another upstream"
    );
}

#[tokio::test]
async fn what_varies_is_told_apart_and_its_number_is_bounded() {
    let origin = Origin::saying(&[("cache-control", "max-age=60"), ("vary", "Accept-Language, X-Kind")]);
    let host = start(json!({ "cache": { "maxVariants": 3 } })).await;
    let of = |kind: &str| get("/a").header("accept-language", "en, de").header("x-kind", kind);
    assert_eq!(ask(&host, &of("1"), &origin).await, pair("MISS", "1"));
    assert_eq!(ask(&host, &of("2"), &origin).await, pair("MISS", "2"));
    assert_eq!(ask(&host, &of("1"), &origin).await, pair("HIT", "1"));
    assert_eq!(ask(&host, &get("/a").header("accept-language", "EN,de").header("x-kind", "1"), &origin).await.0, "HIT");
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("MISS", "3"));
    for number in 0..50 {
        ask(&host, &of(&format!("kind-{number}")), &origin).await;
    }
    let entries = read(api(&host, "GET", "/cache/entries").await).await;
    assert_eq!(entries.as_array().map(Vec::len), Some(3), "{entries:#}");
    assert_eq!(ask(&host, &of("1"), &origin).await.0, "MISS");
}

#[tokio::test]
async fn what_broke_or_is_too_long_is_never_stored() {
    let origin = Origin::new(|call, _, _| {
        let mut response = said(&[("cache-control", "max-age=60")], call);
        *response.body_mut() = match call {
            1 | 2 => {
                let pieces = [Ok("half"), Err(std::io::Error::other("gone"))];
                Body::from_stream(futures_util::stream::iter(pieces))
            }
            _ => Body::from("x".repeat(40_000)),
        };
        Ok(response)
    });
    let host = start(json!({ "cache": { "maxBytes": "128kb", "maxEntryBytes": "16kb" } })).await;
    for _ in 0..2 {
        let broken = get("/a").answered(&host, origin.clone()).await;
        assert!(axum::body::to_bytes(broken.into_body(), 1 << 20).await.is_err());
    }
    for _ in 0..2 {
        assert_eq!(ask(&host, &get("/a"), &origin).await.0, "MISS");
    }
    assert_eq!((origin.calls(), entries(&host).await), (4, 0));
}

async fn with_auth(settings: Value) -> Host {
    let mut catalog = buntime_core::Catalog::new();
    catalog.add(auth()).unwrap();
    catalog.add(plugin_gateway::GatewayPlugin).unwrap();
    let host = Host::builder().catalog(catalog).program(program(settings)).start().await;
    host.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[tokio::test]
async fn answers_to_somebody_are_not_given_to_others() {
    let host = with_auth(json!({ "cache": {} })).await;
    let (quiet, public) = (Origin::saying(FRESH), Origin::saying(&[("cache-control", "max-age=60, public")]));
    let of = |path: &str, who: &str| get(path).header("x-who", who);
    for who in ["acme", "other"] {
        assert_eq!(ask(&host, &of("/quiet", who), &quiet).await.0, "MISS");
    }
    for (name, value) in [("authorization", "Bearer x"), ("x-api-key", "k")] {
        for _ in 0..2 {
            assert_eq!(ask(&host, &get("/quiet").header(name, value), &quiet).await.0, "MISS", "{name}");
        }
    }
    assert_eq!(ask(&host, &get("/quiet"), &quiet).await.0, "MISS");
    assert_eq!(ask(&host, &get("/quiet"), &quiet).await.0, "HIT");
    assert_eq!(ask(&host, &of("/quiet", "acme"), &quiet).await.0, "MISS", "nor the other way round");
    assert_eq!(ask(&host, &of("/public", "acme"), &public).await, pair("MISS", "1"));
    for ask_again in [of("/public", "other"), get("/public")] {
        assert_eq!(ask(&host, &ask_again, &public).await, pair("HIT", "1"));
    }
}

#[tokio::test]
async fn told_apart_by_consumer_each_has_its_own() {
    let host = with_auth(json!({ "cache": { "varyBy": ["consumer"] } })).await;
    let origin = Origin::saying(FRESH);
    let of = |who: &str| get("/a").header("x-who", who);
    assert_eq!(ask(&host, &of("acme"), &origin).await, pair("MISS", "1"));
    assert_eq!(ask(&host, &of("other"), &origin).await, pair("MISS", "2"));
    assert_eq!(ask(&host, &of("acme"), &origin).await, pair("HIT", "1"));
    assert_eq!(ask(&host, &of("other"), &origin).await, pair("HIT", "2"));
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("MISS", "3"));
}

#[tokio::test]
async fn what_says_nothing_lives_as_configured_but_not_for_who_sends_cookies() {
    let origin = Origin::saying(&[]);
    let host = start(json!({ "cache": { "ttl": "60s", "excludePaths": ["/live/**"] } })).await;
    let cookie = get("/a").header("cookie", "sid=1");
    assert_eq!(ask(&host, &cookie, &origin).await.0, "MISS");
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("MISS", "2"));
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("HIT", "2"));
    assert_eq!(ask(&host, &cookie, &origin).await.0, "MISS");
    assert_eq!(ask(&host, &get("/live/x"), &origin).await.0, "-");
    let cookies = Origin::saying(&[("cache-control", "max-age=60"), ("set-cookie", "sid=2")]);
    for _ in 0..2 {
        assert_eq!(ask(&host, &get("/c"), &cookies).await.0, "MISS");
    }
    let strip = start(json!({ "cache": { "setCookie": "strip" } })).await;
    ask(&strip, &get("/c"), &cookies).await;
    let hit = get("/c").answered(&strip, cookies.clone()).await;
    assert!(header(&hit, "x-cache") == "HIT" && !hit.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn it_takes_no_more_than_it_may() {
    let origin = Origin::new(|_, _, _| {
        let mut response = said(&[("cache-control", "max-age=60")], 0);
        *response.body_mut() = Body::from("x".repeat(10_000));
        Ok(response)
    });
    let host = start(json!({ "cache": { "maxBytes": "1mb" } })).await;
    for number in 0..1000 {
        ask(&host, &get(&format!("/{number}")), &origin).await;
    }
    let figures = &read(api(&host, "GET", "/cache").await).await["totals"];
    let (bytes, size) = (figures["bytes"].as_u64().unwrap(), figures["size"].as_u64().unwrap());
    assert!(bytes <= 1 << 20 && (50..=100).contains(&size), "{figures:#}");
}
