//! What is sent: escaped, under the policy, with files that may be kept.

use axum::body::Body;
use buntime_ui::{File, Link, Nav, Page, Runtime, Shell, page::POLICY};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use maud::html;
use tower::ServiceExt;

fn shell() -> Shell {
    Shell::new("/p/orders", &[File::new("orders.js", "import './kit.js'")])
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn version(page: &str) -> String {
    page.split("/ui/").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

async fn file(path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().uri(path);
    if let Some(tag) = known {
        request = request.header("if-none-match", tag);
    }
    shell().assets().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn everything_is_escaped_and_nothing_is_inline() {
    let evil = "\"><script>alert(1)</script>";
    let nav = Nav { links: vec![Link::new(evil, evil)], session: Some("/api/session".to_owned()) };
    let page = Page::new(evil, "/p/orders/", html! { p { (evil) } }).with_module("orders.js");
    let response = shell().page(&nav, &page);
    assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let text = text(response).await;
    assert!(!text.contains("<script>") && !text.contains(" style=") && !text.contains("<style"), "{text}");
    assert!(text.contains("&quot;&gt;&lt;script&gt;"), "{text}");
    for inline in ["unsafe-inline", "unsafe-eval", "data:", "*"] {
        assert!(!POLICY.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn where_one_is_is_marked_and_without_a_runtime_nobody_signs_in() {
    let runtime = Runtime { first: vec![Link::new("Overview", "/")], ..Runtime::default() };
    let page = Page::new("Overview", "/", html! {});
    let shown = text(shell().page(&Nav::of(Some(&runtime), &[]), &page)).await;
    assert!(
        shown.contains("<a href=\"/\" aria-current=\"page\">Overview</a>") && !shown.contains("sign-out"),
        "{shown}"
    );
    let alone = text(shell().page(&Nav::of(None, &[]), &page)).await;
    assert!(!alone.contains("aria-current"), "{alone}");
}

#[tokio::test]
async fn files_may_be_kept_for_as_long_as_they_are_the_same() {
    let version = version(&text(shell().page(&Nav::default(), &Page::new("x", "/", html! {}))).await);
    let own = file(&format!("/ui/{version}/orders.js"), None).await;
    assert_eq!(own.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(own.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
    let tag = own.headers()[header::ETAG].to_str().unwrap().to_owned();
    let again = file(&format!("/ui/{version}/orders.js"), Some(&format!("\"x\", W/{tag}"))).await;
    assert_eq!((again.status(), text(again).await.len()), (StatusCode::NOT_MODIFIED, 0));
    // Another node's page, during a change of versions.
    let other = file("/ui/0000/ui.css", None).await;
    assert_eq!(
        (other.status(), &other.headers()[header::CACHE_CONTROL]),
        (StatusCode::OK, &"no-cache".parse().unwrap())
    );
    for missing in ["secret.js", "..%2F..%2FCargo.toml"] {
        assert_eq!(file(&format!("/ui/{version}/{missing}"), None).await.status(), StatusCode::NOT_FOUND, "{missing}");
    }
    let changed = Shell::new("/p/orders", &[File::new("orders.js", "import './kit.js' // changed")]);
    let page = text(changed.page(&Nav::default(), &Page::new("x", "/", html! {}))).await;
    assert!(!page.contains(&version), "another content has another address");
}
