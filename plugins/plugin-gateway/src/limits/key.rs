//! Who is counted: a key made of a request, without an allocation, and how a person reads it.
//!
//! A key is a list of parts, each a tag, a length and bytes, so that no value can pass for two. What a request does not
//! have (no consumer, no such header) is replaced by its address. Long values stand as their digest.

use std::{cell::RefCell, fmt::Write, net::IpAddr};

use buntime_core::{Cx, Http};
use http::{HeaderMap, HeaderValue, header};

use crate::config::KeyBy;

/// Longer values stand as their digest.
const LONGEST: usize = 224;

const IPV4: u8 = b'4';
const IPV6: u8 = b'6';
const CONSUMER: u8 = b'c';
const USER: u8 = b'u';
const HEADER: u8 = b'h';
const COOKIE: u8 = b'k';
const ROUTE: u8 = b'r';
const GLOBAL: u8 = b'g';
/// Added to a tag whose value is a digest: the upper case of the letter.
const DIGEST: u8 = 0x20;

/// By what a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    parts: Box<[KeyBy]>,
    ipv6_prefix: u8,
    /// Do values that may be secrets stand as their digest? Where keys leave this process's memory.
    digests: bool,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Keys {
    /// By these parts.
    pub(crate) fn new(parts: &[KeyBy], ipv6_prefix: u8, digests: bool) -> Self {
        Self { parts: parts.into(), ipv6_prefix, digests }
    }

    /// Lends the key of a request.
    pub(crate) fn with<R>(&self, cx: &Cx<Http>, lend: impl FnOnce(&[u8]) -> R) -> R {
        SCRATCH.with_borrow_mut(|key| {
            key.clear();
            for part in &self.parts {
                self.write(key, part, cx);
            }
            lend(key)
        })
    }

    fn write(&self, key: &mut Vec<u8>, part: &KeyBy, cx: &Cx<Http>) {
        let headers = &cx.request().headers;
        let found = match part {
            KeyBy::Ip => None,
            KeyBy::Global => return put(key, GLOBAL, b""),
            KeyBy::Route => {
                let label = cx.route().map_or("-", |route| &route.label);
                return text(key, ROUTE, label.as_bytes(), false);
            }
            KeyBy::Consumer => cx.consumer().map(|name| (CONSUMER, name.as_bytes(), false)),
            KeyBy::User => cx.identity().map(|identity| (USER, identity.subject.as_bytes(), false)),
            KeyBy::Header(name) => {
                let mut values = headers.get_all(name).iter();
                let only = values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes);
                only.map(|value| (HEADER, value, is_secret(name.as_str())))
            }
            KeyBy::Cookie(name) => cookie(headers, name.as_bytes()).map(|value| (COOKIE, value, true)),
        };
        match found {
            Some((tag, value, secret)) if !value.is_empty() => text(key, tag, value, secret && self.digests),
            _ => address(key, cx.meta().client_ip, self.ipv6_prefix),
        }
    }

    /// The key as a person may read it: `consumer:acme,route:service:users/list`. Values that may be secrets stand as
    /// the beginning of their digest.
    pub(crate) fn show(&self, mut key: &[u8]) -> String {
        let mut shown = String::with_capacity(key.len() + 16);
        for part in &self.parts {
            let Some((&[tag, len], rest)) = key.split_first_chunk::<2>() else { break };
            let Some((value, rest)) = rest.split_at_checked(len.into()) else { break };
            key = rest;
            if !shown.is_empty() {
                shown.push(',');
            }
            self.show_part(&mut shown, part, tag, value);
        }
        shown
    }

    fn show_part(&self, shown: &mut String, part: &KeyBy, tag: u8, value: &[u8]) {
        // Writing into a string does not fail.
        let _ = match tag {
            GLOBAL => write!(shown, "global"),
            IPV4 => match <[u8; 4]>::try_from(value) {
                Ok(octets) => write!(shown, "ip:{}", IpAddr::from(octets)),
                Err(_) => Ok(()),
            },
            IPV6 => match <[u8; 16]>::try_from(value) {
                Ok(octets) if self.ipv6_prefix < 128 => {
                    write!(shown, "ip:{}/{}", IpAddr::from(octets), self.ipv6_prefix)
                }
                Ok(octets) => write!(shown, "ip:{}", IpAddr::from(octets)),
                Err(_) => Ok(()),
            },
            _ => {
                let separator = if matches!(part, KeyBy::Header(_) | KeyBy::Cookie(_)) { '=' } else { ':' };
                let is_digest = tag.is_ascii_uppercase();
                let secret = match part {
                    KeyBy::Header(name) => is_secret(name.as_str()),
                    KeyBy::Cookie(_) => true,
                    _ => false,
                };
                if is_digest {
                    write!(shown, "{part}{separator}sha256:{}", hex(&value[..value.len().min(16)]))
                } else if secret {
                    write!(shown, "{part}{separator}sha256:{}", hex(&digest(value)[..16]))
                } else {
                    write!(shown, "{part}{separator}{}", String::from_utf8_lossy(value))
                }
            }
        };
    }
}

/// Do values of that header let somebody in?
fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 8] = ["auth", "key", "token", "secret", "cookie", "password", "session", "credential"];
    WORDS.iter().any(|word| name.contains(word))
}

fn put(key: &mut Vec<u8>, tag: u8, value: &[u8]) {
    key.push(tag);
    key.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
    key.extend_from_slice(value);
}

fn text(key: &mut Vec<u8>, tag: u8, value: &[u8], as_digest: bool) {
    if as_digest || value.len() > LONGEST { put(key, tag - DIGEST, &digest(value)) } else { put(key, tag, value) }
}

fn address(key: &mut Vec<u8>, address: IpAddr, ipv6_prefix: u8) {
    match address.to_canonical() {
        IpAddr::V4(address) => put(key, IPV4, &address.octets()),
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(ipv6_prefix.min(128))).unwrap_or(0);
            put(key, IPV6, &(address.to_bits() & mask).to_be_bytes());
        }
    }
}

/// The first cookie of that name.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &[u8]) -> Option<&'h [u8]> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|byte| *byte == b';')).find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        (pair[..at].trim_ascii() == name).then(|| pair[at + 1..].trim_ascii())
    })
}

fn digest(value: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, value).as_ref());
    bytes
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hexadecimal digits as bytes.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
    digits.len().is_multiple_of(2).then_some(())?;
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}
