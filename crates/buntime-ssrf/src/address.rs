//! What an address is: public, or one of the kinds that a guard refuses.
//!
//! The tables are those of the IANA special-purpose registries (RFC 6890 and what came after), with the addresses of
//! cloud metadata services put before them. What is not known to be public is not public.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::embedded::embedded;

/// What kind of address one is. Ordered by how bad it is: [`Class::Public`] is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Reachable by anybody.
    Public,
    /// Shared between a provider and its customers (carrier-grade NAT, RFC 6598).
    Shared,
    /// Private (RFC 1918, unique local IPv6, local NAT64).
    Private,
    /// A range that documentation uses.
    Documentation,
    /// A range for benchmarks.
    Benchmarking,
    /// Reserved, not allocated, or not routed in public.
    Reserved,
    /// Reaches its IPv4 end through a tunnel of the transition to IPv6 (6to4, Teredo, compatible addresses).
    Tunnel,
    /// Everybody on a network.
    Broadcast,
    /// A group.
    Multicast,
    /// This network, or no address at all.
    Unspecified,
    /// Of this link only.
    LinkLocal,
    /// This machine.
    Loopback,
    /// Where a cloud tells a machine its credentials, or serves it otherwise.
    Metadata,
}

impl Class {
    /// Private and shared addresses can be allowed. Nothing else that is not public can.
    pub fn can_be_allowed(self) -> bool {
        matches!(self, Self::Private | Self::Shared)
    }

