//! Header fields that must not pass: forged ones on the way in, hop-by-hop ones in both directions; and those that a
//! proxy owes the next one.

use std::{cell::RefCell, net::IpAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{self, Entry},
    uri::Scheme,
};

use crate::client_address::ClientAddress;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Names that only this system gives out; whoever sends them is lying.
fn is_internal(name: &str) -> bool {
    name.starts_with("x-")
        && (name == "x-identity" || name.starts_with("x-consumer-") || name.starts_with("x-buntime-"))
}

/// Names that only a proxy may send.
fn is_forwarding(name: &str) -> bool {
    name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-")
}

/// Removes what nobody outside may say: identity and internal fields always, forwarding fields unless `peer_is_trusted`.
/// To be called after the client's address was found, and before any hook.
pub fn remove_forged(headers: &mut HeaderMap, peer_is_trusted: bool) {
    // `_` counts as `-`: some upstreams make no difference between the two.
    let forged = |name: &HeaderName| {
        let name = name.as_str();
        // Every such name begins like this, with `_` for `-` or without.
        if !name.starts_with(['x', 'f']) {
            return false;
        }
        if name.contains('_') {
            let name = name.replace('_', "-");
            return is_internal(&name) || is_forwarding(&name);
        }
        is_internal(name) || (!peer_is_trusted && is_forwarding(name))
    };
    // The usual request has none, and then nothing is allocated.
    while let Some(name) = headers.keys().find(|name| forged(name)).cloned() {
        headers.remove(name);
    }
}

/// Removes what only a proxy may send: for who has no edge in front that judged the peer, and so believes nobody.
pub fn remove_forwarding(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| is_forwarding(&name.as_str().replace('_', "-"))).cloned() {
        headers.remove(name);
    }
}

/// Removes what concerns one connection only: `Connection` and what it names, `Keep-Alive`, `Proxy-*`, `TE` but for
/// `trailers`, `Transfer-Encoding`, `Upgrade`. With `keep_upgrade` an upgrade's own fields stay: `Upgrade`, and a
/// `Connection: upgrade`.
pub fn remove_hop_by_hop(headers: &mut HeaderMap, keep_upgrade: bool) {
    // The usual message has none of them, or says only that its connection stays: one walk over its names instead of a
    // look-up for each.
    let mut hops = headers.keys().filter(|name| is_hop_by_hop(name));
    match (hops.next(), hops.next()) {
        (None, _) => return,
        (Some(only), None) if *only == header::CONNECTION && names_nothing(headers) => {
            headers.remove(header::CONNECTION);
            return;
        }
        _ => {}
    }
    let upgrade = if keep_upgrade { headers.get(header::UPGRADE).cloned() } else { None };
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    let wants_trailers = headers.get_all(header::TE).iter().any(|value| has_token(value, "trailers"));
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    if wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// The fields that are to be sent on, and room for `more`: what a clone, [`remove_hop_by_hop`] and growing would give.
pub fn end_to_end(headers: &HeaderMap, keep_upgrade: bool, more: usize) -> HeaderMap {
    let mut copy = HeaderMap::with_capacity(headers.len() + more);
    let is_usual = !headers.keys().any(is_hop_by_hop);
    for (name, value) in headers {
        copy.append(name, value.clone());
    }
    if !is_usual {
        remove_hop_by_hop(&mut copy, keep_upgrade);
    }
    copy
}

const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::TE,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

fn is_hop_by_hop(name: &HeaderName) -> bool {
    let name = name.as_str();
    // Most others are told by their length.
    match name.len() {
        2 => name == "te",
        7 => name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        18 => name == "proxy-authenticate",
        19 => name == "proxy-authorization",
        _ => false,
    }
}

/// Does `Connection` say `keep-alive` or `close`, and no more?
fn names_nothing(headers: &HeaderMap) -> bool {
    let says = |value: &HeaderValue, word: &str| value.as_bytes().eq_ignore_ascii_case(word.as_bytes());
    headers.get_all(header::CONNECTION).iter().all(|value| says(value, "keep-alive") || says(value, "close"))
}

/// What `Connection` names. Fields without which a message means something else are not taken away by it: a client
/// could strip what was put there for the upstream.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| {
            ![header::HOST, header::CONTENT_LENGTH, header::TE, header::AUTHORIZATION, header::COOKIE].contains(name)
                && !is_internal(name.as_str())
                && !is_forwarding(name.as_str())
        })
        .collect()
}

