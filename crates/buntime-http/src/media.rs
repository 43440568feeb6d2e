//! Content types of bodies, and patterns of them.

use http::{HeaderMap, HeaderName, header};

/// A pattern of content types: `application/json`, `text/*`, `*+json`, `*/*`.
#[derive(Clone, Debug)]
pub struct MediaPattern(Box<str>);

impl MediaPattern {
    /// Reads one; `None` if it is none.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let token = |part: &str| HeaderName::from_bytes(part.as_bytes()).is_ok() && !part.contains('*');
        let fine = match (text.strip_prefix("*+"), text.split_once('/')) {
            (Some(suffix), _) => token(suffix),
            (None, Some((main, sub))) => (main == "*" && sub == "*") || (token(main) && (sub == "*" || token(sub))),
            (None, None) => false,
        };
        fine.then(|| Self(text.into()))
    }

    /// Is it that type? Case does not matter.
    pub fn is_match(&self, kind: &str) -> bool {
        let ends = |text: &str, end: &str| {
            let from = text.len().checked_sub(end.len());
            from.and_then(|from| text.get(from..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        };
        match &*self.0 {
            "*/*" => true,
            pattern if pattern.starts_with("*+") => kind.contains('/') && ends(kind, &pattern[1..]),
            pattern => match pattern.strip_suffix('*') {
                Some(main) => kind.get(..main.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(main)),
                None => pattern.eq_ignore_ascii_case(kind),
            },
        }
    }
}

/// What a message says its body is, without parameters; `None` when it says nothing, says it twice, or says no text.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    let kind = line.to_str().ok()?.split(';').next()?.trim();
    (!kind.is_empty()).then_some(kind)
}

/// Is it JSON?
pub fn is_json(kind: &str) -> bool {
    let sub = kind.split_once('/').map_or("", |(_, sub)| sub);
    let ends =
        sub.len().checked_sub(5).and_then(|from| sub.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case("+json"));
    ends || sub.eq_ignore_ascii_case("json")
}

/// Is the body packed, so that nobody here can read it?
pub fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn patterns_match_types() {
        for (pattern, matching, others) in [
            (
                "application/json",
                &["application/json", "Application/JSON"][..],
                &["application/jsonx", "text/json"][..],
            ),
            ("text/*", &["text/plain", "TEXT/x"], &["texts/plain", "text"]),
            ("*+json", &["application/vnd.x+json", "a/b+JSON"], &["application/json", "+json", "a/xjson"]),
            ("*/*", &["a/b"], &[]),
        ] {
            let read = MediaPattern::new(pattern).unwrap();
            assert!(matching.iter().all(|kind| read.is_match(kind)), "{pattern}");
            assert!(!others.iter().any(|kind| read.is_match(kind)), "{pattern}");
        }
        for wrong in ["", "json", "*/json", "a/b/c", "text/", "/x", "*", "*+", "a/*b", "a b/c", "text/plain; charset=x"]
        {
            assert!(MediaPattern::new(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_type_is_said_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(content_type(&headers), None);
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("Application/Json ; charset=utf-8"));
        assert_eq!(content_type(&headers), Some("Application/Json"));
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert_eq!(content_type(&headers), None);
        assert!(is_json("application/JSON") && is_json("a/problem+Json") && !is_json("text/plain") && !is_json("json"));
    }
}