    /// As the end of "it is …".
    fn words(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Shared => "a shared address (carrier-grade NAT)",
            Self::Private => "a private address",
            Self::Documentation => "a documentation address",
            Self::Benchmarking => "a benchmarking address",
            Self::Reserved => "a reserved address",
            Self::Tunnel => "an address behind a deprecated tunnel",
            Self::Broadcast => "a broadcast address",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Loopback => "a loopback address",
            Self::Metadata => "the address of a cloud metadata service",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// What an address is, with the IPv4 addresses that an IPv6 address holds: the worst of them counts.
pub fn classify(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => {
            let inner = embedded(address);
            // Written that way it is the IPv4 address, and is connected to as that.
            if let Some(mapped) = address.to_ipv4_mapped() {
                return classify_v4(mapped);
            }
            inner.iter().map(|inner| classify_v4(*inner)).fold(classify_v6(address), Class::max)
        }
    }
}

/// The same address in the form it is connected to: IPv4 where IPv6 only wraps it (`::ffff:a.b.c.d`).
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Public addresses and those of private ranges that serve only the machines of one cloud: instance metadata,
/// credentials of containers, the host's agent.
const METADATA_V4: [Ipv4Addr; 9] = [
    // AWS, Azure, Google, DigitalOcean, Oracle, OpenStack and most others.
    Ipv4Addr::new(169, 254, 169, 254),
    // Credentials of AWS ECS tasks and EKS pods.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    // Tencent, Scaleway.
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    // Alibaba, Volcengine.
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(100, 96, 0, 96),
    // The host's agent on Azure; public by its range.
    Ipv4Addr::new(168, 63, 129, 16),
    // Oracle's first generation.
    Ipv4Addr::new(192, 0, 0, 192),
];

fn classify_v4(address: Ipv4Addr) -> Class {
    if METADATA_V4.contains(&address) {
        return Class::Metadata;
    }
    match address.octets() {
        [0, ..] => Class::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private,
        [100, 64..=127, ..] => Class::Shared,
        [127, ..] => Class::Loopback,
        [169, 254, ..] => Class::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Documentation,
        // Protocol assignments; the relays of 6to4.
        [192, 0, 0, _] | [192, 88, 99, _] => Class::Reserved,
        [198, 18 | 19, ..] => Class::Benchmarking,
        [224..=239, ..] => Class::Multicast,
        [255, 255, 255, 255] => Class::Broadcast,
        [240..=255, ..] => Class::Reserved,
        _ => Class::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    let s = address.segments();
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        // Compatible with IPv4 (deprecated), and translated (RFC 2765).
        [0, 0, 0, 0, 0 | 0xffff, 0, _, _] => Class::Tunnel,
        // NAT64: as public as what it holds.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Class::Public,
        [0x64, 0xff9b, 1, ..] => Class::Private,
        [0xff00..=0xffff, ..] => Class::Multicast,
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        // Services of AWS (all of fd00:ec2::/32), Google, Scaleway.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] => {
            Class::Metadata
        }
        [0xfc00..=0xfdff, ..] => Class::Private,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Class::Documentation,
        [0x2001, 2, 0, ..] => Class::Benchmarking,
        // Teredo; 6to4.
        [0x2001, 0, ..] | [0x2002, ..] => Class::Tunnel,
        // The rest of the protocol assignments, 2001::/23.
        [0x2001, 0..=0x1ff, ..] => Class::Reserved,
        // Nothing but this eighth has been given to anybody.
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_range_is() {
        use Class::*;
        for (class, addresses) in [
            (Public, &["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255"][..]),
            (Public, &["172.32.0.0", "192.0.1.0", "192.167.255.255", "198.17.0.1", "198.20.0.0", "223.255.255.255"]),
            (Public, &["169.253.1.1", "11.0.0.0", "128.0.0.1", "126.255.255.255", "2606:4700::1111", "2001:200::1"]),
            (Public, &["2a00::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2001:4860:4860::8888", "2620:4f:8000::1"]),
            (Private, &["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0"]),
            (Private, &["192.168.255.255", "fc00::1", "fdff::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"]),
            (Private, &["64:ff9b:1::8.8.8.8", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:10.0.0.1"]),
            (Shared, &["100.64.0.0", "100.127.255.255", "::ffff:100.64.0.1", "64:ff9b::100.64.0.1"]),
            (Loopback, &["127.0.0.0", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::127.0.0.1"]),
            (Loopback, &["64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::", "2002:7f00:1::"]),
            (Loopback, &["2001:0:1234::80ff:fffe", "2001:0:7f00:1::", "fe80::5efe:127.0.0.1", "::ffff:0:127.0.0.1"]),
            (LinkLocal, &["169.254.0.0", "169.254.255.255", "fe80::1", "febf::1", "::ffff:169.254.1.1"]),
            (Unspecified, &["0.0.0.0", "0.255.255.255", "::", "::ffff:0.0.0.0", "64:ff9b::0.0.0.0"]),
            (Multicast, &["224.0.0.1", "239.255.255.255", "ff02::1", "ff00::"]),
            (Broadcast, &["255.255.255.255", "::ffff:255.255.255.255"]),
            (Reserved, &["240.0.0.0", "255.255.255.254", "192.0.0.1", "192.88.99.1", "100::1", "4000::1", "fec0::1"]),
            (Reserved, &["5f00::1", "2001:20::1", "2001:1::1", "64:ff9b:2::1", "200::1", "1::"]),
            (Documentation, &["192.0.2.1", "198.51.100.255", "203.0.113.0", "2001:db8::1", "3fff::1", "3fff:fff::1"]),
            (Benchmarking, &["198.18.0.0", "198.19.255.255", "2001:2::1"]),
            (Tunnel, &["2002:808:808::1", "::8.8.8.8", "2001:0:808:808::f7f7:f7f7", "::ffff:0:8.8.8.8"]),
            (Metadata, &["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"]),
            (Metadata, &["168.63.129.16", "192.0.0.192", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]),
            (Metadata, &["2002:a9fe:a9fe::", "::a9fe:a9fe", "169.254.170.2"]),
        ] {
            for address in addresses {
                assert_eq!(classify(address.parse().unwrap()), class, "{address}");
            }
        }
    }

    #[test]
    fn only_private_and_shared_can_be_allowed() {
        assert!(Class::Private.can_be_allowed() && Class::Shared.can_be_allowed());
        assert!(!Class::Metadata.can_be_allowed() && !Class::Loopback.can_be_allowed());
    }
}