/// Is `token` among the comma-separated words of `value`, parameters aside?
fn has_token(value: &HeaderValue, token: &str) -> bool {
    let Ok(text) = value.to_str() else { return false };
    text.split(',')
        .map(|word| word.split_once(';').map_or(word, |(word, _)| word).trim())
        .any(|word| word.eq_ignore_ascii_case(token))
}

/// Does an HTTP/1.1 request ask for an upgrade? `Connection` must name it, or it is a left-over.
pub fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && headers.get_all(header::CONNECTION).iter().any(|value| has_token(value, "upgrade"))
}

/// Tells the upstream who asks and how: `X-Forwarded-For` (appended), `-Proto`, `-Host`, `-Port`; `Forwarded` only
/// where a trusted peer sent one already.
///
/// To be called after [`remove_forged`]: what is there by then came from a trusted proxy.
pub fn add_forwarding(headers: &mut HeaderMap, client: &ClientAddress) {
    let peer = client.peer.ip().to_canonical();
    let text = text_of(peer);
    match (headers.contains_key(X_FORWARDED_FOR), text.to_str()) {
        (true, Ok(text)) => append_to_list(headers, &X_FORWARDED_FOR, text),
        _ => drop(headers.insert(X_FORWARDED_FOR, text)),
    }
    let is_https = client.scheme == Scheme::HTTPS;
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(if is_https { "https" } else { "http" }));
    if headers.contains_key(header::FORWARDED) {
        let node = match peer {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("\"[{ip}]\""),
        };
        append_to_list(headers, &header::FORWARDED, &format!("for={node}"));
    }
    let Some(host) = &client.host else { return };
    headers.insert(X_FORWARDED_PORT, port_of(host, is_https));
    headers.insert(X_FORWARDED_HOST, host.clone());
}

/// What this thread wrote last: requests of one connection, and of one load balancer, say the same.
struct Written<T> {
    of: T,
    text: HeaderValue,
}

impl<T: Copy + PartialEq + ToString> Written<T> {
    fn text(last: &mut Option<Self>, of: T) -> HeaderValue {
        match last {
            Some(known) if known.of == of => known.text.clone(),
            _ => {
                let text = HeaderValue::try_from(of.to_string());
                let text = text.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
                *last = Some(Self { of, text: text.clone() });
                text
            }
        }
    }
}

/// An address as text.
fn text_of(peer: IpAddr) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<Option<Written<IpAddr>>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| Written::text(last, peer))
}

fn port_of(host: &HeaderValue, is_https: bool) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<Option<Written<u16>>> = const { RefCell::new(None) };
    }
    let named =
        host.to_str().ok().and_then(|host| host.rsplit_once(':')).and_then(|(_, port)| port.parse::<u16>().ok());
    match named {
        Some(port) => LAST.with_borrow_mut(|last| Written::text(last, port)),
        None => HeaderValue::from_static(if is_https { "443" } else { "80" }),
    }
}

/// Adds this hop to `Via`, on requests and responses. `version` is that of the message received.
pub fn add_via(headers: &mut HeaderMap, version: Version) {
    let hop = match version {
        Version::HTTP_2 => "2.0 buntime",
        Version::HTTP_10 => "1.0 buntime",
        _ => "1.1 buntime",
    };
    match headers.entry(header::VIA) {
        Entry::Vacant(place) => drop(place.insert(HeaderValue::from_static(hop))),
        Entry::Occupied(_) => append_to_list(headers, &header::VIA, hop),
    }
}

