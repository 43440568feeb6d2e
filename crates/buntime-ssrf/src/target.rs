//! A URL whose every part is known: what is judged, and what is sent.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use url::Url;

/// Where a URL leads: a name that must be resolved, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// In lower case, as ASCII, without a last dot.
    Name(String),
    /// In its plain form: an IPv4 address is never wrapped in IPv6.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// An http or https URL about which parsers agree, in its normal form: without user name and fragment, with a host, its
/// path without dot segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) url: Url,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl Target {
    /// The URL in its normal form. This is what is requested, whatever was written.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, the scheme's own if none is written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Is TLS spoken?
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The same scheme, host and port?
    pub fn same_origin(&self, other: &Self) -> bool {
        self.is_https() == other.is_https() && self.host == other.host && self.port == other.port
    }

    /// `https://host:port`, the port always written.
    pub(crate) fn origin(&self) -> String {
        let scheme = self.url.scheme();
        match &self.host {
            Host::Ip(address) => format!("{scheme}://{}", SocketAddr::new(*address, self.port)),
            Host::Name(name) => format!("{scheme}://{name}:{}", self.port),
        }
    }
}
