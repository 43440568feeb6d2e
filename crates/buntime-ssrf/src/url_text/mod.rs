//! Reading a URL twice: by the letter of RFC 3986 and as browsers do (WHATWG). Where the two differ in what says where
//! it leads, it is refused.

mod host;
mod numbers;
mod strict;

use std::net::IpAddr;

use url::Url;

use crate::{
    address::plain,
    refused::{Disputed, Refused},
    target::{Host, Target},
};

/// The parts of a URL about which parsers agree. Says nothing of whether one may go there.
pub(crate) fn read(text: &str) -> Result<Target, Refused> {
    let strict = strict::split(text)?;
    let host = host::read(strict.host)?;
    let mut url = Url::parse(text).map_err(|_| Refused::Unreadable("its host is no host"))?;
    if url.scheme() != strict.scheme.to_ascii_lowercase() {
        return Err(Refused::Disputed(Disputed::Scheme));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Disputed(Disputed::Userinfo));
    }
    let default = if url.scheme() == "https" { 443 } else { 80 };
    let port = strict.port.unwrap_or(default);
    if url.port_or_known_default() != Some(port) {
        return Err(Refused::Disputed(Disputed::Port));
    }
    if whatwg_host(&url).as_ref() != Some(&host) {
        return Err(Refused::Disputed(Disputed::Host));
    }
    url.set_fragment(None);
    // One spelling from here on: without a last dot, and IPv4 as IPv4.
    let written = match &host {
        Host::Name(name) => url.set_host(Some(name)).is_ok(),
        Host::Ip(address) => url.set_ip_host(*address).is_ok(),
    };
    if !written || whatwg_host(&url).as_ref() != Some(&host) {
        return Err(Refused::Disputed(Disputed::Host));
    }
    Ok(Target { url, host, port })
}

fn whatwg_host(url: &Url) -> Option<Host> {
    Some(match url.host()? {
        url::Host::Domain(name) => Host::Name(name.strip_suffix('.').unwrap_or(name).to_owned()),
        url::Host::Ipv4(address) => Host::Ip(address.into()),
        url::Host::Ipv6(address) => Host::Ip(plain(IpAddr::V6(address))),
    })
}
