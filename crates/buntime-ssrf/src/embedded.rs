//! IPv4 addresses inside IPv6 addresses: every form that something on the way may unwrap.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv4 addresses that `address` may stand for. Where a form leaves open which bits they are, all readings.
pub(crate) fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let b = address.octets();
    let s = address.segments();
    let last = Ipv4Addr::new(b[12], b[13], b[14], b[15]);
    match s {
        // The unspecified and the loopback address hold nothing.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        // Compatible; mapped; translated (RFC 2765); the well-known prefix of NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            vec![last]
        }
        // The local prefix of NAT64 (RFC 8215): whoever runs it chose how long the prefix is (RFC 6052, 2.2).
        [0x64, 0xff9b, 1, ..] => local_nat64(b),
        // Teredo (RFC 4380): the server, and the client with all bits turned.
        [0x2001, 0, ..] => vec![Ipv4Addr::new(b[4], b[5], b[6], b[7]), Ipv4Addr::from(!u32::from(last))],
        // 6to4 (RFC 3056).
        [0x2002, ..] => vec![Ipv4Addr::new(b[2], b[3], b[4], b[5])],
        // ISATAP (RFC 5214), under any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => vec![last],
        _ => Vec::new(),
    }
}

/// The readings for each length of the prefix. Nothing is translated to 0.0.0.0/8: a reading that begins with a zero is
/// of the wrong length, unless all do.
fn local_nat64(b: [u8; 16]) -> Vec<Ipv4Addr> {
    let last = Ipv4Addr::new(b[12], b[13], b[14], b[15]);
    let mut readings = vec![
        last,
        Ipv4Addr::new(b[6], b[7], b[9], b[10]),
        Ipv4Addr::new(b[7], b[9], b[10], b[11]),
        Ipv4Addr::new(b[9], b[10], b[11], b[12]),
    ];
    readings.retain(|reading| reading.octets()[0] != 0);
    if readings.is_empty() { vec![last] } else { readings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_form_holds_the_address(bits in any::<u32>(), prefix in 0x2003u16..0x3000) {
            let v4 = Ipv4Addr::from(bits);
            let (high, low) = ((bits >> 16) as u16, bits as u16);
            let [a, b, c, d] = v4.octets();
            let pair = |x: u8, y: u8| u16::from_be_bytes([x, y]);
            let forms = [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 9, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, pair(a, b), pair(0, c), pair(d, 0), 0, 0),
                Ipv6Addr::new(0x64, 0xff9b, 1, pair(9, a), pair(0, b), pair(c, d), 0, 0),
                Ipv6Addr::new(0x64, 0xff9b, 1, 9, pair(0, a), pair(b, c), pair(d, 0), 0),
                Ipv6Addr::new(0x2002, high, low, 1, 2, 3, 4, 5),
                Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 1, 1),
                Ipv6Addr::new(0x2001, 0, 1, 1, 0, 0, !high, !low),
                Ipv6Addr::new(prefix, 0, 0, 1, 0, 0x5efe, high, low),
                Ipv6Addr::new(prefix, 0, 0, 1, 0x200, 0x5efe, high, low),
            ];
            for form in forms {
                prop_assert!(a == 0 || embedded(form).contains(&v4), "{form}");
            }
            if bits > 1 {
                prop_assert!(embedded(Ipv6Addr::from(u128::from(bits))).contains(&v4));
            }
        }
    }
}
