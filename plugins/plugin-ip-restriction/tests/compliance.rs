//! What every plugin must do.

use plugin_ip_restriction::IpRestrictionPlugin;
use serde_json::json;

#[test]
fn ip_restriction_complies() {
    let settings = json!({
        "allow": ["0.0.0.0/8", "10.0.0.0/8", "192.0.2.7", "2001:db8::/32"],
        "deny": ["10.9.0.0/16", "2001:db8:bad::/48"],
        "mode": "enforce",
        "status": 404,
        "message": "Not from there"
    });
    buntime_testing::compliance(|| IpRestrictionPlugin, settings);
}
