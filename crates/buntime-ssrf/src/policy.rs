//! What is allowed: the fixed rules, and what the settings add.

use std::net::IpAddr;

use crate::{
    address::{Class, classify, plain},
    embedded::embedded,
    name,
    refused::Refused,
    settings::OutboundSettings,
    target::{Host, Target},
};

/// The rules. The default allows public addresses alone.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    settings: OutboundSettings,
}

impl From<OutboundSettings> for Policy {
    fn from(settings: OutboundSettings) -> Self {
        Self { settings }
    }
}

/// Ports of protocols that are not HTTP: those that browsers refuse (Fetch Standard, "bad port"), and of databases and
/// queues that read lines, to which a request can be made to look like commands.
const OTHER_PROTOCOLS: [u16; 92] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 3306,
    3389, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
    27017,
];

impl Policy {
    /// What can be said before a name is resolved.
    pub(crate) fn judge(&self, target: &Target) -> Result<(), Refused> {
        let listed = self.lists(target);
        match &target.host {
            Host::Ip(address) => {
                let class = classify(*address);
                if !self.allows(*address, class, listed) {
                    return Err(Refused::Address { address: *address, class });
                }
                if !self.is_open(*address, listed) {
                    return Err(Refused::NotListed);
                }
            }
            Host::Name(name) => {
                if let Some(kind) = name::classify(name)
                    && !(listed && kind.can_be_allowed())
                {
                    return Err(Refused::Name { name: name.clone(), kind });
                }
                // With ranges on the list its addresses decide.
                if self.settings.only_listed && !listed && self.settings.allow_cidrs.is_empty() {
                    return Err(Refused::NotListed);
                }
            }
        }
        self.judge_port(target)
    }

    /// All that a name resolved to. One bad address refuses them all: who answers so wants something.
    pub(crate) fn judge_answers(&self, target: &Target, name: &str, answers: &[IpAddr]) -> Result<(), Refused> {
        let listed = self.lists(target);
        let bad = answers.iter().map(|address| (classify(*address), *address));
        let worst = bad.filter(|(class, address)| !self.allows(*address, *class, listed)).max();
        if let Some((class, address)) = worst {
            return Err(Refused::Answer { name: name.to_owned(), address: plain(address), class });
        }
        if answers.iter().all(|address| self.is_open(*address, listed)) { Ok(()) } else { Err(Refused::NotListed) }
    }

    fn judge_port(&self, target: &Target) -> Result<(), Refused> {
        let vouched = || self.settings.allow_urls.iter().any(|prefix| prefix.names_port() && prefix.matches(target));
        if OTHER_PROTOCOLS.contains(&target.port) && !vouched() { Err(Refused::Port(target.port)) } else { Ok(()) }
    }

    /// Is it on one of the lists that need no address?
    fn lists(&self, target: &Target) -> bool {
        let settings = &self.settings;
        let by_name = match &target.host {
            Host::Name(name) => settings.allow_suffixes.iter().any(|suffix| suffix.matches(name)),
            Host::Ip(_) => false,
        };
        by_name
            || settings.allow_hosts.iter().any(|host| host.0 == target.host)
            || settings.allow_urls.iter().any(|prefix| prefix.matches(target))
    }

    fn allows(&self, address: IpAddr, class: Class, listed: bool) -> bool {
        class == Class::Public || (class.can_be_allowed() && (listed || self.has_range(address)))
    }

    fn is_open(&self, address: IpAddr, listed: bool) -> bool {
        !self.settings.only_listed || listed || self.has_range(address)
    }

    /// Is it in a listed range, or, wrapped in IPv6, is all that it holds?
    fn has_range(&self, address: IpAddr) -> bool {
        let has = |address: IpAddr| self.settings.allow_cidrs.iter().any(|net| net.0.contains(&address));
        let inside = |v6| {
            let inner = embedded(v6);
            !inner.is_empty() && inner.into_iter().all(|v4| has(v4.into()))
        };
        match plain(address) {
            IpAddr::V6(v6) => has(v6.into()) || inside(v6),
            v4 @ IpAddr::V4(_) => has(v4),
        }
    }
}
