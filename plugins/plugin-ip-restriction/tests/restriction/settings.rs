//! Settings that are wrong, and what is said of them.

use buntime_core::Plugin;
use plugin_ip_restriction::IpRestrictionPlugin;
use serde_json::{Value, json};

fn problems(settings: &Value) -> Vec<String> {
    IpRestrictionPlugin.settings().check(settings).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    for (settings, at, what) in [
        (json!({ "deny": ["10.0.0.0/8", "example.com"] }), "/deny/1", "neither an address nor a network"),
        (json!({ "deny": ["10.0.0.0/33"] }), "/deny/0", "neither an address nor a network"),
        (json!({ "deny": ["10.1"] }), "/deny/0", "neither an address nor a network"),
        (json!({ "deny": ["010.0.0.1"] }), "/deny/0", "neither an address nor a network"),
        (json!({ "deny": ["fe80::1%eth0"] }), "/deny/0", "neither an address nor a network"),
        (json!({ "deny": [" 10.0.0.1"] }), "/deny/0", "neither an address nor a network"),
        (json!({ "deny": [""] }), "/deny/0", "neither an address nor a network"),
        (json!({ "allow": ["10.1.2.3/8"] }), "/allow/0", "write 10.0.0.0/8 for the network, or 10.1.2.3 for the one"),
        (json!({ "allow": ["2001:db8::1/32"] }), "/allow/0", "write 2001:db8::/32 for the network"),
        (json!({ "deny": ["10.0.0.0/8", "::1", "10.0.0.0/8"] }), "/deny/2", "it is entry 0, `10.0.0.0/8`, already"),
        (json!({ "deny": ["10.0.0.1", "::ffff:10.0.0.1"] }), "/deny/1", "listed twice"),
        (json!({ "deny": ["10.0.0.1/32", "10.0.0.1"] }), "/deny/1", "listed twice"),
        (json!({ "allow": [] }), "/allow", "leave `allow` out to let everybody in"),
        (json!({ "allow": ["10.1.0.0/16", "::1"], "deny": ["10.0.0.0/8"] }), "/allow/0", "lets nobody in"),
        (json!({ "status": 200 }), "/status", "400 to 599"),
        (json!({ "message": "x".repeat(1001) }), "/message", "at most 1000"),
        (json!({ "mode": "log" }), "", "enforce"),
        (json!({ "allowed": [] }), "", "allowed"),
        (json!({ "allow": "10.0.0.0/8" }), "", "sequence"),
    ] {
        let told = problems(&settings);
        let found = told.iter().any(|text| text.contains(at) && text.contains(what));
        assert!(found, "{settings} should be told at `{at}` with `{what}`: {told:?}");
    }
}

#[test]
fn a_long_list_of_mistakes_is_told_in_short() {
    let wrong: Vec<String> = (0..5000).map(|index| format!("10.0.{index}")).collect();
    let told = problems(&json!({ "deny": wrong }));
    assert_eq!((told.len(), told[20].contains("4980 more are wrong")), (21, true), "{told:?}");
}

#[test]
fn what_is_fine_is_taken() {
    for settings in [
        json!({}),
        json!({ "deny": [] }),
        json!({ "allow": ["0.0.0.0/0", "::/0"] }),
        json!({ "allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"], "mode": "observe", "status": 404 }),
        json!({ "allow": ["10.0.0.0/8", "10.1.0.0/16", "::ffff:192.0.2.0/120"], "message": "" }),
    ] {
        assert_eq!(problems(&settings), Vec::<String>::new(), "{settings}");
    }
}

#[test]
fn a_hundred_thousand_entries_are_checked() {
    let many: Vec<String> =
        (0..100_000_u32).map(|i| format!("{}.{}.{}.0/24", 1 + (i >> 16), (i >> 8) & 255, i & 255)).collect();
    assert_eq!(problems(&json!({ "allow": ["10.0.0.0/8"], "deny": many })), Vec::<String>::new());
}
