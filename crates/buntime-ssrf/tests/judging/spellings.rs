//! Tables: the spelling, and why it is refused.

use buntime_ssrf::{Class, Guard, Host, NameKind, Refused};

use crate::refusal;

/// Each URL is refused because its host is an address of that class.
fn is_address(class: Class, hosts: &[&str]) {
    for host in hosts {
        for url in [format!("http://{host}/"), format!("HTTPS://{host}:8443/x?y#z")] {
            match refusal(&url) {
                Refused::Address { class: found, .. } => assert_eq!(found, class, "{url}"),
                other => panic!("{url}: {other}"),
            }
        }
    }
}

#[test]
fn every_spelling_of_this_machine() {
    is_address(
        Class::Loopback,
        &[
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "127.255.255.254",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0X7F000001",
            "017700000001",
            "0177.0.0.1",
            "0177.0.0.01",
            "0x7f.0.0.1",
            "0x7f.1",
            "0177.1",
            "0x7f.0x0.0x0.0x1",
            "127.0x1",
            "00000000177.0.0.1",
            "0127.0.0.1",
            "127.0.0.01",
            "2130706433.",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[0000:0000:0000:0000:0000:0000:0000:0001]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:FFFF:7F00:1]",
            "[::127.0.0.1]",
            "[::7f00:1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b:1::127.0.0.1]",
            "[64:ff9b:1:7f00:0:100::]",
            "[2002:7f00:1::]",
            "[2001:0:7f00:1::]",
            "[2001:0:808:808:0:0:80ff:fffe]",
            "[fe80::5efe:127.0.0.1]",
            "[2606:4700::200:5efe:127.0.0.1]",
            "[::ffff:0:127.0.0.1]",
            "①②⑦.⓪.⓪.①",
            "１２７.0.0.1",
            "127。0。0。1",
            "%31%32%37.0.0.1",
            "127%2e0%2e0%2e1",
            "127.0.0.%31",
        ],
    );
}

#[test]
fn every_spelling_of_the_metadata_service() {
    is_address(
        Class::Metadata,
        &[
            "169.254.169.254",
            "2852039166",
            "0251.0376.0251.0376",
            "0xa9fea9fe",
            "169.254.43518",
            "169.16689662",
            "0xA9.0xFE.0xA9.0xFE",
            "169.254.0xa9fe",
            "0251.254.169.254",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[::a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:a9fe:a9fe::]",
            "[fd00:ec2::254]",
            "[FD00:0EC2::254]",
            "[fd20:ce::254]",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "169.254.169.254.",
            "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
            "169.254.170.2",
        ],
    );
}

#[test]
fn the_other_ranges() {
    is_address(Class::LinkLocal, &["169.254.0.1", "0xa9.254.1", "[fe80::1]", "[febf::1]", "[::ffff:169.254.1.1]"]);
    is_address(Class::Unspecified, &["0.0.0.0", "0", "0x0", "00.0", "0.1.2.3", "[::]", "[::ffff:0.0.0.0]"]);
    is_address(Class::Multicast, &["224.0.0.1", "239.1.1.1", "0xe0000001", "[ff02::1]", "[::ffff:224.0.0.1]"]);
    is_address(Class::Broadcast, &["255.255.255.255", "4294967295", "0xffffffff", "[::ffff:ffff:ffff]"]);
    is_address(Class::Reserved, &["240.0.0.1", "250.1.2.3", "192.0.0.8", "192.88.99.1", "[fec0::1]", "[100::1]"]);
    is_address(Class::Documentation, &["192.0.2.1", "198.51.100.7", "203.0.113.9", "[2001:db8::1]", "[3fff::1]"]);
    is_address(Class::Benchmarking, &["198.18.0.1", "198.19.255.255", "[2001:2::1]"]);
    is_address(Class::Tunnel, &["[2002:808:808::1]", "[2001:0:808:808:0:0:f7f7:f7f7]", "[::8.8.8.8]"]);
    is_address(Class::Private, &["10.0.0.1", "10.1", "167772161", "012.0.0.1", "172.16.0.1", "172.31.255.255"]);
    is_address(Class::Private, &["192.168.0.1", "0xc0.0xa8.1", "[fc00::1]", "[fdff::1]", "[::ffff:10.0.0.1]"]);
    is_address(Class::Shared, &["100.64.0.1", "100.127.255.255", "[64:ff9b::100.64.0.1]"]);
}

