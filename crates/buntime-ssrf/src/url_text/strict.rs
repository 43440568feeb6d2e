//! A URL read by the letter of RFC 3986, and less: what some parser is known to read differently is refused.
//!
//! The second opinion is the `url` crate's (WHATWG); [`super::read`] compares.

use crate::refused::{Disputed, Refused};

/// No URL is longer, in bytes.
pub(super) const LONGEST: usize = 8192;

/// The parts that say where a URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) scheme: &'a str,
    /// With its brackets, if it has some.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

pub(super) fn split(text: &str) -> Result<Parts<'_>, Refused> {
    check_characters(text)?;
    let (scheme, rest) =
        text.split_once(':').ok_or(Refused::Unreadable("it has no scheme; write http:// or https://"))?;
    check_scheme(scheme)?;
    let rest = rest.strip_prefix("//").ok_or(Refused::Unreadable("two slashes must follow the scheme"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if authority.contains('@') {
        return Err(Refused::Userinfo);
    }
    if authority.is_empty() {
        return Err(Refused::Unreadable("it has no host"));
    }
    // Before RFC 3986 the authority ended at a slash only, so `http://a?@b/` was host b.
    if !tail.starts_with('/') && tail.contains('@') {
        return Err(Refused::Disputed(Disputed::Userinfo));
    }
    let path = &tail[..tail.find(['?', '#']).unwrap_or(tail.len())];
    if !escapes_are_whole(path) {
        return Err(Refused::Unreadable("a `%` in the path must be followed by two hexadecimal digits"));
    }
    let (host, port) = split_port(authority)?;
    Ok(Parts { scheme, host, port: port.map(read_port).transpose()? })
}

/// White space and control characters are dropped by some parsers, a backslash is a slash to others.
fn check_characters(text: &str) -> Result<(), Refused> {
    if text.is_empty() {
        return Err(Refused::Unreadable("it is empty"));
    }
    if text.len() > LONGEST {
        return Err(Refused::Unreadable("it is longer than 8192 bytes"));
    }
    if text.contains('\\') {
        return Err(Refused::Unreadable("it has a backslash, which some read as a slash; write `/` or %5C"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c)) {
        return Err(Refused::Unreadable("it has white space or an invisible character; write it percent-encoded"));
    }
    Ok(())
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn check_scheme(scheme: &str) -> Result<(), Refused> {
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'));
    if !is_scheme {
        return Err(Refused::Unreadable("it has no scheme; write http:// or https://"));
    }
    if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
        Ok(())
    } else {
        // A long one is nothing that anybody reads.
        Err(Refused::Scheme(scheme.chars().take(32).collect::<String>().to_ascii_lowercase()))
    }
}

fn escapes_are_whole(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|c| c.is_ascii_hexdigit()))
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), Refused> {
    let (host, rest) = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(Refused::Unreadable("a `[` in the host is not closed"))?;
        authority.split_at(end + 1)
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(Refused::Unreadable("after the `]` of the host only a port may follow")),
    }
}

/// An empty port, one with leading zeros and one past 65535 are each read differently somewhere.
fn read_port(text: &str) -> Result<u16, Refused> {
    let is_plain = !text.starts_with('0') && !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let port = if is_plain { text.parse().ok() } else { None };
    port.ok_or(Refused::Disputed(Disputed::Port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let parts = |text| split(text).unwrap();
        assert_eq!(parts("http://a.b"), Parts { scheme: "http", host: "a.b", port: None });
        assert_eq!(parts("HTTPS://[::1]:81/x:y@z?q"), Parts { scheme: "HTTPS", host: "[::1]", port: Some(81) });
        assert_eq!(parts("http://a?b:c/d"), Parts { scheme: "http", host: "a", port: None });
    }

    #[test]
    fn what_is_not_read() {
        for text in [
            "",
            "http",
            "http:",
            "http:/",
            "http://",
            "http:///a",
            "http:a",
            "//a",
            "/a",
            "a.b",
            "://a",
            "1http://a",
            "ftp://a",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "gopher://a",
            "http://a b",
            " http://a",
            "http://a\n",
            "ht\ttp://a",
            "http:\\\\a",
            "http://a\\@b",
            "http://@a",
            "http://a@b",
            "http://a:b@c",
            "http://a?@b",
            "http://a#@b",
            "http://a:",
            "http://a:/",
            "http://a:0",
            "http://a:080",
            "http://a:65536",
            "http://a:+80",
            "http://a:8 0",
            "http://a:80:90",
            "http://[::1",
            "http://[::1]a",
            "http://[::1]:",
            "http://a/%",
            "http://a/%4",
            "http://a/%zz",
            "http://a\u{a0}b",
            "http://a\u{200b}b",
            "http://a\u{ad}b",
        ] {
            assert!(split(text).is_err(), "{text}");
        }
        assert!(split(&format!("http://a/{}", "x".repeat(LONGEST))).is_err());
    }
}
