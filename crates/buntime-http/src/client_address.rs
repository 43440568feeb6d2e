//! Who the client is: the peer, or whom the trusted proxies before us name.
//!
//! `Forwarded` (RFC 7239) and `X-Forwarded-*` are believed only from a trusted peer, and walked from the right to the
//! first address that is not trusted: what stands further left anybody may have written. Where a trusted peer sends
//! both, `Forwarded` wins.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, HeaderName, HeaderValue, header, uri::Scheme};
use ipnet::IpNet;

use crate::framing::host_is_valid;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Proxies looked back through at most; more are no chain but an attempt to keep us busy.
const MAX_HOPS: usize = 64;

/// The networks whose forwarding headers are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Those networks, and nobody else.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Is that address in one of them? IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        !self.0.is_empty() && self.0.iter().any(|network| network.contains(&ip.to_canonical()))
    }
}

/// Who sent a request, as far as that can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client's address; IPv4-mapped IPv6 is given as IPv4.
    pub ip: IpAddr,
    /// Who is connected to us.
    pub peer: SocketAddr,
    /// How the client reached the outermost trusted proxy, or us.
    pub scheme: Scheme,
    /// The host the client asked for, `host[:port]`. `None` only where there is no valid `Host`.
    pub host: Option<HeaderValue>,
    /// Did the request carry any forwarding header, believed or not?
    pub forwarded: bool,
    /// Is the peer a trusted proxy?
    pub peer_is_trusted: bool,
}

/// Stands in the extensions of requests for plugins' data APIs that [`ClientAddress::is_direct_local`] is true of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectLocal;

/// `localhost`, names below it, 127.0.0.0/8, `[::1]`; with or without a port.
fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let by_address = name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    by_address || name == "localhost" || name.ends_with(".localhost")
}

impl ClientAddress {
    /// Who sent the request with those headers over a connection from `peer`, encrypted or not.
    pub fn of(peer: SocketAddr, is_tls: bool, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let mut found = Self {
            ip: peer.ip().to_canonical(),
            peer,
            scheme: if is_tls { Scheme::HTTPS } else { Scheme::HTTP },
            host: headers.get(header::HOST).cloned(),
            forwarded: is_forwarded(headers),
            peer_is_trusted: trusted.contains(peer.ip()),
        };
        if found.peer_is_trusted && found.forwarded {
            if headers.contains_key(header::FORWARDED) {
                found.read_forwarded(headers, trusted);
            } else {
                found.read_x_forwarded(headers, trusted);
            }
        }
        found
    }

    /// Is the client on this machine, and reached us without anything in between?
    pub fn is_direct_loopback(&self) -> bool {
        !self.forwarded && self.peer.ip().to_canonical().is_loopback()
    }

    /// The same, asking for this machine by a name of its own: no page of another site can make a browser do that.
    pub fn is_direct_local(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        self.is_direct_loopback() && host.is_some_and(is_loopback_host)
    }

    fn read_forwarded(&mut self, headers: &HeaderMap, trusted: &TrustedProxies) {
        let lines: Vec<&str> = texts(headers, &header::FORWARDED);
        let mut elements = lines.iter().flat_map(|line| split_unquoted(line, b',')).collect::<Vec<_>>();
        for element in elements.drain(..).rev().take(MAX_HOPS) {
            let mut next = None;
            for pair in split_unquoted(element, b';') {
                let Some((name, value)) = pair.split_once('=') else { continue };
                let value = unquote(value.trim());
                match name.trim() {
                    name if name.eq_ignore_ascii_case("for") => next = parse_node(&value),
                    name if name.eq_ignore_ascii_case("proto") => self.take_scheme(&value),
                    name if name.eq_ignore_ascii_case("host") => self.take_host(&value),
                    _ => {}
                }
            }
            // An obfuscated or unreadable hop hides what is behind it; the last address known stands.
            let Some(ip) = next else { return };
            self.ip = ip;
            if !trusted.contains(ip) {
                return;
            }
        }
    }