#[test]
fn names_that_are_refused_by_themselves() {
    for (host, kind) in [
        ("metadata.google.internal", NameKind::Metadata),
        ("METADATA.google.internal.", NameKind::Metadata),
        ("metadata", NameKind::Metadata),
        ("metadata.goog", NameKind::Metadata),
        ("instance-data", NameKind::Metadata),
        ("metadata.azure.internal", NameKind::Metadata),
        ("ｍetadata.google.internal", NameKind::Metadata),
        ("%6detadata.google.internal", NameKind::Metadata),
        ("localhost", NameKind::Loopback),
        ("LOCALHOST.", NameKind::Loopback),
        ("a.localhost", NameKind::Loopback),
        ("loc%61lhost", NameKind::Loopback),
        ("ⓛocalhost", NameKind::Loopback),
        ("localhost.localdomain", NameKind::Loopback),
        ("x.onion", NameKind::Nowhere),
        ("api.default.svc", NameKind::Internal),
        ("api.default.svc.cluster.local", NameKind::Internal),
        ("api.default.svc.cluster.local.", NameKind::Internal),
        ("printer.local", NameKind::Internal),
        ("db.internal", NameKind::Internal),
        ("redis", NameKind::SingleLabel),
        ("kubernetes.", NameKind::SingleLabel),
    ] {
        match refusal(&format!("http://{host}/")) {
            Refused::Name { kind: found, .. } => assert_eq!(found, kind, "{host}"),
            other => panic!("{host}: {other}"),
        }
    }
}

