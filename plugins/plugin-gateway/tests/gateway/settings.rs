//! Settings that are wrong, and what is said of them.

use buntime_core::Plugin;
use plugin_gateway::GatewayPlugin;
use serde_json::{Value, json};

fn problems(settings: &Value) -> Vec<String> {
    GatewayPlugin.settings().check(settings).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    let limit = |limit: Value| json!({ "rateLimit": limit });
    for (settings, at, what) in [
        (limit(json!({ "requests": 0 })), "/rateLimit/requests", "write 1 to"),
        (limit(json!({ "requests": 2_000_000_000_u64 })), "/rateLimit/requests", "write 1 to"),
        (limit(json!({ "window": "0s" })), "/rateLimit/window", "1ms to 366d"),
        (limit(json!({ "window": "3000d" })), "/rateLimit/window", "1ms to 366d"),
        (limit(json!({ "window": "300d", "requests": 1, "burst": 5 })), "/rateLimit/burst", "more than a year"),
        (limit(json!({ "burst": 5, "algorithm": "fixed_window" })), "/rateLimit/burst", "token bucket"),
        (limit(json!({ "mode": "throttle", "algorithm": "sliding_window" })), "/rateLimit/mode", "token_bucket"),
        (limit(json!({ "mode": "throttle", "maxDelay": "30s" })), "/rateLimit/maxDelay", "five seconds"),
        (limit(json!({ "maxDelay": "1s" })), "/rateLimit/maxDelay", "throttle"),
        (limit(json!({ "period": "day", "window": "1m" })), "/rateLimit/window", "calendar"),
        (limit(json!({ "period": "day", "algorithm": "token_bucket" })), "/rateLimit/algorithm", "fixed_window"),
        (limit(json!({ "keyBy": "cookie:a b" })), "", "expected a limit"),
        (limit(json!({ "keyBy": ["ip", "global"] })), "/rateLimit/keyBy", "`global`"),
        (limit(json!({ "keyBy": ["ip", "ip"] })), "/rateLimit/keyBy", "twice"),
        (limit(json!({ "keyBy": [] })), "/rateLimit/keyBy", "1 to 4"),
        (limit(json!({ "cost": 101 })), "/rateLimit/cost", "never fits"),
        (limit(json!({ "cost": [{ "cost": 1, "methods": ["G T"] }] })), "/rateLimit/cost/0/methods/0", "no method"),
        (limit(json!({ "excludePaths": ["^(a+)+\\1$"] })), "/rateLimit/excludePaths/0", "linear"),
        (limit(json!({ "excludePaths": ["^(.{1000}){1000}$"] })), "/rateLimit/excludePaths/0", "too big"),
        (limit(json!({ "excludePaths": ["health"] })), "/rateLimit/excludePaths/0", "begins with"),
        (limit(json!({ "bypass": { "addresses": ["10.0.0.0/99"] } })), "/rateLimit/bypass/addresses/0", "network"),
        (limit(json!([{ "name": "a" }, { "name": "a" }])), "/rateLimit/1", "two limits"),
        (limit(json!([{ "name": "a/b" }])), "/rateLimit/0/name", "no name"),
        (json!({ "shellTarget": "/shell" }), "/shellTarget", "http://host:port"),
        (json!({ "shellTarget": "http://a.example/path" }), "/shellTarget", "no path"),
        (json!({ "shellExcludes": ["a"] }), "/shellExcludes", "shellTarget"),
        (json!({ "shellTarget": "http://a", "shellExcludes": ["a/b"] }), "/shellExcludes/0", "letters"),
        (json!({ "history": { "interval": "1ms" } }), "/history/interval", "100ms"),
        (json!({ "history": { "samples": 1 } }), "/history/samples", "10 to 100000"),
        (json!({ "log": { "requests": "some" } }), "", "limited"),
        (json!({ "cors": { "origin": "*", "credentials": true } }), "/cors/credentials", "list the origins"),
        (json!({ "cors": { "origin": ["https://a.example/path"] } }), "/cors/origin/0", "no origin"),
        (json!({ "cors": { "origin": "^https://(?=a)" } }), "/cors/origin", "linear"),
        (json!({ "cors": { "methods": ["G T"] } }), "/cors/methods/0", "no method"),
        (json!({ "cors": { "allowedHeaders": "x y" } }), "/cors/allowedHeaders", "no header name"),
        (json!({ "redis": { "url": "http://127.0.0.1" } }), "/redis/url", "rediss://"),
        (json!({ "redis": { "url": "redis://h", "timeout": "10s" } }), "/redis/timeout", "1ms to 4s"),
        (json!({ "cache": { "methods": ["POST"] } }), "/cache/methods", "GET"),
        (json!({ "cache": { "maxBytes": "1kb" } }), "/cache/maxBytes", "64kb"),
        (json!({ "cache": { "maxBytes": "1mb", "maxEntryBytes": "512kb" } }), "/cache/maxEntryBytes", "quarter"),
        (json!({ "cache": { "maxVariants": 0 } }), "/cache/maxVariants", "1 to 1000"),
        (json!({ "cache": { "excludePaths": ["x"] } }), "/cache/excludePaths/0", "begins with"),
        (json!({ "cache": { "varyBy": ["ip"] } }), "/cache/varyBy/0", "consumer"),
        (json!({ "cache": { "tagHeaders": "a b" } }), "/cache/tagHeaders", "no header name"),
        (json!({ "cache": { "tags": ["a,b"] } }), "/cache/tags/0", "no tag"),
        (json!({ "cache": { "ttl": "3000d" } }), "/cache/ttl", "366d"),
        (json!({ "cache": { "collapse": { "wait": "30s" } } }), "/cache/collapse/wait", "five seconds"),
        (json!({ "cache": { "redis": true } }), "/cache/redis", "no Redis"),
        (json!({ "cache": { "maxEntries": 5 } }), "", "maxEntries"),
        (json!({ "ipv6Prefix": 0 }), "/ipv6Prefix", "1 to 128"),
        (json!({ "maxKeys": 0 }), "/maxKeys", "1 to"),
    ] {
        let told = problems(&settings);
        let found = told.iter().any(|text| text.contains(at) && text.contains(what));
        assert!(found, "{settings} should be told at `{at}` with `{what}`: {told:?}");
    }
}

#[test]
fn a_password_is_not_repeated() {
    let told = problems(&json!({ "redis": { "url": "redis//:secret@h" } }));
    assert!(!told.is_empty() && !told.concat().contains("secret"), "{told:?}");
}

#[test]
fn what_the_original_took_is_taken() {
    for settings in [
        json!({}),
        json!({ "rateLimit": {} }),
        json!({ "rateLimit": { "requests": 100, "window": "1m", "keyBy": "ip", "algorithm": "token_bucket", "mode": "enforce",
                "excludePaths": ["^/health"] } }),
        json!({ "rateLimit": { "window": 30, "keyBy": "user" } }),
        json!({ "cache": { "ttl": "60s", "methods": ["GET"], "maxBytes": "64mb", "excludePaths": [] } }),
        json!({ "cache": { "ttl": 60 } }),
        json!({ "cors": { "origin": ["https://app.example.com", "*.example.org"], "methods": ["GET", "POST"], "credentials": true, "maxAge": 86400 } }),
        json!({ "redis": { "url": "redis://:password@127.0.0.1:6379/1", "onUnavailable": "closed" } }),
        json!({ "redis": { "url": "rediss://redis.example.com" } }),
    ] {
        assert_eq!(problems(&settings), Vec::<String>::new(), "{settings}");
    }
}
