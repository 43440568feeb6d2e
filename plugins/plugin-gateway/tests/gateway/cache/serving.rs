//! What is served, and when.

use super::*;

#[tokio::test]
async fn what_is_fresh_is_served_with_its_age_and_what_is_stale_is_not() {
    let (clock, origin) = (Clock::fake(), Origin::saying(&[("cache-control", "max-age=60")]));
    let host = start_at(json!({ "cache": {} }), &clock).await;
    let first = get("/a").answered(&host, origin.clone()).await;
    assert_eq!(header(&first, "cache-status"), "buntime; fwd=uri-miss; fwd-status=200; stored");
    assert_eq!(text(first).await, "1");
    clock.advance(seconds(20));
    let hit = get("/a").answered(&host, origin.clone()).await;
    let told = ["x-cache", "age", "cache-status", "content-length"].map(|name| header(&hit, name).to_owned());
    assert_eq!(told, ["HIT", "20", "buntime; hit; ttl=40", "1"]);
    assert_eq!(text(hit).await, "1");
    assert_eq!(ask(&host, &get("/a?b"), &origin).await, pair("MISS", "2"));
    assert_eq!(ask(&host, &get("/a").header("host", "other.example"), &origin).await.0, "-", "two hosts are no host");
    clock.advance(seconds(40));
    assert_eq!(ask(&host, &get("/a"), &origin).await.0, "MISS");
}

#[tokio::test]
async fn heads_conditions_and_ranges_are_answered_from_what_is_stored_whole() {
    let origin = Origin::new(|_, _, _| {
        let fields = [("cache-control", "max-age=60"), ("etag", "\"a\""), ("content-type", "text/x")];
        let mut response = said(&fields, 0);
        *response.body_mut() = Body::from("0123456789");
        Ok(response)
    });
    let host = start(json!({ "cache": {} })).await;
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("MISS", "0123456789"));
    let head = get("/a").method("HEAD").answered(&host, origin.clone()).await;
    assert_eq!((header(&head, "content-length"), header(&head, "x-cache")), ("10", "HIT"));
    assert_eq!(text(head).await, "");
    let unchanged = get("/a").header("if-none-match", "\"b\", W/\"a\"").answered(&host, origin.clone()).await;
    assert_eq!((unchanged.status().as_u16(), header(&unchanged, "etag")), (304, "\"a\""));
    assert!(!unchanged.headers().contains_key("content-type"));
    for (range, more, status, content, body) in [
        ("bytes=2-4", None, 206, "bytes 2-4/10", "234"),
        ("bytes=-2", Some(("if-range", "\"a\"")), 206, "bytes 8-9/10", "89"),
        ("bytes=2-4", Some(("if-range", "\"b\"")), 200, "", "0123456789"),
        ("bytes=2-4", Some(("if-range", "W/\"a\"")), 200, "", "0123456789"),
        ("bytes=0-1,3-4", None, 200, "", "0123456789"),
        ("bytes=10-", None, 416, "bytes */10", ""),
    ] {
        let mut asked = get("/a").header("range", range);
        if let Some((name, value)) = more {
            asked = asked.header(name, value);
        }
        let part = asked.answered(&host, origin.clone()).await;
        let said = part.headers().get("content-range").map_or("", |value| value.to_str().unwrap()).to_owned();
        assert_eq!((part.status().as_u16(), said.as_str()), (status, content), "{range}");
        assert_eq!(text(part).await, body, "{range}");
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn what_is_unchanged_is_renewed_and_served() {
    let clock = Clock::fake();
    let origin = Origin::new(|call, _, asked| {
        let unchanged = asked.get("if-none-match").is_some_and(|tag| tag == "\"a\"");
        let call_text: &'static str = ["0", "1", "2", "3", "4"][call];
        let mut response = said(&[("cache-control", "max-age=60"), ("etag", "\"a\""), ("x-call", call_text)], call);
        if unchanged {
            *response.status_mut() = http::StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
        }
        Ok(response)
    });
    let host = start_at(json!({ "cache": {} }), &clock).await;
    ask(&host, &get("/a"), &origin).await;
    clock.advance(seconds(70));
    let renewed = get("/a").answered(&host, origin.clone()).await;
    let told = ["x-cache", "x-call", "age", "cache-status"].map(|name| header(&renewed, name).to_owned());
    assert_eq!(told, ["REVALIDATED", "2", "0", "buntime; fwd=stale; fwd-status=304; stored"]);
    assert_eq!(text(renewed).await, "1");
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("HIT", "1"));
    clock.advance(seconds(70));
    let conditional = get("/a").header("if-none-match", "\"a\"").answered(&host, origin.clone()).await;
    assert_eq!((conditional.status().as_u16(), header(&conditional, "x-cache")), (304, "REVALIDATED"));
    clock.advance(seconds(70));
    let other = get("/a").header("if-none-match", "\"b\"").answered(&host, origin.clone()).await;
    assert_eq!((other.status().as_u16(), text(other).await.as_str()), (200, "1"));
}

