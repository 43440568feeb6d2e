//! Where an answer redirects, and what is sent there (RFC 9110, 15.4).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header};

use crate::{
    refused::{Disputed, Refused},
    target::Target,
    url_text,
};

/// What belongs to the connection, or to the client that makes it: never taken from a call.
const CONNECTION: [HeaderName; 12] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What describes the body, and goes when it goes.
const OF_THE_BODY: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::LAST_MODIFIED,
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// All that another origin may see. Any other header may be a credential (`X-Api-Key`, `Api-Key`, one of the
/// operator's own), so that a list of those to drop would never be whole.
const FOR_ANYBODY: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::PRAGMA,
    header::USER_AGENT,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

pub(super) fn without_connection(mut headers: HeaderMap) -> HeaderMap {
    for name in &CONNECTION {
        headers.remove(name);
    }
    headers
}

/// The URL an answer redirects to, as text that is still to be judged. `None`: it is no redirect.
pub(super) fn location<B>(response: &Response<B>, from: &Target) -> Result<Option<String>, Refused> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let mut values = response.headers().get_all(header::LOCATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::Unreadable("there is more than one `Location`"));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| Refused::Unreadable("`Location` is no text"))?;
    resolve(text, from).map(Some)
}

/// A reference against the URL it was found at (RFC 3986, 5.2).
fn resolve(text: &str, from: &Target) -> Result<String, Refused> {
    let before_path = text.find(['/', '?', '#']).unwrap_or(text.len());
    // A colon before the path makes a scheme; without one, `//` begins an authority. Both are judged as written.
    if text[..before_path].contains(':') {
        return Ok(text.to_owned());
    }
    if text.starts_with("//") {
        return Ok(format!("{}:{text}", from.url.scheme()));
    }
    if text.chars().any(|c| c == '\\' || c.is_control() || c.is_whitespace()) {
        return Err(Refused::Unreadable("`Location` has a backslash, white space or a control character"));
    }
    let joined = from.url.join(text).map_err(|_| Refused::Unreadable("`Location` is no reference"))?;
    // What has no authority of its own cannot leave the origin.
    let stays = url_text::read(joined.as_str()).is_ok_and(|target| target.same_origin(from));
    if stays { Ok(joined.into()) } else { Err(Refused::Disputed(Disputed::Host)) }
}

/// What of a request is sent again.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Sent {
    /// Changes the request as the status says: a POST becomes a GET after 301 and 302, anything but HEAD after 303.
    pub(super) fn after(&mut self, status: StatusCode) {
        let becomes_get = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::SEE_OTHER => self.method != Method::HEAD && self.method != Method::GET,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
        }
        if becomes_get || status == StatusCode::SEE_OTHER {
            self.body = Bytes::new();
            for name in &OF_THE_BODY {
                self.headers.remove(name);
            }
        }
    }

    /// Drops all that only the origin it was meant for may see.
    pub(super) fn for_anybody(&mut self) {
        let mut kept = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            if FOR_ANYBODY.contains(name) {
                kept.append(name.clone(), value.clone());
            }
        }
        self.headers = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let from = url_text::read("https://a.example/b/c?d").unwrap();
        for (text, to) in [
            ("https://b.example/", "https://b.example/"),
            ("//b.example/x", "https://b.example/x"),
            ("/x", "https://a.example/x"),
            ("x", "https://a.example/b/x"),
            ("../x?y", "https://a.example/x?y"),
            ("?q", "https://a.example/b/c?q"),
            ("", "https://a.example/b/c?d"),
            ("/x:y@z", "https://a.example/x:y@z"),
            ("./x:y", "https://a.example/b/x:y"),
        ] {
            assert_eq!(resolve(text, &from).unwrap(), to, "{text}");
        }
    }

    #[test]
    fn references_that_lead_elsewhere_to_somebody() {
        let from = url_text::read("https://a.example/b").unwrap();
        for text in [
            "/\\evil.example/",
            "\\\\evil.example/",
            "///evil.example/",
            "https:evil.example",
            "https:/evil.example",
            "http:\\\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "//evil.example\\@a",
            "x:y",
            "//user@evil.example/",
            "/ /evil.example",
        ] {
            let read = resolve(text, &from).and_then(|text| url_text::read(&text));
            assert!(read.is_err(), "{text}: {read:?}");
        }
    }

    #[test]
    fn methods_and_headers() {
        let sent = |method: Method| {
            let mut headers = HeaderMap::new();
            for name in [header::CONTENT_TYPE, header::ACCEPT, header::AUTHORIZATION, header::COOKIE] {
                headers.insert(name, http::HeaderValue::from_static("x"));
            }
            headers.insert("x-api-key", http::HeaderValue::from_static("x"));
            Sent { method, headers, body: Bytes::from_static(b"body") }
        };
        for (status, before, after, keeps) in [
            (301, Method::POST, Method::GET, false),
            (302, Method::POST, Method::GET, false),
            (301, Method::PUT, Method::PUT, true),
            (303, Method::POST, Method::GET, false),
            (303, Method::PUT, Method::GET, false),
            (303, Method::HEAD, Method::HEAD, false),
            (307, Method::POST, Method::POST, true),
            (308, Method::DELETE, Method::DELETE, true),
        ] {
            let mut sent = sent(before.clone());
            sent.after(StatusCode::from_u16(status).unwrap());
            assert_eq!(sent.method, after, "{status} {before}");
            assert_eq!(!sent.body.is_empty(), keeps, "{status} {before}");
            assert_eq!(sent.headers.contains_key(header::CONTENT_TYPE), keeps, "{status} {before}");
            assert!(sent.headers.contains_key("x-api-key"));
        }
        let mut sent = sent(Method::GET);
        sent.for_anybody();
        let mut left: Vec<&str> = sent.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "content-type"]);
    }
}
