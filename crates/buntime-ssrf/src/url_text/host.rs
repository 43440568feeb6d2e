//! The host of a URL, strictly: an address in its standard spelling, or a name that is a name to everybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::numbers;
use crate::{
    address::{classify, plain},
    refused::{Disputed, Refused},
    target::Host,
};

/// What the strict reading makes of the host part of a URL.
pub(super) fn read(text: &str) -> Result<Host, Refused> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or(inner);
        if inner.contains('%') {
            return Err(Refused::Unreadable("an address in a URL has no zone"));
        }
        let address: Ipv6Addr =
            inner.parse().map_err(|_| Refused::Unreadable("what is in brackets is no IPv6 address"))?;
        return Ok(Host::Ip(plain(address.into())));
    }
    if text.contains('%') {
        return Err(hidden(text).unwrap_or(Refused::Disputed(Disputed::Host)));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(address.into()));
    }
    let name = if text.is_ascii() { text.to_ascii_lowercase() } else { ascii(text)? };
    // One last dot says that the name is whole.
    let name = name.strip_suffix('.').unwrap_or(&name);
    if numbers::ends_in_number(name) {
        return Err(worst(numbers::readings(name)).unwrap_or(Refused::Disputed(Disputed::Number)));
    }
    check(name)?;
    Ok(Host::Name(name.to_owned()))
}

/// Labels of letters, digits, hyphens and underscores. Others are names to some parsers and resolvers only.
fn check(name: &str) -> Result<(), Refused> {
    if name.len() > 253 {
        return Err(Refused::Unreadable("its host is longer than 253 characters"));
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err(Refused::Unreadable("each part of the host between dots has 1 to 63 characters"));
        }
        if !label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')) {
            return Err(Refused::Unreadable("its host has a character that no host name has"));
        }
    }
    Ok(())
}

/// A name in other letters than ASCII is taken only where all versions of IDNA agree: in its normal form, and without
/// the four letters that the versions treat differently.
fn ascii(text: &str) -> Result<String, Refused> {
    let disputed = || hidden(text).unwrap_or(Refused::Disputed(Disputed::Letters));
    if text.contains(['ß', 'ς', '\u{200c}', '\u{200d}']) {
        return Err(disputed());
    }
    let ascii = idna::domain_to_ascii_strict(text.strip_suffix('.').unwrap_or(text)).map_err(|_| disputed())?;
    let (back, fine) = idna::domain_to_unicode(&ascii);
    let written: String = text.strip_suffix('.').unwrap_or(text).chars().map(|c| c.to_ascii_lowercase()).collect();
    if fine.is_err() || back != written { Err(disputed()) } else { Ok(ascii) }
}

/// What a host that is refused for its letters would have been to a parser that maps them.
fn hidden(text: &str) -> Option<Refused> {
    match url::Host::parse(text).ok()? {
        url::Host::Ipv4(address) => worst(vec![address]),
        url::Host::Ipv6(address) => refused(address.into()),
        url::Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            let kind = crate::name::classify(name)?;
            Some(Refused::Name { name: name.to_owned(), kind })
        }
    }
}

fn worst(readings: Vec<Ipv4Addr>) -> Option<Refused> {
    readings.into_iter().max_by_key(|address| classify((*address).into())).and_then(|address| refused(address.into()))
}

/// The refusal of an address that is not public.
fn refused(address: IpAddr) -> Option<Refused> {
    let class = classify(address);
    (class != crate::Class::Public).then_some(Refused::Address { address: plain(address), class })
}
