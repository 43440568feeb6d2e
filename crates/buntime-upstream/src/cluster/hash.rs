//! Hashing that is the same on every node and after every restart, and the choice by it.
//!
//! Weighted rendezvous hashing: every target draws a number for a key, and the best draw wins. A target that goes moves
//! its own keys only; one that comes takes its share from all the others, and a changed weight no more than the change.

use std::net::IpAddr;

use buntime_config::model::HashKey;
use http::{HeaderMap, Uri, header};

/// FNV-1a with a finish that spreads what differs in a few bits only.
fn bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(hash)
}

/// The finish of splitmix64.
#[inline]
pub(super) fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The number of a text.
pub(super) fn text(text: &str) -> u64 {
    bytes(0, text.as_bytes())
}

/// The number of an address; one written as IPv6 is the same as its IPv4.
pub(super) fn ip(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => bytes(4, &ip.octets()),
        IpAddr::V6(ip) => bytes(6, &ip.octets()),
    }
}

/// What a target draws for a key, as large as can be.
#[inline]
pub(super) fn draw(target: u64, key: u64) -> u64 {
    mix(target ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A draw that counts as often as the weight says: the smallest wins.
#[inline]
pub(super) fn weighted(draw: u64, weight: u64) -> f64 {
    // In (0, 1): 53 bits and a half.
    let unit = ((draw >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -unit.ln() / weight as f64
}

/// What a request is known by. `None`: it does not say.
pub(super) fn key(by: &HashKey, headers: &HeaderMap, uri: &Uri, client: IpAddr, consumer: Option<&str>) -> Option<u64> {
    match by {
        HashKey::Ip => Some(ip(client)),
        HashKey::Path => Some(text(uri.path())),
        HashKey::Consumer => Some(consumer.map_or_else(|| ip(client), text)),
        HashKey::Header(name) => headers.get(name).map(|value| bytes(0, value.as_bytes())),
        HashKey::Cookie(name) => cookie(headers, name).map(|value| bytes(0, value)),
        HashKey::Query(name) => {
            let mut pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.find(|(key, _)| key == name).map(|(_, value)| text(value))
        }
    }
}

/// The value of a cookie, as the client says it.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let pairs = headers.get_all(header::COOKIE).into_iter().flat_map(|value| value.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn keys_are_found() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; user=x=y"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        headers.insert("x-user", HeaderValue::from_static("ada"));
        let uri: Uri = "/p/q?one&user=ada&z=1".parse().unwrap();
        let client: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let find = |by: &str, consumer| key(&by.parse().unwrap(), &headers, &uri, client, consumer);
        assert_eq!(find("ip", None), Some(ip("10.0.0.1".parse().unwrap())));
        assert_eq!(find("path", None), Some(text("/p/q")));
        assert_eq!(find("consumer", None), find("ip", None));
        assert_eq!(find("consumer", Some("ada")), Some(text("ada")));
        assert_eq!(find("header:X-User", None), Some(text("ada")));
        assert_eq!(find("cookie:user", None), Some(text("x=y")));
        assert_eq!(find("cookie:b", None), Some(text("2")));
        assert_eq!(find("cookie:use", None), None);
        assert_eq!(find("query:user", None), Some(text("ada")));
        assert_eq!(find("query:one", None), Some(text("")));
        assert_eq!(find("query:x", None), None);
    }
}
