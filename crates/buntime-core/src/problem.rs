//! The one place that turns an error into an HTTP answer: `application/problem+json` (RFC 9457).

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, header};
use serde_json::json;

use crate::error::Error;

/// The header that carries the request id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One thing that is wrong with a request, as the answer lists it in `errors`. Like all words for clients it says nothing
/// internal, and no value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// The part of the request: `body`, `query`, `header`, `cookie`.
    #[serde(rename = "in")]
    pub part: &'static str,
    /// Where in it: a JSON Pointer into the body, the name of a parameter or header; empty for the whole.
    pub at: String,
    /// What is wrong.
    pub detail: String,
}

/// The answer to an error. Says nothing but the words meant for clients.
pub fn response(error: &Error, request_id: Option<&HeaderValue>) -> Response {
    let status = error.status();
    let mut body = json!({
        "type": "about:blank",
        "title": error.kind().title(),
        "status": status.as_u16(),
        "detail": error.detail(),
        "code": error.code(),
        "error": error.detail(),
    });
    if let Some(plugin) = error.plugin() {
        body["plugin"] = json!(&**plugin);
    }
    if let Some(id) = request_id.and_then(|id| id.to_str().ok()) {
        body["request_id"] = json!(id);
    }
    if !error.attempts().is_empty() {
        let attempts = error.attempts().iter();
        body["attempts"] =
            attempts.map(|a| json!({ "target": &*a.target, "code": a.code, "detail": a.detail })).collect();
    }
    if !error.violations().is_empty() {
        body["errors"] = json!(error.violations());
    }
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(id) = request_id {
        headers.insert(X_REQUEST_ID, id.clone());
    }
    for (name, value) in error.headers() {
        headers.append(name.clone(), value.clone());
    }
    // Clients that are told to come back need to know when.
    if status.as_u16() == 503 && !headers.contains_key(header::RETRY_AFTER) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status.as_u16() == 401 && !headers.contains_key(header::WWW_AUTHENTICATE) {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

impl IntoResponse for Error {
    /// For plugins' own routes. The runner adds the request id.
    fn into_response(self) -> Response {
        response(&self, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn nothing_internal_is_answered() {
        let error = Error::internal(std::io::Error::other("/etc/secret at 10.0.0.1"))
            .with_internal("SELECT 1")
            .with_header(header::RETRY_AFTER, HeaderValue::from(7));
        let id = HeaderValue::from_static("abc");
        let response = response(&error, Some(&id));
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            r#"{"type":"about:blank","title":"Internal error","status":500,"detail":"Internal error","code":"internal_error","error":"Internal error","request_id":"abc"}"#
        );
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_request_is_listed() {
        let wrong = Violation { part: "body", at: "/a/0".into(), detail: "it is no number".into() };
        let error = Error::new(ErrorKind::Malformed).with_violations(vec![wrong]);
        let body = axum::body::to_bytes(response(&error, None).into_body(), 4096).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"], json!([{ "in": "body", "at": "/a/0", "detail": "it is no number" }]));
    }

    #[test]
    fn a_503_says_when_and_a_401_says_how() {
        let busy = response(&Error::new(ErrorKind::OverCapacity), None);
        assert_eq!(busy.headers()[header::RETRY_AFTER], "1");
        let who = response(&Error::new(ErrorKind::Unauthorized), None);
        assert_eq!(who.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
