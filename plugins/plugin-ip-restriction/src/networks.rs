//! Lists of networks as they are written, and what is wrong with them.

use std::net::IpAddr;

use buntime_core::SettingsProblem;
use ipnet::{IpNet, Ipv4Net};

use crate::ranges::AddressSet;

/// Problems of one list that are told one by one.
const MOST_TOLD: usize = 20;
/// Entries of one list.
pub(crate) const MOST_ENTRIES: usize = 1_000_000;

/// An address, or a network in CIDR notation, as the set of addresses it means. Bits behind the prefix stay.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let IpNet::V6(six) = network else { return Some(network) };
    let mapped = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96));
    match mapped {
        Some((address, length)) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        None => Some(network),
    }
}

/// The networks of a list that was checked.
pub(crate) fn set(list: &[String]) -> AddressSet {
    AddressSet::new(list.iter().filter_map(|text| network(text)))
}

/// Says what is wrong with a list.
pub(crate) fn check(list: &[String], key: &str, problems: &mut Vec<SettingsProblem>) {
    if list.len() > MOST_ENTRIES {
        let problem = SettingsProblem::new(format!("/{key}"), format!("{} entries are too many", list.len()));
        problems.push(problem.with_help(format!("write at most {MOST_ENTRIES}")));
        return;
    }
    let mut told = Telling { key, problems, wrong: 0 };
    let mut read: Vec<(IpNet, usize)> = Vec::with_capacity(list.len());
    for (index, text) in list.iter().enumerate() {
        match network(text) {
            None => told.say(index, format!("`{text}` is neither an address nor a network"), || {
                "write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32".to_owned()
            }),
            Some(network) if network != network.trunc() => {
                told.say(index, format!("`{text}` has bits behind its prefix"), || {
                    format!("write {} for the network, or {} for the one address", network.trunc(), network.addr())
                });
            }
            Some(network) => read.push((network, index)),
        }
    }
    // The same ones come together, in the order of the list.
    read.sort_unstable();
    for pair in read.windows(2) {
        if let [(first, at), (second, again)] = pair
            && first == second
        {
            let message = format!("`{}` is listed twice", list[*again]);
            told.say(*again, message, || format!("leave it out: it is entry {at}, `{}`, already", list[*at]));
        }
    }
    told.rest();
}

/// Says which entries of `allow` let nobody in, because `deny` holds all of their addresses.
pub(crate) fn check_against(allow: &[String], deny: &[String], problems: &mut Vec<SettingsProblem>) {
    let denied = set(deny);
    let mut told = Telling { key: "allow", problems, wrong: 0 };
    for (index, text) in allow.iter().enumerate() {
        if network(text).is_some_and(|network| denied.covers(&network)) {
            let message = format!("`{text}` lets nobody in: `deny` has all of it, and wins");
            told.say(index, message, || "take it out here, or make the network in `deny` smaller".to_owned());
        }
    }
    told.rest();
}

/// An entry that lies within another of its list, and that one; how many there are.
pub(crate) fn nested(list: &[String]) -> Option<(&str, &str, usize)> {
    let mut read: Vec<(IpNet, &str)> =
        list.iter().filter_map(|text| network(text).map(|network| (network, text.as_str()))).collect();
    // The wider ones first, of those that begin together.
    read.sort_unstable();
    let (mut around, mut found) = (None::<(IpNet, &str)>, None);
    let mut count = 0;
    for (network, text) in read {
        match around {
            Some((wide, name)) if wide.contains(&network) => {
                count += 1;
                found.get_or_insert((text, name));
            }
            _ => around = Some((network, text)),
        }
    }
    found.map(|(inner, outer)| (inner, outer, count))
}

/// Tells the first problems of a list, and how many more there are.
struct Telling<'a> {
    key: &'a str,
    problems: &'a mut Vec<SettingsProblem>,
    wrong: usize,
}

impl Telling<'_> {
    fn say(&mut self, index: usize, message: String, help: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.wrong <= MOST_TOLD {
            self.problems.push(SettingsProblem::new(format!("/{}/{index}", self.key), message).with_help(help()));
        }
    }

    fn rest(self) {
        if let Some(more @ 1..) = self.wrong.checked_sub(MOST_TOLD) {
            self.problems.push(SettingsProblem::new(format!("/{}", self.key), format!("{more} more are wrong")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_within_others_are_found() {
        let list = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(nested(&list(&["10.1.0.0/16", "192.0.2.1", "2001:db8::/32"])), None);
        let several = list(&["10.1.0.0/16", "10.0.0.0/8", "11.0.0.0/8", "10.0.0.0/16", "::ffff:10.7.7.7"]);
        assert_eq!(nested(&several), Some(("10.0.0.0/16", "10.0.0.0/8", 3)));
    }
}