#[tokio::test]
async fn what_is_stale_is_served_while_it_is_fetched_once() {
    let clock = Clock::fake();
    let origin = Origin::saying(&[("cache-control", "max-age=60, stale-while-revalidate=30")]);
    let host = start_at(json!({ "cache": {} }), &clock).await;
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("MISS", "1"));
    clock.advance(seconds(70));
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("STALE", "1"));
    eventually("it is new", || async { ask(&host, &get("/a"), &origin).await == pair("HIT", "2") }).await;
    assert_eq!(origin.calls(), 2);
    clock.advance(seconds(100));
    assert_eq!(ask(&host, &get("/a"), &origin).await, pair("MISS", "3"));
}

fn failing_after(first: &'static [(&'static str, &'static str)], status: Option<u16>) -> Origin {
    Origin::new(move |call, _, _| match status {
        _ if call == 1 => Ok(said(first, 1)),
        Some(status) => {
            let mut response = said(&[], call);
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Ok(response)
        }
        None => Err(Error::new(ErrorKind::UpstreamUnreachable)),
    })
}

#[tokio::test]
async fn what_is_stale_is_served_instead_of_an_error_where_that_is_allowed() {
    let allowed: &[(&str, &str)] = &[("cache-control", "max-age=1, stale-if-error=60")];
    let forbidden: &[(&str, &str)] = &[("cache-control", "max-age=1, must-revalidate")];
    let silent: &[(&str, &str)] = &[("cache-control", "max-age=1")];
    for (settings, first, status, expected) in [
        (json!({}), allowed, None, pair("STALE", "1")),
        (json!({}), allowed, Some(503), pair("STALE", "1")),
        (json!({}), allowed, Some(404), pair("MISS", "2")),
        (json!({}), silent, Some(503), pair("MISS", "2")),
        (json!({ "staleIfError": "1m" }), silent, Some(503), pair("STALE", "1")),
        (json!({ "staleIfError": "1m" }), forbidden, Some(503), pair("MISS", "2")),
    ] {
        let (clock, origin) = (Clock::fake(), failing_after(first, status));
        let host = start_at(json!({ "cache": settings }), &clock).await;
        ask(&host, &get("/a"), &origin).await;
        clock.advance(seconds(10));
        assert_eq!(ask(&host, &get("/a"), &origin).await, expected, "{settings} {first:?} {status:?}");
    }
    let (clock, origin) = (Clock::fake(), failing_after(forbidden, None));
    let host = start_at(json!({ "cache": { "staleIfError": "1m" } }), &clock).await;
    ask(&host, &get("/a"), &origin).await;
    clock.advance(seconds(10));
    assert_eq!(get("/a").answered(&host, origin).await.status().as_u16(), 502);
}

#[tokio::test]
async fn requests_are_heeded_only_if_configured() {
    let origin = Origin::saying(FRESH);
    let no_cache = get("/a").header("cache-control", "no-cache");
    let only = get("/b").header("cache-control", "only-if-cached");
    let host = start(json!({ "cache": {} })).await;
    ask(&host, &get("/a"), &origin).await;
    assert_eq!(
        (ask(&host, &no_cache, &origin).await.0, ask(&host, &only, &origin).await.0),
        ("HIT".into(), "MISS".into())
    );
    let host = start(json!({ "cache": { "requestDirectives": true } })).await;
    ask(&host, &get("/a"), &origin).await;
    assert_eq!(ask(&host, &no_cache, &origin).await.0, "MISS");
    assert_eq!(only.answered(&host, origin.clone()).await.status().as_u16(), 504);
}
