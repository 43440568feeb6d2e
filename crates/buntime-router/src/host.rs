//! Hosts as the tree of hosts wants them: lower case, without port and last dot, read from the end.
//!
//! `a.example.org` becomes `gro.elpmaxe.a/`. The mark at the end makes an exact host a key that no other host begins
//! with, and `*.example.org` is `gro.elpmaxe.`: so one walk finds the exact host, then the wildcards from the longest.

use std::{fmt::Write, net::Ipv6Addr};

use buntime_config::model::HostPattern;

/// No name is longer (RFC 1035, 2.3.4), so no such host is looked for.
const LONGEST: usize = 253;

/// Ends a whole host; never a part of one.
const END: u8 = b'/';

/// A host, read from its end.
#[derive(Debug)]
pub(crate) struct HostKey {
    bytes: [u8; LONGEST + 1],
    len: usize,
}

impl HostKey {
    /// The key of a `Host` header's value. `None` when it is no host.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut six = SixText { bytes: [0; 39], len: 0 };
        let host = match split(text)? {
            Split::Name(name) => name.strip_suffix('.').unwrap_or(name),
            Split::Six(address) => six.write(address)?,
        };
        let odd = host.is_empty() || host.starts_with('.') || host.len() > LONGEST;
        if odd || host.bytes().any(|byte| byte == END) {
            return None;
        }
        let mut key = Self { bytes: [0; LONGEST + 1], len: host.len() + 1 };
        for (to, from) in key.bytes.iter_mut().zip(host.bytes().rev()) {
            *to = from.to_ascii_lowercase();
        }
        key.bytes[host.len()] = END;
        Some(key)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What every key of the pattern's hosts begins with. `None` when no host can match it.
pub(crate) fn pattern_key(pattern: &HostPattern) -> Option<Vec<u8>> {
    let (text, is_exact) = match pattern {
        HostPattern::Exact(host) => (host, true),
        HostPattern::Wildcard(parent) => (parent, false),
    };
    let mut key = HostKey::new(text)?.as_bytes().to_vec();
    if !is_exact {
        key.pop();
        key.push(b'.');
    }
    Some(key)
}

enum Split<'a> {
    Name(&'a str),
    Six(Ipv6Addr),
}

/// The host without its port.
fn split(text: &str) -> Option<Split<'_>> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, _) = rest.split_once(']')?;
        return inside.parse().ok().map(Split::Six);
    }
    match text.split_once(':') {
        // Without brackets there is no port: every colon is the address's.
        Some((_, port)) if port.contains(':') => text.parse().ok().map(Split::Six),
        Some((name, _)) => Some(Split::Name(name)),
        None => Some(Split::Name(text)),
    }
}

/// An IPv6 address in its one short form, so that every way of writing it is the same host.
struct SixText {
    bytes: [u8; 39],
    len: usize,
}

impl SixText {
    fn write(&mut self, address: Ipv6Addr) -> Option<&str> {
        write!(self, "{address}").ok()?;
        std::str::from_utf8(&self.bytes[..self.len]).ok()
    }
}

impl Write for SixText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        HostKey::new(text).map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned())
    }

    #[test]
    fn one_key_for_every_way_of_writing_a_host() {
        for text in ["Example.ORG", "example.org.", "example.org:80", "EXAMPLE.org.:443"] {
            assert_eq!(key(text).as_deref(), Some("gro.elpmaxe/"), "{text}");
        }
        for text in ["[::1]", "[0:0::1]:8080", "::1", "[0000:0000:0000:0000:0000:0000:0000:0001]"] {
            assert_eq!(key(text).as_deref(), Some("1::/"), "{text}");
        }
        assert_eq!(key("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]").map(|key| key.len()), Some(40));
        assert_eq!(key("[::ffff:255.255.255.255]").as_deref(), Some("552.552.552.552:ffff::/"));
        assert_eq!(key("127.0.0.1:1").as_deref(), Some("1.0.0.721/"));
        for text in ["", ".", ":80", ".org", "a/b", "[::1", "[x]", "1::2::3", &"a".repeat(254)] {
            assert_eq!(key(text), None, "{text}");
        }
        assert!(key(&"a".repeat(253)).is_some());
    }

    #[test]
    fn patterns_are_beginnings_of_keys() {
        let pattern = |text: &str| pattern_key(&text.parse().unwrap()).unwrap();
        assert_eq!(pattern("*.example.org"), b"gro.elpmaxe.");
        assert_eq!(pattern("example.org"), b"gro.elpmaxe/");
        assert_eq!(pattern("[::1]"), b"1::/");
    }
}
