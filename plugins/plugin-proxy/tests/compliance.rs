//! What every plugin must do.

use plugin_proxy::ProxyPlugin;
use serde_json::json;

#[test]
fn proxy_complies() {
    buntime_testing::compliance(
        || ProxyPlugin,
        json!({ "rules": [
            {
                "id": "legacy", "name": "legacy", "pattern": "^/legacy/(.*)$", "target": "http://127.0.0.1:9000/v1",
                "rewrite": "/$1", "changeOrigin": true, "secure": true, "ws": true, "headers": { "x-from": "gateway" },
                "base": "/legacy", "relativePaths": true, "guard": true, "publicRoutes": { "GET": ["/legacy/open/**"] },
                "fragment": { "sandbox": "iframe", "allowMessageBus": false, "preloadStyles": "a.css" },
                "timeout": "10s", "connectTimeout": "1s", "idleTimeout": "1m", "maxMessageSize": "1mb"
            },
            { "pattern": "^/h2/", "target": "http://127.0.0.1:9001", "http2": "prior-knowledge", "ws": false },
            { "pattern": "^/tls/", "target": "https://127.0.0.1:9002", "http2": false, "secure": false },
            { "pattern": "^/many/", "upstream": { "targets": [
                { "url": "http://127.0.0.1:9003", "weight": 2 }, { "url": "http://127.0.0.1:9004", "priority": 1 }
            ], "retries": 1, "timeout": "3s", "health": { "active": { "path": "/health" } } } }
        ], "maxDynamicRules": 100 }),
    );
}