#[test]
fn tricks() {
    for (url, code) in [
        ("", "unreadable"),
        ("example.com", "unreadable"),
        ("//example.com/", "unreadable"),
        ("http:example.com", "unreadable"),
        ("http:/example.com", "unreadable"),
        ("http:///example.com", "unreadable"),
        ("http:\\\\example.com", "unreadable"),
        ("http://example.com\\@127.0.0.1/", "unreadable"),
        ("http://example.com\\.evil.example/", "unreadable"),
        ("http://exam\tple.com/", "unreadable"),
        ("http://exam\nple.com/", "unreadable"),
        ("http://example.com/\r\nHost: evil", "unreadable"),
        (" http://example.com/", "unreadable"),
        ("http://example.com/ ", "unreadable"),
        ("http://example.com\u{0}/", "unreadable"),
        ("http://exa\u{ad}mple.com/", "unreadable"),
        ("http://exa\u{200b}mple.com/", "unreadable"),
        ("http://example..com/", "unreadable"),
        ("http://.example.com/", "unreadable"),
        ("http://example.com../", "unreadable"),
        ("http://exa$mple.com/", "unreadable"),
        ("http://exa,mple.com/", "unreadable"),
        ("http://*.example.com/", "unreadable"),
        ("http://[::1/", "unreadable"),
        ("http://[::1%25eth0]/", "unreadable"),
        ("http://[fe80::1%eth0]/", "unreadable"),
        ("http://[1.2.3.4]/", "unreadable"),
        ("http://[v1.fe80]/", "unreadable"),
        ("http://[::1]x/", "unreadable"),
        ("http://[::ffff:0x7f.1]/", "unreadable"),
        ("http://[::ffff:127.1]/", "unreadable"),
        ("http://xn--/", "unreadable"),
        ("http://xn--a.com/", "unreadable"),
        ("ftp://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.com/", "scheme"),
        ("data:text/plain,x", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("ws://example.com/", "scheme"),
        ("blob:http://example.com/x", "scheme"),
        ("http://user@example.com/", "userinfo"),
        ("http://user:password@example.com/", "userinfo"),
        ("http://@example.com/", "userinfo"),
        ("http://:@example.com/", "userinfo"),
        ("http://example.com:80@127.0.0.1/", "userinfo"),
        ("http://example.com:80:90/", "disputed"),
        ("http://example.com%2f@evil.example/", "userinfo"),
        ("http://example.com?@127.0.0.1/", "disputed"),
        ("http://example.com#@127.0.0.1/", "disputed"),
        ("http://example.com%2f.evil.example/", "disputed"),
        ("http://example%2ecom/", "disputed"),
        ("http://example.com:/", "disputed"),
        ("http://example.com:0/", "disputed"),
        ("http://example.com:080/", "disputed"),
        ("http://example.com:65536/", "disputed"),
        ("http://example.com:4294967376/", "disputed"),
        ("http://example.com:-80/", "disputed"),
        ("http://example.com:８０/", "disputed"),
        ("http://8.8.8.8./", "disputed"),
        ("http://0x08080808/", "disputed"),
        ("http://134744072/", "disputed"),
        ("http://8.8.2056/", "disputed"),
        ("http://8.8.8.8.8/", "disputed"),
        ("http://8.8.8.256/", "disputed"),
        ("http://example.1/", "disputed"),
        ("http://1.2.3.09/", "disputed"),
        ("http://ⓔxample.com/", "disputed"),
        ("http://ＥＸＡＭＰＬＥ.com/", "disputed"),
        ("http://example。com/", "disputed"),
        ("http://faß.de/", "disputed"),
        ("http://Bücher.example/", "ok"),
        ("http://BÜCHER.example/", "disputed"),
        ("http://bücher.example/", "ok"),
        ("http://xn--bcher-kva.example/", "ok"),
        ("http://xn--fa-hia.de/", "ok"),
        ("http://example.com:22/", "port"),
        ("http://example.com:25/", "port"),
        ("http://example.com:6379/", "port"),
        ("http://example.com:11211/", "port"),
        ("http://example.com/a@b", "ok"),
        ("http://example.com/?a=b@c&d=http://127.0.0.1/", "ok"),
        ("http://example.com:8080/", "ok"),
        ("https://example.com./", "ok"),
        ("HTTPS://EXAMPLE.COM/", "ok"),
        ("http://1.2.3.com/", "ok"),
        ("http://my_service.example.com/", "ok"),
        ("http://8.8.8.8/", "ok"),
        ("http://[2606:4700:4700::1111]/", "ok"),
        ("http://[::ffff:8.8.8.8]/", "ok"),
        ("http://[64:ff9b::8.8.8.8]/", "ok"),
        ("http://example.com/%", "unreadable"),
        ("http://example.com/a|b?c={\"d\":1}", "ok"),
    ] {
        let code_found = Guard::default().judge(url).map_or_else(|refused| refused.code(), |_| "ok");
        assert_eq!(code_found, code, "{url:?}: {:?}", Guard::default().judge(url));
    }
}

#[test]
fn one_normal_form() {
    let target = Guard::default().judge("HTTPS://EXAMPLE.com.:443/a/./b/../c?d#e").unwrap();
    assert_eq!(target.url().as_str(), "https://example.com/a/c?d");
    assert_eq!((target.host(), target.port(), target.is_https()), (&Host::Name("example.com".into()), 443, true));
    let target = Guard::default().judge("http://[::ffff:8.8.8.8]:8080").unwrap();
    assert_eq!(target.url().as_str(), "http://8.8.8.8:8080/");
    assert_eq!(target.host(), &Host::Ip("8.8.8.8".parse().unwrap()));
    let target = Guard::default().judge("http://bücher.example/ü").unwrap();
    assert_eq!(target.url().as_str(), "http://xn--bcher-kva.example/%C3%BC");
}
