//! Who may administer, and what browsers may be made to do.

use reqwest::Method;
use serde_json::json;

use crate::fixture::{Gateway, Setup};

async fn with_token() -> Gateway {
    Setup::new(&json!({ "plugins": ["metrics"] })).env("BUNTIME_ADMIN_TOKEN", "correct horse").start().await
}

#[tokio::test]
async fn the_token_opens_in_either_header_and_nothing_else_does() {
    let gateway = with_token().await;
    let refused = gateway.get("/api/plugins").await.expect(401);
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    for path in ["/api/plugins", "/api/config", "/api/openapi.json", "/api/routes", "/api/nope"] {
        gateway.get(path).await.expect(401);
    }
    let bearer = |token: &str| gateway.request(Method::GET, "/api/plugins").bearer_auth(token);
    gateway.send(bearer("correct horse")).await.expect(200);
    gateway.send(gateway.request(Method::GET, "/api/plugins").header("x-api-key", "correct horse")).await.expect(200);
    for wrong in ["", "correct", "correct horse ", "Correct horse", "correct horse battery"] {
        let answer = gateway.send(bearer(wrong)).await;
        // Space around it is no part of a token in a header.
        assert_eq!(answer.status.as_u16(), if wrong.trim() == "correct horse" { 200 } else { 401 }, "{wrong:?}");
    }
    gateway.get("/api/docs").await.expect(200);
    let config =
        gateway.send(gateway.request(Method::GET, "/api/config").bearer_auth("correct horse")).await.expect(200);
    assert!(!config.text.contains("correct horse"), "{}", config.text);
    assert_eq!(config.json()["admin"]["token"], "***");
    gateway.stop().await;
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let gateway = with_token().await;
    let guess = || gateway.request(Method::GET, "/api/plugins").bearer_auth("guess");
    for _ in 0..10 {
        gateway.send(guess()).await.expect(401);
    }
    let refused = gateway.send(guess()).await.expect(429);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    gateway.get("/p/metrics/api/stats").await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_session_stands_in_for_the_token() {
    let gateway = with_token().await;
    gateway.call(Method::POST, "/api/session", json!({ "token": "wrong" })).await.expect(401);
    gateway.call(Method::POST, "/api/session", json!({ "token": "correct horse", "x": 1 })).await.expect(400);
    let opened = gateway.call(Method::POST, "/api/session", json!({ "token": "correct horse" })).await.expect(200);
    let cookie = opened.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Max-Age=43200", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "plain http: {cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |method: Method, path: &str| gateway.request(method, path).header("cookie", &cookie);
    gateway.send(with(Method::GET, "/api/plugins")).await.expect(200);
    gateway.send(gateway.request(Method::GET, "/api/plugins").header("cookie", "buntime_session=0")).await.expect(401);
    // A browser's request: only from a page of this server.
    gateway.send(with(Method::POST, "/api/plugins/metrics/restart")).await.expect(403);
    let own = with(Method::POST, "/api/plugins/metrics/restart").header("origin", &gateway.url);
    gateway.send(own).await.expect(200);
    let ended = with(Method::DELETE, "/api/session").header("sec-fetch-site", "same-origin");
    gateway.send(ended).await.expect(204);
    gateway.send(with(Method::GET, "/api/plugins")).await.expect(401);
    gateway.stop().await;
}

#[tokio::test]
async fn the_sign_in_form_leads_back() {
    let gateway = with_token().await;
    let form = |token: &str, target: &str| {
        let body = format!("token={}&return={target}", token.replace(' ', "+"));
        let request = gateway.request(Method::POST, "/api/session").header("origin", &gateway.url);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let inside = gateway.send(form("correct horse", "%2Fp%2Fmetrics%2F")).await.expect(303);
    assert_eq!(inside.header("location"), "/p/metrics/");
    assert!(inside.header("set-cookie").starts_with("buntime_session="));
    let elsewhere = gateway.send(form("correct horse", "%2F%2Fevil.example")).await.expect(303);
    assert_eq!(elsewhere.header("location"), "/");
    let again = gateway.send(form("wrong", "%2Fx%22%3E")).await.expect(401);
    assert!(
        again.text.contains("not the admin token") && again.text.contains("value=\"/x&quot;&gt;\""),
        "{}",
        again.text
    );
    gateway.stop().await;
}

#[tokio::test]
async fn whoever_asks_is_told_whether_they_may_administer() {
    let gateway = with_token().await;
    let ask = || gateway.request(Method::GET, "/api/session");
    let nobody = gateway.send(ask()).await.expect(200).json();
    assert_eq!(nobody, json!({ "signedIn": false, "administers": false }));
    let token = gateway.send(ask().bearer_auth("correct horse")).await.expect(200).json();
    assert_eq!(token, json!({ "signedIn": false, "administers": true }));
    let page = gateway.request(Method::GET, "/api/session?return=%2F%2Fevil.example").header("accept", "text/html");
    let page = gateway.send(page).await.expect(200);
    assert!(page.text.contains("name=\"return\" value=\"/\"") && !page.text.contains("evil"), "{}", page.text);
    // The plugins' page is an administrator's; its files are everybody's.
    gateway.get("/p/").await.expect(401);
    let style =
        page.text.split("href=\"").find(|rest| rest.starts_with("/api/ui/") && rest.contains("ui.css")).unwrap();
    let style = gateway.get(style.split('"').next().unwrap()).await.expect(200);
    assert!(style.header("cache-control").contains("immutable"));
    gateway.stop().await;
}

#[tokio::test]
async fn other_sites_cannot_make_browsers_change_things() {
    let gateway = with_token().await;
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let request = gateway.request(Method::POST, "/api/plugins/metrics/restart").bearer_auth("correct horse");
        gateway.send(request.header(name, value)).await.expect(403);
        let request = gateway.request(Method::POST, "/p/metrics/api/stats").header(name, value);
        gateway.send(request).await.expect(403);
        let read = gateway.request(Method::GET, "/api/plugins").bearer_auth("correct horse").header(name, value);
        gateway.send(read).await.expect(200);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn without_a_token_this_machine_alone_may() {
    let gateway = Setup::new(&json!({ "plugins": ["metrics"], "admin": { "token": "" } })).start().await;
    gateway.get("/api/plugins").await.expect(200);
    let with = |name: &str, value: &str| gateway.request(Method::GET, "/api/plugins").header(name, value);
    gateway.send(with("host", "localhost")).await.expect(200);
    for (name, value) in [
        ("host", "gateway.example"),
        ("host", "rebound.example:80"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 proxy"),
    ] {
        gateway.send(with(name, value)).await.expect(403);
    }
    gateway.call(Method::POST, "/api/session", json!({ "token": "" })).await.expect(403);
    gateway.stop().await;
}
