//! What tells stored answers apart: the URL, then the route, `varyBy` and what `Vary` names.
//!
//! Everything of a request that reaches the upstream and is no field is in the key. Paths are compared as the server has
//! normalised them; a host as it counts, without its case and its default port.

use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
};

use buntime_core::{Cx, Http};
use http::{HeaderMap, HeaderName, header};
use quick_cache::Equivalent;

use crate::config::KeyBy;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A URL as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) scheme: &'static str,
    pub(crate) host: Box<str>,
    /// Path and query.
    pub(crate) target: Box<str>,
}

/// A URL as it is asked for.
#[derive(Debug)]
pub(crate) struct KeyRef<'a> {
    scheme: &'static str,
    host: Cow<'a, str>,
    target: &'a str,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.scheme, &*self.host, &*self.target).hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.scheme, &*self.host, self.target).hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.target == &*key.target && self.host == *key.host && self.scheme == key.scheme
    }
}

impl KeyRef<'_> {
    /// One to keep.
    pub(crate) fn to_key(&self) -> Key {
        Key { scheme: self.scheme, host: (*self.host).into(), target: self.target.into() }
    }
}

impl Key {
    /// As a person reads it: `http://example.com/a?b`.
    pub(crate) fn show(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.target)
    }

    /// What [`Key::show`] has written.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = ["http", "https"].into_iter().find(|known| *known == scheme)?;
        let (host, target) = rest.split_at(rest.find('/')?);
        Some(Self { scheme, host: host.into(), target: target.into() })
    }

    /// Without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }
}

/// The URL of a request. `None` if it has none that could be told apart.
pub(crate) fn of<'a>(cx: &'a Cx<Http>) -> Option<KeyRef<'a>> {
    let head = cx.request();
    // Still there, it came from a trusted proxy, and upstreams are told it.
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    let host = head.headers.get(X_FORWARDED_HOST).unwrap_or(host);
    let scheme = cx.meta().scheme;
    Some(KeyRef { scheme, host: host_of(host.to_str().ok()?, scheme), target: head.uri.path_and_query()?.as_str() })
}

/// Another URL that an answer names, if it is of the same origin.
pub(crate) fn named(key: &Key, value: &str) -> Option<Key> {
    let base = url::Url::parse(&format!("{}://{}{}", key.scheme, key.host, key.target)).ok()?;
    let named = base.join(value).ok()?;
    if named.origin() != base.origin() {
        return None;
    }
    let query = named.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(Key { target: format!("{}{query}", named.path()).into(), ..key.clone() })
}

fn host_of<'a>(host: &'a str, scheme: &str) -> Cow<'a, str> {
    let default = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default).unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(host.to_ascii_lowercase());
    }
    Cow::Borrowed(host)
}

/// Writes what `varyBy` says of a request. Parts have a length, so that no value can pass for two.
pub(crate) fn write_by(into: &mut Vec<u8>, parts: &[KeyBy], cx: &Cx<Http>) {
    let mut put = |value: Option<&[u8]>| {
        // The length of what is absent is none that anything has.
        let length = value.map_or(u32::MAX, |value| u32::try_from(value.len()).unwrap_or(u32::MAX - 1));
        into.extend_from_slice(&length.to_be_bytes());
        into.extend_from_slice(value.unwrap_or_default());
    };
    // A host that a trusted proxy has replaced may still be passed on.
    let headers = &cx.request().headers;
    if headers.contains_key(X_FORWARDED_HOST) {
        put(headers.get(header::HOST).map(http::HeaderValue::as_bytes));
    }
    for part in parts {
        match part {
            KeyBy::Consumer => put(cx.consumer().map(|name| name.as_bytes())),
            KeyBy::User => put(cx.identity().map(|identity| identity.subject.as_bytes())),
            KeyBy::Header(name) => {
                let mut value = Vec::new();
                let there = write_field(&mut value, headers, name);
                put(there.then_some(&*value));
            }
            KeyBy::Cookie(name) => put(crate::limits::key::cookie(headers, name.as_bytes())),
            KeyBy::Ip | KeyBy::Global | KeyBy::Route => {}
        }
    }
}

