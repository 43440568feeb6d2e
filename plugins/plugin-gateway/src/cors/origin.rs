//! Origins as they are written in settings, and as browsers send them.

use buntime_router::path_pattern::linear_regex;
use regex::Regex;
use url::Url;

/// Which origins are meant.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// All, `null` too.
    Any,
    /// That one, as browsers write it.
    Exact(String),
    /// Every subdomain of a domain, however deep; not the domain itself.
    Below {
        /// `https://`.
        scheme: String,
        /// `.example.org`, with the port if it is not the scheme's own.
        suffix: String,
    },
    /// Those that match as a whole.
    Regex(Regex),
}

impl Pattern {
    /// Reads one; an error says in one sentence why it is none.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.starts_with(['^', '(']) {
            // Anchored whatever it says: `^https://example.com` must not match `https://example.com.evil.net`.
            linear_regex(text).map_err(|error| error.to_string())?;
            return linear_regex(&format!("^(?:{text})$")).map(Self::Regex).map_err(|error| error.to_string());
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        if let Some(domain) = rest.strip_prefix("*.") {
            let of_web = |scheme: &str| scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
            let written = exact(&format!("{scheme}://{domain}")).filter(|_| of_web(scheme));
            let Some((scheme, host)) = written.as_deref().and_then(|origin| origin.split_once("://")) else {
                return Err(format!("`{text}` names no domain"));
            };
            return Ok(Self::Below { scheme: format!("{scheme}://"), suffix: format!(".{host}") });
        }
        if text == "null" {
            return Err("`null` is the origin of any sandboxed page, whoever wrote it".to_owned());
        }
        if !text.contains("://") {
            return Err(format!("`{text}` is no origin: it has no scheme"));
        }
        exact(text)
            .map(Self::Exact)
            .ok_or_else(|| format!("`{text}` is no origin: scheme, host and port, nothing more"))
    }

    /// Is that origin meant?
    pub(crate) fn is_match(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == origin,
            Self::Below { scheme, suffix } => {
                origin.strip_prefix(scheme.as_str()).and_then(|host| host.strip_suffix(suffix.as_str())).is_some_and(
                    |sub| !sub.is_empty() && sub.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
                )
            }
            Self::Regex(regex) => regex.is_match(origin),
        }
    }
}

/// An origin as browsers write it: lower case, without the scheme's own port.
fn exact(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    if rest.is_empty() || rest.contains(['/', '?', '#', '@', '*', '\\']) || !text.is_ascii() {
        return None;
    }
    let url = Url::parse(text).ok()?;
    if url.origin().is_tuple() {
        return Some(url.origin().ascii_serialization());
    }
    // Schemes of extensions and apps: as they are.
    let sane = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
    sane.then(|| format!("{}://{rest}", scheme.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, yes, no) in [
            ("*", vec!["https://a.b", "null"], vec![]),
            (
                "https://App.example.com:443",
                vec!["https://app.example.com"],
                vec![
                    "http://app.example.com",
                    "https://app.example.com.evil.net",
                    "https://app.example.com:8443",
                    "null",
                ],
            ),
            (
                "*.example.org",
                vec!["https://a.example.org", "https://a.b.example.org"],
                vec![
                    "https://example.org",
                    "http://a.example.org",
                    "https://a.example.org:8443",
                    "https://evilexample.org",
                    "https://evil.net/.example.org",
                    "https://a.example.org.evil.net",
                    "https://.example.org",
                    "https://user@x.example.org",
                ],
            ),
            (
                "http://*.dev.test:8080",
                vec!["http://a.dev.test:8080"],
                vec!["http://a.dev.test", "https://a.dev.test:8080"],
            ),
            (
                r"^https://pr-[0-9]+\.example\.com",
                vec!["https://pr-7.example.com"],
                vec!["https://pr-7.example.com.evil.net", "https://pr-x.example.com"],
            ),
            ("(https://a|https://b)", vec!["https://a", "https://b"], vec!["https://ab"]),
            ("chrome-extension://abcdef", vec!["chrome-extension://abcdef"], vec!["https://abcdef"]),
            ("http://[::1]:3000", vec!["http://[::1]:3000"], vec!["http://[::1]"]),
        ] {
            let read = Pattern::new(pattern).unwrap();
            for origin in yes {
                assert!(read.is_match(origin), "{pattern} {origin}");
            }
            for origin in no {
                assert!(!read.is_match(origin), "{pattern} {origin}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern() {
        for text in [
            "",
            "example.com",
            "https://",
            "https://a/",
            "https://a/b",
            "https://u@a",
            "null",
            "*.",
            "ftp://*.a.b",
            "^(",
            "^(?=a)",
            "https://*",
            "https://a.*.b",
            "*.a/b",
            "https://a?b",
        ] {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
    }
}
