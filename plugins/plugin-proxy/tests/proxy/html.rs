//! Pages that are made fit for another path.

use axum::{Router, body::Body, extract::Request, routing::any};
use buntime_testing::FakeUpstream;
use http::{HeaderName, Response, StatusCode};
use serde_json::json;

use crate::support::{get, proxy_to, request, send, whole};

const PAGE: &str = r#"<!doctype html><html><head><title>é</title></head><body><img src="/x.png"></body></html>"#;

/// A page that says what it was asked for, as the path wants it.
fn app() -> Router {
    Router::new().fallback(any(|request: Request| async move {
        let encodings = request.headers().get("accept-encoding").map_or("none", |v| v.to_str().unwrap());
        let (kind, encoding) = match request.uri().path() {
            "/app/text" => ("text/plain", None),
            "/app/zip" => ("text/html", Some("gzip")),
            _ => ("Text/HTML; charset=utf-8", None),
        };
        let mut response = Response::builder()
            .header("content-type", kind)
            .header("etag", "\"a\"")
            .header("accept-ranges", "bytes")
            .header("x-encodings", encodings);
        if let Some(encoding) = encoding {
            response = response.header("content-encoding", encoding);
        }
        // In pieces that end anywhere.
        let pieces: Vec<_> = PAGE.as_bytes().chunks(7).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        let body = match request.uri().query() {
            Some("whole") => Body::from(PAGE),
            _ => Body::from_stream(futures_util::stream::iter(pieces)),
        };
        response.body(body).unwrap()
    }))
}

#[tokio::test]
async fn a_page_gets_a_base_and_relative_paths() {
    let upstream = FakeUpstream::start(app()).await;
    let proxy = proxy_to(&upstream.url(), json!({ "base": "/app/", "relativePaths": true })).await;
    let expected = PAGE.replace("<head>", "<head><base href=\"/app/\">").replace("\"/x.png\"", "\"./x.png\"");
    for path in ["/app/page", "/app/page?whole"] {
        let asked = request("GET", path).header("accept-encoding", "gzip, br").body(Body::empty()).unwrap();
        let (status, headers, body) = whole(send(proxy.address(), asked).await).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, expected.as_str()));
        assert_eq!(headers["x-encodings"], "none");
        assert_eq!(headers["etag"], "W/\"a\"");
        for gone in ["content-length", "accept-ranges"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }
    let head = request("HEAD", "/app/page?whole").body(Body::empty()).unwrap();
    let (status, headers, body) = whole(send(proxy.address(), head).await).await;
    assert_eq!((status, body.as_str(), headers.get("content-length")), (StatusCode::OK, "", None));
    proxy.stop().await;
}

#[tokio::test]
async fn what_is_no_plain_page_passes_as_it_is() {
    let upstream = FakeUpstream::start(app()).await;
    let proxy = proxy_to(&upstream.url(), json!({ "base": "/app", "relativePaths": true })).await;
    for path in ["/app/text?whole", "/app/zip?whole"] {
        let (_, headers, body) = get(proxy.address(), path).await;
        assert_eq!(body, PAGE, "{path}");
        assert_eq!(headers["content-length"], PAGE.len().to_string().as_str());
        assert_eq!(headers[HeaderName::from_static("etag")], "\"a\"");
    }
    proxy.stop().await;
}
