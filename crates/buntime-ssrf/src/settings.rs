//! What an operator lists as allowed. Each entry is read once, and what could never be allowed is an error there.

use std::fmt;

use ipnet::{IpNet, Ipv4Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    address::{Class, classify},
    name::{self, is_below},
    prefix::UrlPrefix,
    refused::Refused,
    target::{Host, Target},
    url_text,
};

/// Where calls may go that would be refused: private networks and names inside a cluster. Loopback, link-local,
/// metadata and reserved addresses stay refused whatever is listed. An address that the configuration itself names, of
/// an upstream for example, is called as written and needs no entry here.
///
/// Who lists a name vouches for what it resolves to: list names of your own only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutboundSettings {
    /// Hosts, exactly: `billing.internal`, `10.1.2.3`. A private address is allowed for such a name.
    pub allow_hosts: Vec<AllowedHost>,
    /// Names below a suffix: `svc.cluster.local` is that name and all below it, `.corp.example` only those below.
    pub allow_suffixes: Vec<AllowedSuffix>,
    /// Private ranges in CIDR notation, whatever public name leads there: `10.20.0.0/16`, `fd12::/16`.
    pub allow_cidrs: Vec<AllowedCidr>,
    /// URLs with all below their path, compared part by part: `http://hooks.internal:9000/in`. A port that is written
    /// is allowed too where it would be refused.
    pub allow_urls: Vec<UrlPrefix>,
    /// Nothing may be called that is not listed above.
    pub only_listed: bool,
}

/// An entry that cannot be read, or that could never be allowed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{entry}` {why}")]
pub struct BadEntry {
    entry: String,
    why: String,
}

impl BadEntry {
    pub(crate) fn new(entry: &str, why: impl fmt::Display) -> Self {
        Self { entry: entry.to_owned(), why: why.to_string() }
    }

    /// What is wrong with it, for who shows the entry already: `is no range …`, or a sentence of its own.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// One host, by name or address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline, extend("format" = "outbound-host"))]
pub struct AllowedHost(pub(crate) Host);

impl TryFrom<String> for AllowedHost {
    type Error = BadEntry;

    fn try_from(text: String) -> Result<Self, BadEntry> {
        let target = as_host(&text)?;
        possible(&text, &target)?;
        Ok(Self(target.host))
    }
}

impl From<AllowedHost> for String {
    fn from(host: AllowedHost) -> Self {
        host.0.to_string()
    }
}

/// The names below a suffix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline, extend("format" = "outbound-suffix"))]
pub struct AllowedSuffix {
    suffix: String,
    itself: bool,
}

impl AllowedSuffix {
    pub(crate) fn matches(&self, name: &str) -> bool {
        is_below(name, &self.suffix) && (self.itself || name != self.suffix)
    }
}

impl TryFrom<String> for AllowedSuffix {
    type Error = BadEntry;

    fn try_from(text: String) -> Result<Self, BadEntry> {
        let bare = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
        let target = as_host(bare.unwrap_or(&text)).map_err(|error| BadEntry::new(&text, error.why))?;
        let Host::Name(suffix) = target.host else {
            return Err(BadEntry::new(&text, "is an address; list it in `allowHosts` or `allowCidrs`"));
        };
        if let Some(kind) = name::classify(&suffix).filter(|kind| !kind.can_be_allowed()) {
            return Err(BadEntry::new(&text, format_args!("{kind} and is never allowed; remove it")));
        }
        Ok(Self { suffix, itself: bare.is_none() })
    }
}

impl From<AllowedSuffix> for String {
    fn from(suffix: AllowedSuffix) -> Self {
        if suffix.itself { suffix.suffix } else { format!(".{}", suffix.suffix) }
    }
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline, extend("format" = "outbound-cidr"))]
pub struct AllowedCidr(pub(crate) IpNet);

impl TryFrom<String> for AllowedCidr {
    type Error = BadEntry;

    fn try_from(text: String) -> Result<Self, BadEntry> {
        let help = "is no range in CIDR notation; write 10.0.0.0/8 or fd00::/8";
        let net: IpNet = text.parse().map_err(|_| BadEntry::new(&text, help))?;
        let net = unwrapped(net.trunc()).ok_or_else(|| BadEntry::new(&text, help))?;
        let (first, last) = (classify(net.network()), classify(net.broadcast()));
        if first == last && first != Class::Public && !first.can_be_allowed() {
            return Err(BadEntry::new(&text, format_args!("is {first} and is never allowed; remove it")));
        }
        Ok(Self(net))
    }
}

impl From<AllowedCidr> for String {
    fn from(cidr: AllowedCidr) -> Self {
        cidr.0.to_string()
    }
}

/// A range of IPv4 addresses wrapped in IPv6, as IPv4: that is how addresses are compared.
fn unwrapped(net: IpNet) -> Option<IpNet> {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.network().to_ipv4_mapped() {
            Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - 96).ok().map(IpNet::V4),
            None => Some(net),
        },
        _ => Some(net),
    }
}

