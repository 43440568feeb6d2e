//! What holds for every address and every text, against other parsers.

use std::net::{Ipv4Addr, Ipv6Addr};

use buntime_ssrf::{Class, Guard, Host, Refused, classify};
use proptest::prelude::*;

/// One octet or several as a number: decimal, octal or hexadecimal, perhaps with more zeros.
fn number(value: u32, base: u8, zeros: usize) -> String {
    let zeros = "0".repeat(zeros);
    match base % 3 {
        0 => value.to_string(),
        1 => format!("0{zeros}{value:o}"),
        _ => format!("0x{zeros}{value:x}"),
    }
}

/// The address in `parts` numbers, each in its own base.
fn spelled(address: u32, parts: usize, bases: [u8; 4], zeros: usize) -> String {
    let bytes = address.to_be_bytes();
    let mut texts: Vec<String> =
        bytes.iter().take(parts - 1).zip(bases).map(|(byte, base)| number((*byte).into(), base, zeros)).collect();
    let last = bytes[parts - 1..].iter().fold(0u32, |last, byte| last << 8 | u32::from(*byte));
    texts.push(number(last, bases[3], zeros));
    texts.join(".")
}

/// Addresses, the special ones as often as the others.
fn addresses() -> impl Strategy<Value = u32> {
    let special = prop::sample::select(vec![
        0x7f00_0001u32,
        0x0a00_0001,
        0xa9fe_a9fe,
        0,
        0xffff_ffff,
        0xc0a8_0101,
        0x6440_0001,
        0xe000_0001,
        0xac10_0001,
        0xc000_0201,
        0xc612_0001,
        0xf000_0001,
    ]);
    prop_oneof![any::<u32>(), (special, 0u32..256).prop_map(|(base, low)| base ^ low)]
}

fn urls() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "http",
        "https",
        "HTTP",
        "ftp",
        ":",
        "//",
        "/",
        "\\",
        "@",
        "?",
        "#",
        "[",
        "]",
        ".",
        "..",
        "%",
        "%2e",
        "%00",
        "80",
        "0",
        "0x7f",
        "127.0.0.1",
        "8.8.8.8",
        "::1",
        "::ffff:1.2.3.4",
        "example.com",
        "a",
        "xn--",
        "ü",
        "。",
        "\t",
        " ",
        "_",
        "-",
        "localhost",
        "65536",
        "①",
        "ß",
        "\u{200d}",
        ";",
        "&",
        "=",
        ",",
        "http://",
        "https://",
        "user",
    ]);
    let mixed = prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![
        mixed.clone(),
        mixed.prop_map(|rest| format!("http://{rest}")),
        "http://[a-z0-9.:%@\\[\\]/?#_-]{0,30}",
        "https?://[a-z0-9]{1,8}(\\.[a-z0-9]{1,5}){1,3}(:[0-9]{1,5})?(/[a-z.%0-9]{0,6}){0,3}(\\?[a-z=&@]{0,9})?",
        "\\PC*",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_spelling_of_an_ipv4_address_is_judged_as_the_plain_one(
        address in addresses(), parts in 1usize..=4, bases in any::<[u8; 4]>(), zeros in 0usize..3, dot in any::<bool>(),
    ) {
        let plain = Ipv4Addr::from(address);
        let text = format!("{}{}", spelled(address, parts, bases, zeros), if dot { "." } else { "" });
        let guard = Guard::default();
        let judged = guard.judge(&format!("http://{text}/"));
        match classify(plain.into()) {
            // Allowed in its plain spelling only: somebody reads the others as something else.
            Class::Public if text == plain.to_string() => prop_assert!(judged.is_ok()),
            Class::Public => prop_assert!(judged.is_err()),
            class => match judged {
                // A second reading (`010` as ten) may be worse; it is never better.
                Err(Refused::Address { class: found, .. }) => prop_assert!(found >= class, "{text}: {found:?}"),
                other => prop_assert!(false, "{text}: {other:?}"),
            },
        }
    }

    #[test]
    fn any_embedding_is_judged_as_what_it_holds(address in addresses()) {
        let plain = Ipv4Addr::from(address);
        let class = classify(plain.into());
        let (high, low) = ((address >> 16) as u16, address as u16);
        for form in [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        ] {
            prop_assert_eq!(classify(form.into()), class, "{}", form);
            let judged = Guard::default().judge(&format!("http://[{form}]/"));
            prop_assert_eq!(judged.is_ok(), class == Class::Public, "{}", form);
        }
        for form in [
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0, 0),
            Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low),
        ] {
            prop_assert!(classify(form.into()) >= class, "{}", form);
        }
    }

    /// Nothing that is allowed means something else to another parser: `http` (what sends it) and `fluent-uri` (RFC
    /// 3986 by the letter).
    #[test]
    fn other_parsers_agree_about_what_is_allowed(text in urls()) {
        let Ok(target) = Guard::default().judge(&text) else { return Ok(()) };
        let host = target.host().to_string();
        let bare = |host: &str| {
            let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
            let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
            host.parse::<std::net::IpAddr>().map_or(host, |ip| ip.to_canonical().to_string())
        };
        let default = if target.is_https() { 443 } else { 80 };
        for text in [text.as_str(), target.url().as_str()] {
            if let Ok(uri) = text.parse::<http::Uri>() {
                prop_assert_eq!(bare(uri.host().unwrap_or_default()), host.clone(), "{}", text);
                prop_assert_eq!(uri.port_u16().unwrap_or(default), target.port(), "{}", text);
            }
            if let Ok(uri) = fluent_uri::Uri::parse(text) {
                let authority = uri.authority().expect("an allowed URL has an authority");
                prop_assert!(!authority.has_userinfo(), "{}", text);
                prop_assert_eq!(bare(authority.host()), host.clone(), "{}", text);
                prop_assert_eq!(authority.port_to_u16().unwrap().unwrap_or(default), target.port(), "{}", text);
            }
        }
        prop_assert!(target.url().as_str().parse::<http::Uri>().is_ok(), "{}", target.url());
    }

    /// What is allowed stays allowed, and the same, in its normal form.
    #[test]
    fn the_normal_form_is_its_own(text in urls()) {
        let guard = Guard::default();
        if let Ok(target) = guard.judge(&text) {
            if let Host::Ip(address) = target.host() {
                prop_assert_eq!(classify(*address), Class::Public);
            }
            prop_assert_eq!(guard.judge(target.url().as_str()).unwrap(), target);
        }
    }

    #[test]
    fn nothing_panics(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Guard::default().judge(&text);
        let _ = Guard::default().judge(&format!("http://{}", String::from_utf8_lossy(&bytes)));
    }
}