    fn read_x_forwarded(&mut self, headers: &HeaderMap, trusted: &TrustedProxies) {
        let hops = list(headers, &X_FORWARDED_FOR);
        let mut walked = 0;
        for hop in hops.iter().rev().take(MAX_HOPS) {
            let Some(ip) = parse_node(hop) else { break };
            walked += 1;
            self.ip = ip;
            if !trusted.contains(ip) {
                break;
            }
        }
        if hops.is_empty()
            && let Some(ip) = headers.get(&X_REAL_IP).and_then(|value| value.to_str().ok()).and_then(parse_node)
        {
            self.ip = ip;
        }
        // Where each proxy appended, the entry of the hop we stopped at; where the last one replaced, the only one.
        let back = walked.max(1);
        if let Some(scheme) = nth_back(&list(headers, &X_FORWARDED_PROTO), back) {
            self.take_scheme(scheme);
        }
        let Some(host) = nth_back(&list(headers, &X_FORWARDED_HOST), back).map(str::to_owned) else { return };
        self.take_host(&host);
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        if let Some(port) = nth_back(&list(headers, &X_FORWARDED_PORT), back)
            && !has_port
            && let Ok(port) = port.parse::<u16>()
            && port != if self.scheme == Scheme::HTTPS { 443 } else { 80 }
        {
            self.take_host(&format!("{host}:{port}"));
        }
    }

    fn take_scheme(&mut self, text: &str) {
        if text.eq_ignore_ascii_case("https") || text.eq_ignore_ascii_case("wss") {
            self.scheme = Scheme::HTTPS;
        } else if text.eq_ignore_ascii_case("http") || text.eq_ignore_ascii_case("ws") {
            self.scheme = Scheme::HTTP;
        }
    }

    fn take_host(&mut self, text: &str) {
        if host_is_valid(text.as_bytes())
            && let Ok(host) = HeaderValue::from_str(text)
        {
            self.host = Some(host);
        }
    }
}

/// Does a request carry a forwarding header of any kind?
fn is_forwarded(headers: &HeaderMap) -> bool {
    // Looking at names once is cheaper than six look-ups in a map of a dozen.
    headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded" || name == "x-real-ip" || name == "via" || name.starts_with("x-forwarded-")
    })
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
}

/// The entries of a comma-separated header, over all its lines.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    texts(headers, name).iter().flat_map(|line| line.split(',')).map(str::trim).filter(|one| !one.is_empty()).collect()
}

fn nth_back<'a>(entries: &[&'a str], back: usize) -> Option<&'a str> {
    entries.len().checked_sub(back).map_or_else(|| entries.first(), |index| entries.get(index)).copied()
}

/// Splits at a separator that is not inside a quoted string.
fn split_unquoted(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let (mut quoted, mut escaped) = (false, false);
        for (index, byte) in current.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                byte if byte == separator && !quoted => {
                    rest = Some(&current[index + 1..]);
                    return Some(&current[..index]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(current)
    })
    .map(str::trim)
    .filter(|piece| !piece.is_empty())
}

fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.to_owned() };
    let mut escaped = false;
    inner
        .chars()
        .filter(|&c| {
            let keep = escaped || c != '\\';
            escaped = !keep;
            keep
        })
        .collect()
}

