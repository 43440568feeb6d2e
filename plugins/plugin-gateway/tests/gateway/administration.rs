//! The REST API.

use serde_json::{Value, json};

use crate::common::{api, get, json as read, start};

async fn ask(host: &buntime_core::Host, path: &str) -> Value {
    read(api(host, "GET", path).await).await
}

#[tokio::test]
async fn buckets_are_listed_by_prefix_and_reset() {
    let host = start(json!({ "rateLimit": [
        { "name": "a", "requests": 2, "window": "1h" },
        { "name": "b", "requests": 50, "window": "1h", "keyBy": "header:authorization" },
    ] }))
    .await;
    for last in 1..=9 {
        let asked = get("/").ip(&format!("192.0.2.{last}")).header("authorization", "Bearer very-secret");
        assert_eq!(asked.passes(&host, 3).await, 2);
    }
    let v6 = get("/").ip("2001:db8::1");
    assert_eq!(v6.passes(&host, 5).await, 2);
    let all = ask(&host, "/rate-limit/buckets?limit=1000").await;
    assert!(!all.to_string().contains("secret"), "{all:#}");
    let of_a = ask(&host, "/rate-limit/buckets?name=a&prefix=ip:192.0.2.&limit=5").await;
    assert_eq!(of_a.as_array().unwrap().len(), 5);
    assert_eq!(
        (&of_a[0]["tokens"], &of_a[0]["limited"], &of_a[0]["scope"]),
        (&json!(0), &json!(true), &json!("gateway"))
    );
    let reset = read(api(&host, "DELETE", "/rate-limit/buckets/ip:2001:db8::%2F64?name=a").await).await;
    assert_eq!(reset, json!({ "deleted": true, "key": "ip:2001:db8::/64" }));
    assert_eq!(v6.passes(&host, 5).await, 2);
    let nobody = read(api(&host, "DELETE", "/rate-limit/buckets/ip:198.51.100.1").await).await;
    assert_eq!(nobody["deleted"], false);
    let cleared = read(api(&host, "POST", "/rate-limit/clear?name=a").await).await;
    assert_eq!(cleared, json!({ "cleared": 10 }));
    assert_eq!(get("/").ip("192.0.2.1").passes(&host, 3).await, 2);
    for (path, status) in [
        ("/rate-limit/buckets?limit=0", 400),
        ("/rate-limit/buckets?nonsense=1", 400),
        ("/rate-limit/buckets?name=nobody", 404),
        ("/logs?limit=x", 400),
        ("/logs?limit=2001", 400),
        ("/logs?statusRange=6", 400),
        ("/metrics/history?limit=0", 400),
        ("/shell/excludes", 400),
    ] {
        assert_eq!(api(&host, "GET", path).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn figures_and_the_last_refusals() {
    let host = start(json!({ "rateLimit": { "requests": 2, "window": "1h" }, "cors": { "origin": "*" } })).await;
    let long = format!("/x{}", "é".repeat(500));
    let long = http::Uri::builder().path_and_query(long.replace('é', "%C3%A9")).build().unwrap().to_string();
    assert_eq!(get(&long).passes(&host, 1_500).await, 2);
    assert_eq!(get("/y").ip("192.0.2.8").passes(&host, 3).await, 2);
    let stats = ask(&host, "/stats").await;
    let metrics = &stats["rateLimit"]["metrics"];
    assert_eq!((&metrics["totalRequests"], &metrics["blockedRequests"]), (&json!(1_503), &json!(1_499)));
    assert_eq!((&metrics["activeBuckets"], &stats["cors"]["enabled"]), (&json!(2), &json!(true)));
    assert_eq!(ask(&host, "/rate-limit/metrics").await["limits"][0]["keyBy"], "ip");
    let logs = ask(&host, "/logs?limit=2000&rateLimited=true").await;
    assert_eq!(logs.as_array().unwrap().len(), 1_000, "bounded");
    assert_eq!((&logs[0]["ip"], &logs[0]["rateLimited"]), (&json!("192.0.2.8"), &json!(true)));
    assert_eq!((&logs[0]["status"], &logs[0]["limit"]), (&json!(429), &json!("default")));
    let of_one = ask(&host, "/logs?ip=192.0.2.8").await;
    let statuses: Vec<_> = of_one.as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [429, 200, 200]);
    assert!(of_one[1]["duration"].is_number() && of_one[1]["limit"].is_null(), "{of_one:#}");
    assert_eq!(ask(&host, "/logs?statusRange=2xx&path=/y").await.as_array().unwrap().len(), 2);
    assert_eq!(ask(&host, "/logs?statusRange=200-428").await.as_array().unwrap().len(), 4);
    let stats = ask(&host, "/logs/stats").await;
    assert_eq!((&stats["total"], &stats["rateLimited"]), (&json!(1_503), &json!(1_499)));
    assert_eq!(stats["byStatus"], json!({ "2xx": 4, "4xx": 1_499 }));
    assert!(stats["avgDuration"].is_number(), "{stats}");
    assert_eq!(read(api(&host, "DELETE", "/logs").await).await["cleared"], 1_004);
    assert_eq!(ask(&host, "/logs").await, json!([]));
}

#[tokio::test]
async fn the_configuration_is_shown_without_secrets() {
    let host = start(json!({ "redis": { "url": "redis://:very-secret@127.0.0.1:1" } })).await;
    let config = ask(&host, "/config").await;
    assert_eq!(config["redis"]["url"], "***");
    let none = api(&host, "GET", "/rate-limit/buckets").await;
    assert_eq!(none.status(), 400);
    assert_eq!(read(none).await["error"], "Rate limiting not enabled");
}

#[tokio::test]
async fn the_live_stream_says_how_things_stand() {
    use futures_util::StreamExt;
    let host = start(json!({ "rateLimit": { "requests": 1, "window": "1h" } })).await;
    assert_eq!(get("/").passes(&host, 2).await, 1);
    let live = api(&host, "GET", "/sse").await;
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let mut body = live.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    let said: Value = serde_json::from_str(text.trim().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(said["rateLimit"]["metrics"]["blockedRequests"], 1);
    assert_eq!(said["recentLogs"][0]["limit"], "default");
    host.drain();
    assert!(body.next().await.is_none(), "it ends when the host drains");
}

#[tokio::test]
async fn bytes_that_are_no_text_and_bodies_without_end_are_told() {
    use axum::body::Body;
    use http::{HeaderValue, Request};
    use tower::ServiceExt;

    let settings = json!({
        "rateLimit": { "requests": 2, "window": "1h", "keyBy": ["header:x-caller", "cookie:id"] },
        "cache": {}, "shellTarget": "http://127.0.0.1:9",
    });
    let host = start(settings).await;
    // They are keys as others are, each of its own.
    for bytes in [&[0xff_u8, 0xfe][..], &[0xff, 0xfd], &[0xc3, 0x28]] {
        for expect in [200, 200, 429] {
            let value = HeaderValue::from_bytes(bytes).unwrap();
            let request = Request::get("/x/y").header("x-caller", value).body(Body::empty()).unwrap();
            let meta = buntime_core::Meta::new(HeaderValue::from_static("id"));
            let fine = buntime_core::handler_fn::<buntime_core::Http, _>(|_| {
                buntime_core::Step::ready(http::Response::new(Body::empty()).into())
            });
            let chain = host.live().chain().clone();
            assert_eq!(chain.respond(meta, request, std::sync::Arc::new(fine)).await.status(), expect, "{bytes:?}");
        }
    }
    assert_eq!(ask(&host, "/rate-limit/buckets").await.as_array().unwrap().len(), 3);
    assert_eq!(ask(&host, "/logs?rateLimited=true").await.as_array().unwrap().len(), 3);
    let deep = format!("{}1{}", "{\"key\":".repeat(10_000), "}".repeat(10_000));
    for path in ["/cache/invalidate", "/shell/excludes"] {
        for body in [b"{\"key\":\"\xff\"}".to_vec(), deep.clone().into_bytes(), b"{".to_vec()] {
            let request = Request::post(format!("/p/gateway/api{path}")).body(Body::from(body)).unwrap();
            assert_eq!(host.admin_router().oneshot(request).await.unwrap().status(), 400, "{path}");
        }
    }
    for path in ["/rate-limit/buckets?prefix=%FF", "/logs?path=%ff", "/rate-limit/buckets?name=%ff"] {
        assert!(api(&host, "GET", path).await.status().as_u16() < 500, "{path}");
    }
}
