//! Numbers that somebody reads as an IPv4 address: short, octal, hexadecimal, one whole number, or overflowing.
//!
//! Only four decimal numbers without leading zeros are taken as an address. The other readings serve to say what the
//! refused text would lead to.

use std::net::Ipv4Addr;

/// Does the last label look like a number? Such a host is an address or refused (WHATWG: "ends in a number").
pub(super) fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|c| c.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|c| c.is_ascii_digit()),
    }
}

/// Every address that `host` could be read as, with leading zeros as octal and as decimal, and with what is too large
/// cut off.
pub(super) fn readings(host: &str) -> Vec<Ipv4Addr> {
    let labels: Vec<&str> = host.split('.').collect();
    if labels.len() > 4 {
        return Vec::new();
    }
    let mut found = Vec::new();
    for octal in [true, false] {
        let numbers: Option<Vec<u128>> = labels.iter().map(|label| number(label, octal)).collect();
        let Some(numbers) = numbers else { continue };
        let Some((last, first)) = numbers.split_last() else { continue };
        let room = 8 * (4 - first.len());
        let mut bits = first.iter().fold(0u32, |bits, number| bits << 8 | (number & 0xff) as u32);
        // A shift by all 32 bits is not one.
        bits = bits.checked_shl(room as u32).unwrap_or(0);
        let mask = if room == 32 { u32::MAX } else { (1u32 << room) - 1 };
        let address = Ipv4Addr::from(bits | (*last as u32 & mask));
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

fn number(label: &str, octal: bool) -> Option<u128> {
    let lower = label.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        Some("") => return Some(0),
        Some(digits) => (digits, 16),
        None if octal && lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        None => (lower.as_str(), 10),
    };
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_numbers_are_read_as() {
        for (text, address) in [
            ("127.1", "127.0.0.1"),
            ("127.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0X7F.1", "127.0.0.1"),
            ("017700000001", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("0x7f.0x0.0.1", "127.0.0.1"),
            ("0000000000177.0.0.1", "127.0.0.1"),
            ("127.0.0.257", "127.0.0.1"),
            ("383.0.0.1", "127.0.0.1"),
            ("6425673729", "127.0.0.1"),
            ("169.254.43518", "169.254.169.254"),
            ("169.16689662", "169.254.169.254"),
            ("2852039166", "169.254.169.254"),
            ("0251.0376.0251.0376", "169.254.169.254"),
            ("0xa9fea9fe", "169.254.169.254"),
            ("0", "0.0.0.0"),
            ("0x", "0.0.0.0"),
            ("010.0.0.1", "10.0.0.1"),
            ("010.0.0.1", "8.0.0.1"),
        ] {
            assert!(readings(text).contains(&address.parse().unwrap()), "{text}: {:?}", readings(text));
        }
        for text in ["a.b", "1.2.3.4.5", "", "1..2", "09x"] {
            assert!(readings(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn which_hosts_end_in_a_number() {
        for host in ["1", "0x", "a.0x1f", "1.2.3.4", "example.09", "0x7f.1"] {
            assert!(ends_in_number(host), "{host}");
        }
        for host in ["a", "1.a", "0xg", "1.2.3.com", ""] {
            assert!(!ends_in_number(host), "{host}");
        }
    }
}