/// `1.2.3.4`, `1.2.3.4:5`, `[::1]`, `[::1]:5`, `::1`. `unknown` and `_hidden` are nobody.
fn parse_node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let ip = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    ip.ok().or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(peer: &str, trusted: &[&str], headers: &[(&'static str, &str)]) -> ClientAddress {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let trusted = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()));
        ClientAddress::of(SocketAddr::new(peer.parse().unwrap(), 1), false, &map, &trusted)
    }

    fn check(trusted: &[&str], headers: &[(&'static str, &str)], expect: &str) {
        assert_eq!(client("10.0.0.1", trusted, headers).ip.to_string(), expect, "{headers:?}");
    }

    #[test]
    fn nobody_untrusted_is_believed() {
        check(&[], &[("x-forwarded-for", "1.1.1.1")], "10.0.0.1");
        check(&["192.168.0.0/16"], &[("forwarded", "for=1.1.1.1")], "10.0.0.1");
        let address =
            client("10.0.0.1", &[], &[("x-forwarded-proto", "https"), ("x-forwarded-host", "evil"), ("host", "a")]);
        assert_eq!((address.scheme, address.host.unwrap().to_str().unwrap()), (Scheme::HTTP, "a"));
        assert!(address.forwarded);
    }

    #[test]
    fn the_walk_stops_at_the_first_untrusted() {
        let trusted = &["10.0.0.0/8"];
        check(trusted, &[("x-forwarded-for", "6.6.6.6, 1.1.1.1")], "1.1.1.1");
        check(trusted, &[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.2")], "1.1.1.1");
        check(trusted, &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1,10.0.0.2:99")], "1.1.1.1");
        check(trusted, &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3");
        check(trusted, &[("x-forwarded-for", "1.1.1.1, junk, 10.0.0.2")], "10.0.0.2");
        check(trusted, &[("x-forwarded-for", "")], "10.0.0.1");
        check(trusted, &[("x-forwarded-for", "::ffff:1.1.1.1")], "1.1.1.1");
        check(trusted, &[("x-real-ip", "1.1.1.1")], "1.1.1.1");
        check(trusted, &[("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:4711\";proto=https")], "2001:db8::1");
        check(trusted, &[("forwarded", "for=1.1.1.1;by=\"a,b;c\\\"\", For=10.0.0.2")], "1.1.1.1");
        check(trusted, &[("forwarded", "for=6.6.6.6, for=_hidden, for=10.0.0.2")], "10.0.0.2");
        check(trusted, &[("forwarded", "for=2.2.2.2"), ("x-forwarded-for", "1.1.1.1")], "2.2.2.2");
    }

    #[test]
    fn scheme_and_host_come_from_the_hop_that_counts() {
        let trusted = &["10.0.0.0/8"];
        let one = client(
            "10.0.0.1",
            trusted,
            &[
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "a.example"),
                ("x-forwarded-port", "8443"),
            ],
        );
        assert_eq!((one.scheme, one.host.unwrap().to_str().unwrap()), (Scheme::HTTPS, "a.example:8443"));
        let two = client(
            "10.0.0.1",
            trusted,
            &[("x-forwarded-for", "1.1.1.1, 10.0.0.2"), ("x-forwarded-proto", "https, http"), ("host", "b")],
        );
        assert_eq!((two.scheme, two.host.unwrap().to_str().unwrap()), (Scheme::HTTPS, "b"));
        let bad = client("10.0.0.1", trusted, &[("forwarded", "for=1.1.1.1;host=\"a/b\";proto=gopher"), ("host", "b")]);
        assert_eq!((bad.scheme, bad.host.unwrap().to_str().unwrap()), (Scheme::HTTP, "b"));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let address = client("::ffff:10.0.0.1", &["10.0.0.0/8"], &[("x-forwarded-for", "1.1.1.1")]);
        assert_eq!(address.ip.to_string(), "1.1.1.1");
        assert!(client("::ffff:127.0.0.1", &[], &[]).is_direct_loopback());
        assert!(!client("127.0.0.1", &[], &[("x-forwarded-for", "127.0.0.1")]).is_direct_loopback());
    }

    proptest! {
        #[test]
        fn what_a_client_writes_never_moves_it(
            prefix in "[ -~]{0,40}",
            client_ip in any::<[u8; 4]>().prop_filter("not trusted", |ip| ip[0] != 10),
        ) {
            let client_ip = IpAddr::from(client_ip);
            let line = format!("{prefix}, {client_ip}, 10.0.0.2");
            let found = client("10.0.0.1", &["10.0.0.0/8"], &[("x-forwarded-for", &line)]);
            prop_assert_eq!(found.ip, client_ip);
        }

        #[test]
        fn nothing_panics(line in "[ -~]{0,80}") {
            client("10.0.0.1", &["10.0.0.0/8"], &[("forwarded", &line), ("x-forwarded-for", &line), ("x-forwarded-host", &line)]);
        }
    }
}
