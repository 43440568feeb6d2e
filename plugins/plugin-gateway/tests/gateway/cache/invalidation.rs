//! What is no longer to be served.

use super::*;

#[tokio::test]
async fn what_changes_something_takes_away_what_is_stored_of_it() {
    let (clock, origin) = (Clock::fake(), Origin::saying(FRESH));
    let host = start_at(json!({ "cache": {} }), &clock).await;
    let tick = || clock.advance(Duration::from_millis(1));
    for (status, answered, hit) in [(500, "", true), (200, "", false), (303, "", false), (201, "/a", false)] {
        ask(&host, &get("/a"), &origin).await;
        tick();
        let path = if answered.is_empty() { "/a" } else { "/elsewhere" };
        let changed = Origin::new(move |call, _, _| {
            let mut response = said(&[("content-location", answered)], call);
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Ok(response)
        });
        ask(&host, &get(path).method("POST"), &changed).await;
        tick();
        assert_eq!(ask(&host, &get("/a"), &origin).await.0 == "HIT", hit, "{status}");
    }
}

#[tokio::test]
async fn what_was_asked_for_before_it_was_invalidated_is_not_stored() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (clock, origin) = (Clock::fake(), Origin::saying(FRESH).gated(&gate));
    let host = start_at(json!({ "cache": {} }), &clock).await;
    for invalidate in [true, false] {
        let slow = tokio::spawn({
            let (host, origin) = (host.clone(), origin.clone());
            async move { ask(&host, &get("/a"), &origin).await }
        });
        let before = origin.calls();
        eventually("it is asked", || async { origin.calls() > before }).await;
        clock.advance(seconds(1));
        if invalidate {
            ask(&host, &get("/a").method("DELETE"), &Origin::saying(&[])).await;
        } else {
            post(&host, &json!({ "prefix": "/nothing" })).await;
        }
        gate.add_permits(1);
        assert_eq!(slow.await.unwrap().0, "MISS");
        assert_eq!(entries(&host).await, 0);
    }
}

pub(super) async fn post(host: &Host, what: &Value) -> Value {
    use tower::ServiceExt;
    let request = http::Request::builder().method("POST").uri("/p/gateway/api/cache/invalidate");
    let request = request.header("content-type", "application/json").body(Body::from(what.to_string())).unwrap();
    read(host.admin_router().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn an_operator_takes_away_by_key_prefix_pattern_and_tag() {
    let origin = Origin::new(|call, _, asked| {
        let tag = asked.get("x-tag").map_or("none", |tag| tag.to_str().unwrap()).to_owned();
        let mut response = said(FRESH, call);
        response.headers_mut().insert("cache-tag", format!("all, {tag}").parse().unwrap());
        Ok(response)
    });
    let clock = Clock::fake();
    let host = start_at(json!({ "cache": { "tags": ["site"] } }), &clock).await;
    for (what, left) in [
        (json!({ "key": "/a/1" }), 3),
        (json!({ "prefix": "/a/" }), 2),
        (json!({ "prefix": "example.com/b" }), 2),
        (json!({ "pattern": "/*/1" }), 2),
        (json!({ "tag": "red" }), 3),
        (json!({ "tag": "all" }), 0),
        (json!({ "tag": "site" }), 0),
        (json!({ "key": "/a" }), 4),
        (json!({}), 0),
    ] {
        for (path, tag) in [("/a/1", "red"), ("/a/2", "blue"), ("/b/1", "blue"), ("/b/2", "blue")] {
            ask(&host, &get(path).header("x-tag", tag), &origin).await;
        }
        assert_eq!(entries(&host).await, 4);
        clock.advance(seconds(1));
        let said = post(&host, &what).await;
        let expected = if what == json!({}) { json!("all") } else { json!(4 - left) };
        assert_eq!((&said["invalidated"], entries(&host).await), (&expected, left), "{what}");
        clock.advance(seconds(1));
    }
    let figures = read(api(&host, "GET", "/stats").await).await;
    assert!(figures["cache"]["stored"].as_u64().unwrap() >= 4, "{figures:#}");
    assert_eq!(post(&host, &json!({ "patern": "/" })).await["code"], "malformed_request");
    let off = start(json!({})).await;
    let said = post(&off, &json!({})).await;
    assert_eq!(said["error"], "Cache not enabled", "{said}");
}