/// One line, whatever it was before: some upstreams read only the first or the last.
fn append_to_list(headers: &mut HeaderMap, name: &HeaderName, entry: &str) {
    let mut line = String::new();
    for value in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()) {
        line.push_str(value);
        line.push_str(", ");
    }
    line.push_str(entry);
    if let Ok(value) = HeaderValue::try_from(line) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_address::TrustedProxies;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        map
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn forged_fields_are_removed() {
        let forged = [
            ("X-Identity", "{}"),
            ("x-identity", "2"),
            ("X-Consumer-Id", "a"),
            ("X-Buntime-Base", "a"),
            ("X_Identity", "a"),
            ("x-forwarded_for", "a"),
            ("X-Forwarded-For", "1.1.1.1"),
            ("Forwarded", "for=1.1.1.1"),
            ("X-Real-IP", "1.1.1.1"),
            ("Accept", "*/*"),
        ];
        let mut headers = map(&forged);
        remove_forged(&mut headers, false);
        assert_eq!(names(&headers), ["accept"]);
        let mut headers = map(&forged);
        remove_forged(&mut headers, true);
        assert_eq!(names(&headers), ["accept", "forwarded", "x-forwarded-for", "x-real-ip"]);
    }

    #[test]
    fn forwarding_fields_alone_are_removed() {
        let mut headers = map(&[("X-Forwarded_For", "a"), ("Forwarded", "a"), ("X-Real-IP", "a"), ("X-Identity", "a")]);
        remove_forwarding(&mut headers);
        assert_eq!(names(&headers), ["x-identity"]);
    }

    #[test]
    fn hop_by_hop_fields_are_removed() {
        let mut headers = map(&[
            ("Connection", "close, X-Mine"),
            ("Connection", "authorization, x-forwarded-for"),
            ("X-Mine", "a"),
            ("Authorization", "a"),
            ("X-Forwarded-For", "a"),
            ("Keep-Alive", "a"),
            ("Proxy-Authorization", "a"),
            ("Transfer-Encoding", "chunked"),
            ("TE", "gzip, trailers;q=1"),
            ("Upgrade", "websocket"),
            ("Trailer", "x"),
        ]);
        remove_hop_by_hop(&mut headers, false);
        assert_eq!(names(&headers), ["authorization", "te", "trailer", "x-forwarded-for"]);
        assert_eq!(headers["te"], "trailers");
    }

    #[test]
    fn an_upgrade_keeps_its_fields() {
        let mut headers = map(&[("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket")]);
        assert!(asks_for_upgrade(&headers));
        remove_hop_by_hop(&mut headers, true);
        assert_eq!(
            (headers["connection"].to_str().unwrap(), &headers["upgrade"]),
            ("upgrade", &HeaderValue::from_static("websocket"))
        );
        assert!(!asks_for_upgrade(&map(&[("Upgrade", "websocket")])));
    }

    #[test]
    fn the_next_hop_is_told() {
        let mut headers =
            map(&[("Host", "a.example:8080"), ("X-Forwarded-For", "1.1.1.1"), ("Forwarded", "for=1.1.1.1")]);
        let trusted = TrustedProxies::new(["::1/128".parse().unwrap()]);
        let client = ClientAddress::of("[::1]:9".parse().unwrap(), true, &headers, &trusted);
        add_forwarding(&mut headers, &client);
        assert_eq!(headers["x-forwarded-for"], "1.1.1.1, ::1");
        assert_eq!(headers["forwarded"], "for=1.1.1.1, for=\"[::1]\"");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "a.example:8080");
        assert_eq!(headers["x-forwarded-port"], "8080");
        add_via(&mut headers, Version::HTTP_2);
        add_via(&mut headers, Version::HTTP_11);
        assert_eq!(headers["via"], "2.0 buntime, 1.1 buntime");
    }
}