/// Writes a field as it is compared: its lines as one list, no spaces around commas and at the ends, and without its case
/// where that means nothing. What is quoted stays as it is. False if it is absent.
pub(crate) fn write_field(into: &mut Vec<u8>, headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut lines = headers.get_all(name).iter();
    let Some(first) = lines.next() else { return false };
    let lower = name == header::ACCEPT_LANGUAGE || name == header::ACCEPT_ENCODING;
    let start = into.len();
    write_line(into, start, first.as_bytes(), lower);
    for line in lines {
        trim_end(into, start);
        into.push(b',');
        write_line(into, start, line.as_bytes(), lower);
    }
    trim_end(into, start);
    true
}

fn write_line(into: &mut Vec<u8>, start: usize, line: &[u8], lower: bool) {
    let (mut quoted, mut escaped) = (false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => trim_end(into, start),
            b' ' | b'\t' if !quoted && (into.len() == start || into.last() == Some(&b',')) => continue,
            _ => {}
        }
        into.push(if lower { byte.to_ascii_lowercase() } else { *byte });
    }
}

fn trim_end(into: &mut Vec<u8>, start: usize) {
    while into.len() > start && matches!(into.last(), Some(b' ' | b'\t')) {
        into.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn field(name: &'static str, lines: &[&[u8]]) -> Option<Vec<u8>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line).unwrap());
        }
        let mut out = b"before ".to_vec();
        write_field(&mut out, &headers, &HeaderName::from_static(name)).then(|| out[7..].to_vec())
    }

    #[test]
    fn fields_are_compared_by_what_they_mean() {
        let same: [&[&[u8]]; 4] = [&[b"1, 2"], &[b"1", b"2"], &[b" 1 ,2 "], &[b"1,2"]];
        for lines in same {
            assert_eq!(field("foo", lines).unwrap(), b"1,2", "{lines:?}");
        }
        assert_eq!(field("foo", &[b"\"a, b\" , C d"]).unwrap(), b"\"a, b\",C d");
        assert_eq!(field("accept-language", &[b"eN,  De"]).unwrap(), b"en,de");
        assert_eq!(field("foo", &[]), None);
        assert_eq!(field("foo", &[b""]).unwrap(), b"");
    }

    #[test]
    fn only_the_same_origin_is_named() {
        let key = Key { scheme: "http", host: "a.example".into(), target: "/x/y?z".into() };
        let named = |value| named(&key, value).map(|key| key.target.to_string());
        assert_eq!(named("w").as_deref(), Some("/x/w"));
        assert_eq!(named("/w?q").as_deref(), Some("/w?q"));
        assert_eq!(named("http://A.example:80/w").as_deref(), Some("/w"));
        assert_eq!(
            (named("http://b.example/w"), named("//b.example/"), named("https://a.example/")),
            (None, None, None)
        );
    }

    proptest! {
        #[test]
        fn how_a_field_is_split_into_lines_does_not_matter(parts in prop::collection::vec("[a-z0-9;=.]{1,5}", 1..5), at in 0_usize..5) {
            let joined = parts.join(", ");
            let at = at.min(parts.len() - 1);
            let (first, second) = (parts[..at].join(" ,"), parts[at..].join(","));
            let split: Vec<&[u8]> =
                [first.as_bytes(), second.as_bytes()].into_iter().filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(field("foo", &[joined.as_bytes()]), field("foo", &split));
        }

        #[test]
        fn other_members_are_other_keys(a in prop::collection::vec("[a-z]{1,3}", 1..4), b in prop::collection::vec("[a-z]{1,3}", 1..4)) {
            let (x, y) = (a.join(","), b.join(","));
            prop_assert_eq!(a == b, field("foo", &[x.as_bytes()]) == field("foo", &[y.as_bytes()]));
        }
    }
}