/// A host alone, read as the host of a URL.
fn as_host(text: &str) -> Result<Target, BadEntry> {
    let help = "is no host; write a name or an address alone, without scheme, port or path";
    if text.contains(['/', '?', '#', '@']) || (text.contains(':') && text.parse::<std::net::Ipv6Addr>().is_err()) {
        return Err(BadEntry::new(text, help));
    }
    let url = if text.contains(':') { format!("http://[{text}]/") } else { format!("http://{text}/") };
    url_text::read(&url).map_err(|refused| match refused {
        Refused::Unreadable(why) => BadEntry::new(text, format_args!("is no host: {why}")),
        refused => BadEntry::new(text, format_args!("is not allowed: {refused}")),
    })
}

/// An error for what is refused whatever is listed.
pub(crate) fn possible(text: &str, target: &Target) -> Result<(), BadEntry> {
    match &target.host {
        Host::Ip(address) => {
            let class = classify(*address);
            if class != Class::Public && !class.can_be_allowed() {
                return Err(BadEntry::new(text, format_args!("is {class} and is never allowed; remove it")));
            }
        }
        Host::Name(name) => {
            if let Some(kind) = name::classify(name).filter(|kind| !kind.can_be_allowed()) {
                return Err(BadEntry::new(text, format_args!("{kind} and is never allowed; remove it")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(settings: Value) -> Result<OutboundSettings, String> {
        serde_json::from_value(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_read_is_written_again() {
        let text = json!({
            "allowHosts": ["billing.internal", "10.1.2.3", "redis", "fd12::1"],
            "allowSuffixes": ["svc.cluster.local", ".corp.example"],
            "allowCidrs": ["10.20.0.0/16", "fd12::/16", "0.0.0.0/0"],
            "allowUrls": ["http://hooks.internal:9000/in"],
            "onlyListed": true,
        });
        let settings = read(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap(), text);
        let other = json!({ "allowSuffixes": ["*.corp.example"], "allowHosts": ["BÜCHER.example".to_lowercase(), "A.b."],
            "allowCidrs": ["10.20.1.2/16", "::ffff:10.0.0.0/104"] });
        let settings = serde_json::to_value(read(other).unwrap()).unwrap();
        assert_eq!(settings["allowSuffixes"], json!([".corp.example"]));
        assert_eq!(settings["allowHosts"], json!(["xn--bcher-kva.example", "a.b"]));
        assert_eq!(settings["allowCidrs"], json!(["10.20.0.0/16", "10.0.0.0/8"]));
        assert_eq!(read(json!({})).unwrap(), OutboundSettings::default());
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (settings, words) in [
            (json!({ "allowHosts": ["localhost"] }), "is never allowed"),
            (json!({ "allowHosts": ["127.0.0.1"] }), "is a loopback address and is never allowed"),
            (json!({ "allowHosts": ["169.254.169.254"] }), "cloud metadata"),
            (json!({ "allowHosts": ["metadata.google.internal"] }), "cloud metadata"),
            (json!({ "allowHosts": ["http://a.internal"] }), "without scheme"),
            (json!({ "allowHosts": ["a.internal:80"] }), "without scheme, port"),
            (json!({ "allowHosts": ["a b"] }), "is no host"),
            (json!({ "allowHosts": ["0x0a000001"] }), "private address"),
            (json!({ "allowHosts": [""] }), "is no host"),
            (json!({ "allowSuffixes": ["*."] }), "is no host"),
            (json!({ "allowSuffixes": ["10.0.0.1"] }), "allowCidrs"),
            (json!({ "allowSuffixes": ["localhost"] }), "never allowed"),
            (json!({ "allowCidrs": ["127.0.0.0/8"] }), "is a loopback address and is never allowed"),
            (json!({ "allowCidrs": ["169.254.169.254/32"] }), "never allowed"),
            (json!({ "allowCidrs": ["fd00:ec2::/32"] }), "never allowed"),
            (json!({ "allowCidrs": ["10.0.0.0/33"] }), "CIDR"),
            (json!({ "allowCidrs": ["10.0.0.0"] }), "CIDR"),
            (json!({ "allowUrls": ["ftp://a.internal/"] }), "only http and https"),
            (json!({ "allowUrls": ["http://a.internal/?x=1"] }), "query"),
            (json!({ "allowUrls": ["http://a.internal/#x"] }), "query"),
            (json!({ "allowUrls": ["http://localhost:9000/"] }), "never allowed"),
            (json!({ "allowUrls": ["http://a.internal/x%2fy"] }), "path"),
            (json!({ "allow": [] }), "unknown field"),
        ] {
            let error = read(settings.clone()).unwrap_err();
            assert!(error.contains(words), "{settings}: {error}");
        }
    }
}
