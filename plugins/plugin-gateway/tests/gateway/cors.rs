//! CORS as browsers meet it.

use crate::common::{Ask, all, get, header, start};
use axum::body::Body;
use buntime_core::{Error, ErrorKind, Http, Step, handler_fn};
use http::Response;
use serde_json::json;

const ORIGIN: &str = "access-control-allow-origin";

fn from(origin: &str) -> Ask {
    get("/").header("origin", origin)
}

fn preflight(origin: &str, method: &str) -> Ask {
    from(origin).method("OPTIONS").header("access-control-request-method", method)
}

#[tokio::test]
async fn preflights_are_answered_here() {
    let host =
        start(json!({ "cors": { "origin": ["https://app.example.com", "*.example.org"], "methods": ["GET", "put"],
        "credentials": true, "maxAge": "10m", "exposedHeaders": ["x-total"] },
        "rateLimit": { "requests": 1, "window": "1h" } }))
        .await;
    for _ in 0..5 {
        let asked = preflight("https://app.example.com", "PUT").header("access-control-request-headers", "x-a, x-b");
        let answer = asked.to(&host).await;
        assert_eq!(answer.status(), 204, "it is no request that is limited");
        assert_eq!(header(&answer, ORIGIN), "https://app.example.com");
        assert_eq!(header(&answer, "access-control-allow-credentials"), "true");
        assert_eq!(header(&answer, "access-control-allow-methods"), "GET, PUT");
        assert_eq!(header(&answer, "access-control-allow-headers"), "x-a, x-b");
        assert_eq!(header(&answer, "access-control-max-age"), "600");
        assert_eq!(header(&answer, "access-control-expose-headers"), "");
        let vary = all(&answer, "vary").join(",");
        assert_eq!(vary, "Origin,Access-Control-Request-Method,Access-Control-Request-Headers");
    }
    for origin in ["https://evil.example", "null", "http://app.example.com", "https://example.org"] {
        let answer = preflight(origin, "PUT").to(&host).await;
        assert_eq!(answer.status(), 204);
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")), "{origin}");
        assert!(all(&answer, "vary").contains(&"Origin".to_owned()));
    }
    assert_eq!(header(&preflight("https://a.b.example.org", "GET").to(&host).await, ORIGIN), "https://a.b.example.org");
    // `OPTIONS` without the question is a method like any other.
    let options = get("/").method("OPTIONS").to(&host).await;
    assert_eq!(options.status(), 200);
}

#[tokio::test]
async fn actual_answers_and_errors_say_it_too() {
    let host = start(json!({ "cors": { "origin": "https://app.example.com", "exposedHeaders": ["x-total", "x-page"] },
        "rateLimit": { "requests": 2, "window": "1h" } }))
    .await;
    let own = || {
        handler_fn::<Http, _>(|_| {
            let own = Response::builder().header(ORIGIN, "*").header("access-control-allow-credentials", "true");
            Step::ready(own.header("vary", "accept, ORIGIN").body(Body::empty()).unwrap().into())
        })
    };
    let answer = from("https://app.example.com").answered(&host, own()).await;
    assert_eq!(all(&answer, ORIGIN), ["https://app.example.com"], "the gateway decides, not the upstream");
    assert_eq!(header(&answer, "access-control-allow-credentials"), "");
    assert_eq!(header(&answer, "access-control-expose-headers"), "x-total, x-page");
    assert_eq!(all(&answer, "vary"), ["accept, ORIGIN"]);
    let other = from("https://evil.example").answered(&host, own()).await;
    assert_eq!((header(&other, ORIGIN), other.status().as_u16()), ("", 200));
    let refused = from("https://app.example.com").to(&host).await;
    assert_eq!((refused.status().as_u16(), header(&refused, ORIGIN)), (429, "https://app.example.com"));
    assert_eq!((header(&refused, "vary"), header(&refused, "retry-after")), ("Origin", "1800"));
    let failing = handler_fn::<Http, _>(|_| Step::failed(Error::new(ErrorKind::UpstreamUnreachable)));
    let failed = from("https://app.example.com").ip("192.0.2.5").answered(&host, failing).await;
    assert_eq!((failed.status().as_u16(), header(&failed, ORIGIN)), (502, "https://app.example.com"));
    // Who has no origin must not get what was meant for one from a cache, nor the other way round.
    assert_eq!(header(&get("/").ip("192.0.2.6").to(&host).await, "vary"), "Origin");
}

#[tokio::test]
async fn for_all_it_is_one_answer_without_credentials() {
    let host =
        start(json!({ "cors": { "origin": "*", "methods": "*", "privateNetwork": true, "allowedHeaders": ["X-A"] } }))
            .await;
    let answer = from("https://anybody.example").to(&host).await;
    assert_eq!((header(&answer, ORIGIN), header(&answer, "vary")), ("*", ""));
    let asked = preflight("null", "PURGE").header("access-control-request-private-network", "true");
    let answer = asked.header("access-control-request-headers", "x-b").to(&host).await;
    assert_eq!((header(&answer, ORIGIN), header(&answer, "access-control-allow-methods")), ("*", "PURGE"));
    assert_eq!(header(&answer, "access-control-allow-headers"), "X-A");
    assert_eq!(header(&answer, "access-control-allow-private-network"), "true");
    assert_eq!(header(&answer, "access-control-allow-credentials"), "");
}
