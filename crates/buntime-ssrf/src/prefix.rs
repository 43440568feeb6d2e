//! URL prefixes, compared by their parts: `https://a.example/in` is not a prefix of `https://a.example/inner` nor of
//! `https://a.example.net/in`.

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    settings::{BadEntry, possible},
    target::Target,
    url_text,
};

/// A URL and everything below its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline, extend("format" = "outbound-url"))]
pub struct UrlPrefix {
    target: Target,
    /// As written, for who reads the settings again.
    text: String,
    names_port: bool,
    segments: Vec<Vec<u8>>,
}

impl UrlPrefix {
    /// Scheme, host and port are the same, and the path begins with the prefix's segments, both without dot segments. A
    /// path that some servers would read as another one (an encoded slash, say) is below `/` only.
    pub(crate) fn matches(&self, target: &Target) -> bool {
        self.target.same_origin(target)
            && (self.segments.is_empty() || segments(target).is_some_and(|path| path.starts_with(&self.segments)))
    }

    /// Does it name a port, so that it vouches for that too?
    pub(crate) fn names_port(&self) -> bool {
        self.names_port
    }
}

impl TryFrom<String> for UrlPrefix {
    type Error = BadEntry;

    fn try_from(text: String) -> Result<Self, BadEntry> {
        let target =
            url_text::read(&text).map_err(|refused| BadEntry::new(&text, format_args!("is no URL: {refused}")))?;
        possible(&text, &target)?;
        if text.contains(['?', '#']) {
            return Err(BadEntry::new(&text, "has a query or a fragment; a prefix ends with its path"));
        }
        let mut segments = segments(&target)
            .ok_or_else(|| BadEntry::new(&text, "has a path that servers read differently; write plain segments"))?;
        // `/in/` and `/in` begin the same paths.
        if segments.last().is_some_and(Vec::is_empty) {
            segments.pop();
        }
        let names_port = target.url.port().is_some();
        Ok(Self { target, text, names_port, segments })
    }
}

impl From<UrlPrefix> for String {
    fn from(prefix: UrlPrefix) -> Self {
        prefix.text
    }
}

/// The path's segments, decoded. `None`: one of them could be read as several, or as a step up.
fn segments(target: &Target) -> Option<Vec<Vec<u8>>> {
    let path = target.url.path_segments()?;
    path.map(|segment| {
        let decoded: Vec<u8> = percent_decode_str(segment).collect();
        let odd = decoded.starts_with(b"..") || decoded.iter().any(|c| matches!(c, b'/' | b'\\' | b'%' | 0));
        (!odd).then_some(decoded)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_compared_by_parts() {
        let matches = |prefix: &str, url: &str| {
            UrlPrefix::try_from(prefix.to_owned()).unwrap().matches(&url_text::read(url).unwrap())
        };
        for url in [
            "http://a.internal/in",
            "http://a.internal:80/in/",
            "http://A.INTERNAL./in/x?y#z",
            "http://a.internal/./x/../in/y",
            "http://a.internal/%69n/x",
            "http://a.internal/in/a%20b",
        ] {
            assert!(matches("http://a.internal/in", url) && matches("http://a.internal/in/", url), "{url}");
            assert!(matches("http://a.internal", url), "{url}");
        }
        for url in [
            "https://a.internal/in",
            "http://a.internal:81/in",
            "http://b.a.internal/in",
            "http://a.internal.evil.example/in",
            "http://a.internal/inner",
            "http://a.internal/",
            "http://a.internal/IN",
            "http://a.internal/in/../x",
            "http://a.internal/in/%2e%2e/x",
            "http://a.internal/in/.%2E/x",
            "http://a.internal/in/..%2fx",
            "http://a.internal/in/..%5cx",
            "http://a.internal/in/%252e%252e/x",
            "http://a.internal/in/..;/x",
            "http://a.internal/in%2fx",
            "http://a.internal//in",
            "http://a.internal/?/in",
        ] {
            assert!(!matches("http://a.internal/in", url), "{url}");
        }
        assert!(matches("http://a.internal/", "http://a.internal/x%2fy"));
    }
}
