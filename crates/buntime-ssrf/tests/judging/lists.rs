//! What the settings allow, and what they cannot.

use buntime_ssrf::{Guard, OutboundSettings, Policy};
use serde_json::{Value, json};

fn judge(settings: &Value, url: &str) -> &'static str {
    let settings: OutboundSettings = serde_json::from_value(settings.clone()).unwrap();
    Guard::new(Policy::from(settings)).judge(url).map_or_else(|refused| refused.code(), |_| "ok")
}

#[test]
fn each_list_allows_what_it_says_and_no_more() {
    let hosts = json!({ "allowHosts": ["billing.internal", "10.1.2.3", "redis", "fd12::1"] });
    let suffixes = json!({ "allowSuffixes": ["svc.cluster.local", ".corp"] });
    let cidrs = json!({ "allowCidrs": ["10.20.0.0/16", "fd12::/16", "100.64.0.0/10"] });
    let urls = json!({ "allowUrls": ["http://hooks.internal:9000/in", "http://10.0.0.1:6379/"] });
    let all = json!({ "allowCidrs": ["0.0.0.0/0", "::/0"], "allowSuffixes": ["local", "internal"] });
    for (settings, url, code) in [
        (&hosts, "http://billing.internal/x", "ok"),
        (&hosts, "https://BILLING.internal.:8443/", "ok"),
        (&hosts, "http://x.billing.internal/", "name"),
        (&hosts, "http://10.1.2.3/", "ok"),
        (&hosts, "http://[::ffff:10.1.2.3]/", "ok"),
        (&hosts, "http://10.1.2.4/", "address"),
        (&hosts, "http://0x0a010203/", "address"),
        (&hosts, "http://redis:8080/", "ok"),
        (&hosts, "http://redis:6379/", "port"),
        (&hosts, "http://[fd12::1]/", "ok"),
        (&suffixes, "http://a.b.svc.cluster.local/", "ok"),
        (&suffixes, "http://svc.cluster.local/", "ok"),
        (&suffixes, "http://xsvc.cluster.local/", "name"),
        (&suffixes, "http://svc.cluster.local.evil.example/", "ok"),
        (&suffixes, "http://a.corp/", "ok"),
        (&suffixes, "http://corp/", "name"),
        (&cidrs, "http://10.20.255.255/", "ok"),
        (&cidrs, "http://[::ffff:10.20.0.1]/", "ok"),
        (&cidrs, "http://[64:ff9b::10.20.0.1]/", "ok"),
        (&cidrs, "http://10.21.0.0/", "address"),
        (&cidrs, "http://[fd12::5]/", "ok"),
        (&cidrs, "http://100.64.0.1/", "ok"),
        (&cidrs, "http://100.100.100.200/", "address"),
        (&urls, "http://hooks.internal:9000/in/x", "ok"),
        (&urls, "http://hooks.internal:9000/inner", "name"),
        (&urls, "http://hooks.internal/in", "name"),
        (&urls, "https://hooks.internal:9000/in", "name"),
        (&urls, "http://hooks.internal:9000/in/../x", "name"),
        (&urls, "http://10.0.0.1:6379/x", "ok"),
        (&urls, "http://10.0.0.1/", "address"),
        (&all, "http://10.0.0.1/", "ok"),
        (&all, "http://a.local/", "ok"),
        (&all, "http://metadata.google.internal/", "name"),
        (&all, "http://metadata.local/", "name"),
        (&all, "http://127.0.0.1/", "address"),
        (&all, "http://169.254.169.254/", "address"),
        (&all, "http://[fd00:ec2::254]/", "address"),
        (&all, "http://[::]/", "address"),
        (&all, "http://localhost/", "name"),
        (&all, "http://255.255.255.255/", "address"),
        (&all, "http://[2002:7f00:1::]/", "address"),
    ] {
        assert_eq!(judge(settings, url), code, "{settings} {url}");
    }
}

#[test]
fn nothing_but_what_is_listed() {
    let listed = json!({ "allowSuffixes": ["example.com"], "onlyListed": true });
    assert_eq!(judge(&listed, "https://api.example.com/"), "ok");
    assert_eq!(judge(&listed, "https://example.net/"), "not_listed");
    assert_eq!(judge(&listed, "https://8.8.8.8/"), "not_listed");
    let ranges = json!({ "allowCidrs": ["8.8.8.0/24"], "onlyListed": true });
    assert_eq!(judge(&ranges, "https://8.8.8.8/"), "ok");
    assert_eq!(judge(&ranges, "https://1.1.1.1/"), "not_listed");
    // Its addresses decide, once they are known.
    assert_eq!(judge(&ranges, "https://dns.example.com/"), "ok");
    assert_eq!(judge(&json!({ "onlyListed": true }), "https://example.com/"), "not_listed");
}
