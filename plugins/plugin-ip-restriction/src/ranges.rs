//! Sets of addresses: sorted ranges that do not overlap, searched by halves. IPv4 and IPv6 apart; IPv4 inside IPv6
//! (`::ffff:0:0/96`) is IPv4.

use std::net::IpAddr;

use ipnet::IpNet;

/// Ranges of one family, both ends inside, in order, none touching another.
#[derive(Debug)]
struct Ranges<T>(Box<[(T, T)]>);

impl<T: Copy + Ord> Ranges<T> {
    fn new(mut all: Vec<(T, T)>) -> Self {
        // Networks lie within each other or apart: of two that begin together the wider one comes first.
        all.sort_unstable_by(|(a, b), (c, d)| a.cmp(c).then(d.cmp(b)));
        let mut kept: Vec<(T, T)> = Vec::new();
        for (first, last) in all {
            if kept.last().is_none_or(|(_, before)| last > *before) {
                kept.push((first, last));
            }
        }
        Self(kept.into())
    }

    fn covers(&self, first: T, last: T) -> bool {
        let behind = self.0.partition_point(|(begins, _)| *begins <= first);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, ends)| last <= *ends)
    }
}

/// A set of addresses.
#[derive(Debug)]
pub(crate) struct AddressSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl AddressSet {
    /// The addresses of these networks.
    pub(crate) fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Self { v4: Ranges::new(v4), v6: Ranges::new(v6) }
    }

    /// Is it one of them? Allocates nothing.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.covers(address.to_bits(), address.to_bits()),
            IpAddr::V6(address) => self.v6.covers(address.to_bits(), address.to_bits()),
        }
    }

    /// Is every address of the network one of them? A network that only several others make up together does not
    /// count.
    pub(crate) fn covers(&self, network: &IpNet) -> bool {
        match network {
            IpNet::V4(net) => self.v4.covers(net.network().to_bits(), net.broadcast().to_bits()),
            IpNet::V6(net) => self.v6.covers(net.network().to_bits(), net.broadcast().to_bits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::networks::network;
    use proptest::prelude::*;

    fn set(list: &[&str]) -> AddressSet {
        AddressSet::new(list.iter().map(|text| network(text).unwrap()))
    }

    #[test]
    fn edges_are_inside_and_their_neighbours_are_not() {
        let set = set(&["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "255.255.255.255", "::"]);
        for inside in ["10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8:ffff::1", "255.255.255.255", "::"] {
            assert!(set.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.8", "2001:db9::", "::1", "0.0.0.0"] {
            assert!(!set.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(set.covers(&network("10.9.0.0/16").unwrap()) && !set.covers(&network("0.0.0.0/0").unwrap()));
        assert!(!AddressSet::new([]).contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn ipv4_inside_ipv6_is_ipv4() {
        assert!(set(&["10.0.0.0/8"]).contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(set(&["::ffff:10.0.0.0/104"]).contains("10.1.2.3".parse().unwrap()));
        assert!(!set(&["::/0"]).contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!set(&["0.0.0.0/0"]).contains("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn a_hundred_thousand_are_looked_up_without_an_allocation() {
        let every_other = |index: u32| IpNet::new(Ipv4Addr::from_bits(index << 9).into(), 24).unwrap();
        let set = AddressSet::new((0..100_000).map(every_other));
        let mut hits = 0;
        let used = allocation_counter::measure(|| {
            for index in 0..200_000_u32 {
                hits += u32::from(set.contains(Ipv4Addr::from_bits((index << 8) | 77).into()));
            }
        });
        assert_eq!((hits, used.count_total), (100_000, 0));
    }

    fn any_network() -> impl Strategy<Value = IpNet> {
        // Few high bits, so that networks nest and addresses hit.
        let v4 = (0_u32..64, 0_u8..=32).prop_map(|(bits, length)| (Ipv4Addr::from_bits(bits << 26).into(), length));
        let v6 = (0_u128..64, 0_u8..=128).prop_map(|(bits, length)| (Ipv6Addr::from_bits(bits << 122).into(), length));
        prop_oneof![v4, v6].prop_map(|(address, length): (IpAddr, u8)| IpNet::new(address, length).unwrap().trunc())
    }

    proptest! {
        #[test]
        fn says_what_a_linear_search_says(
            networks in prop::collection::vec(any_network(), 0..40),
            high in 0_u32..64, low in any::<u32>(), six in any::<bool>(),
        ) {
            let low = low >> 6;
            let address: IpAddr = if six {
                Ipv6Addr::from_bits((u128::from(high) << 122) | u128::from(low)).into()
            } else {
                Ipv4Addr::from_bits((high << 26) | low).into()
            };
            let set = AddressSet::new(networks.iter().copied());
            prop_assert_eq!(set.contains(address), networks.iter().any(|network| network.contains(&address)));
            for network in &networks {
                prop_assert!(set.covers(network));
            }
        }
    }
}
