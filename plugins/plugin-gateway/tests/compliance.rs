//! What every plugin must do.

use plugin_gateway::GatewayPlugin;
use serde_json::json;

#[test]
fn the_gateway_complies() {
    let settings = json!({
        "rateLimit": [
            { "name": "burst", "requests": 1000, "window": "1s", "keyBy": ["consumer", "route"], "algorithm": "sliding_window",
              "cost": [{ "cost": 5, "methods": ["POST"], "paths": ["/search/**"] }], "priority": 16 },
            { "name": "slow", "requests": 1000, "burst": 100, "keyBy": "header:x-tenant", "mode": "throttle", "maxDelay": "2s",
              "excludePaths": ["^/health"], "bypass": { "addresses": ["10.0.0.0/8", "::1"], "consumers": ["ci"] } },
            { "name": "all", "requests": 100000, "window": "1h", "keyBy": "global", "algorithm": "fixed_window", "mode": "observe" }
        ],
        "cors": { "origin": ["https://app.example.com", "*.example.org", "^https://pr-[0-9]+\\.example\\.net$"], "methods": ["GET", "POST"],
                  "allowedHeaders": "x-custom", "exposedHeaders": ["x-total"], "credentials": true, "maxAge": 86400, "privateNetwork": true },
        "cache": { "ttl": "60s", "methods": ["GET", "HEAD"], "maxBytes": "8mb", "maxEntryBytes": "1mb", "maxVariants": 8,
                   "excludePaths": ["^/live"], "varyBy": ["consumer", "header:x-tenant"], "heuristic": true, "setCookie": "strip",
                   "requestDirectives": true, "surrogate": true, "staleWhileRevalidate": "10s", "staleIfError": "1m",
                   "tagHeaders": "x-tags", "tags": ["site"], "collapse": { "enabled": true, "wait": "2s", "waiters": 100 } },
        "redis": { "url": "redis://127.0.0.1:1/0", "onUnavailable": "open", "timeout": "100ms", "prefix": "test" },
        "log": { "requests": "errors" },
        "history": { "enabled": true, "interval": "10s", "samples": 100, "database": false },
        "ipv6Prefix": 56,
        "maxKeys": 1000
    });
    buntime_testing::compliance(|| GatewayPlugin, settings);
}
