//! The plain error answer of this crate: `application/problem+json` without a request id, for who has nothing better.

use axum::body::Body;
use buntime_core::Error;
use http::{HeaderValue, Response, header};

/// An error as RFC 9457 wants it, with the members every error of this system has but the request id, which this
/// crate does not know.
pub fn plain_problem(error: &Error) -> Response<Body> {
    let status = error.status();
    let text = format!(
        r#"{{"type":"about:blank","title":{title},"status":{status},"detail":{detail},"code":{code},"error":{detail}}}"#,
        title = quoted(error.kind().title()),
        status = status.as_u16(),
        detail = quoted(error.detail()),
        code = quoted(error.code()),
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    for (name, value) in error.headers() {
        response.headers_mut().append(name, value.clone());
    }
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// A JSON string.
fn quoted(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\u000ad""#);
    }
}
