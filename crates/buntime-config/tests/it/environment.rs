//! `${NAME}`, the variables that win over the file, and `--plugin`.

use buntime_core::{
    metadata::{Capability, PluginName},
    options::FailureMode,
};
use serde_json::json;

use crate::support::{load_with, short};

#[test]
fn substitution_in_any_string() {
    let env = [("DIR", "/data"), ("NAMES", "x")];
    let loaded =
        load_with(r#"{ "dataDir": "${DIR}/${SUB:-a}", "plugins": [["logs", { "p": "$${x} ${NAMES}" }]] }"#, &env, &[])
            .unwrap();
    assert_eq!(loaded.config.data_dir.to_str(), Some("/data/a"));
    assert_eq!(loaded.config.plugins[0].settings, json!({ "p": "${x} x" }));
}

#[test]
fn a_missing_variable_is_named_at_its_place() {
    let problems =
        load_with("{\n  \"dataDir\": \"${DRI}\", \"admin\": { \"token\": \"${T} ${\" } }", &[("DIR", "x")], &[])
            .unwrap_err();
    insta::assert_snapshot!(short(&problems), @r#"
    2:14 /dataDir the environment variable `DRI` is not set (did you mean `DIR`? Or write `${DRI:-default}`)
    2:44 /admin/token the environment variable `T` is not set (set it, or write `${T:-default}`)
    2:44 /admin/token `${` is never closed (write `${NAME}`, or `$${` for a literal `${`)
    "#);
}

#[test]
fn the_environment_wins() {
    let env = [
        ("HOST", "0.0.0.0"),
        ("PORT", "81"),
        ("BUNTIME_ADMIN_TOKEN", "t"),
        ("BUNTIME_LOG", "debug,hyper=info"),
        ("BUNTIME_PLUGINS", "health, @buntime/plugin-metrics"),
        ("BUNTIME_PLUGINS_ALLOWLIST", ""),
        ("BUNTIME_PLUGINS_ALLOWED_CAPABILITIES", "ROUTES,middleware"),
        ("BUNTIME_PLUGINS_FAILURE_MODE", "abort"),
        ("LIBSQL_URL_0", "http://a"),
        ("LIBSQL_URL_1", "http://b"),
        ("LIBSQL_URL_3", "http://d"),
        ("LIBSQL_AUTH_TOKEN", "x"),
    ];
    let text = r#"{ "server": { "host": "::1", "port": 80 }, "admin": { "token": "file" }, "plugins": ["metrics"] }"#;
    let loaded = load_with(text, &env, &["logs", "health"]).unwrap_or_else(|problems| panic!("{problems}"));
    let config = &loaded.config;
    assert_eq!((config.server.host.as_str(), config.server.port), ("0.0.0.0", 81));
    assert_eq!(config.admin.token.as_ref().unwrap().expose(), "t");
    assert_eq!(config.log.directives(), "debug,hyper=info");
    let names: Vec<&str> = config.plugins.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["metrics", "health", "logs"]);
    assert_eq!(config.policy.allowlist, Some([].into()));
    assert_eq!(config.policy.allowed_capabilities, Some([Capability::Routes, Capability::Middleware].into()));
    assert_eq!(config.policy.failure_mode, Some(FailureMode::Abort));
    assert_eq!(config.libsql.urls.len(), 2);
}

#[test]
fn settings_of_plugins() {
    let env = [
        ("BUNTIME_PLUGIN_GATEWAY_RATE_LIMIT__REQUESTS", "5"),
        ("BUNTIME_PLUGIN_GATEWAY_RATE_LIMIT__WINDOW", "1m"),
        ("BUNTIME_PLUGIN_GATEWAY_API_KEY", "12345"),
        ("BUNTIME_PLUGIN_GATEWAY_EXCLUDE", "[\"a\"]"),
        ("BUNTIME_PLUGIN_GATEWAY_HOOK_TIMEOUT", "1s"),
        ("BUNTIME_PLUGIN_LOGS_MAX_ENTRIES", "7"),
        ("BUNTIME_PLUGIN_IP_RESTRICTION_DENY", "[]"),
    ];
    let text = r#"{ "plugins": ["gateway", { "name": "logs" }, ["ip-restriction"]] }"#;
    let loaded = load_with(text, &env, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let gateway = loaded.config.plugin(&PluginName::new("gateway")).unwrap();
    let expected = json!({ "apiKey": "12345", "exclude": ["a"], "rateLimit": { "requests": 5, "window": "1m" } });
    assert_eq!(gateway.settings, expected);
    assert_eq!(gateway.options.hook_timeout.unwrap().as_secs(), 1);
    assert_eq!(gateway.masked_settings()["apiKey"], "***");
    assert_eq!(loaded.config.plugins[1].settings, json!({ "maxEntries": 7 }));
    assert_eq!(loaded.config.plugins[2].settings, json!({ "deny": [] }));
}

#[test]
fn mistakes_in_the_environment() {
    let env = [
        ("HOST", "a b"),
        ("PORT", "eighty"),
        ("BUNTIME_PLUGINS", "metrcs"),
        ("BUNTIME_PLUGINS_ALLOWLIST", "metrcs"),
        ("BUNTIME_PLUGINS_ALLOWLST", "x"),
        ("BUNTIME_PLUGINS_ALLOWED_CAPABILITIES", "route"),
        ("BUNTIME_PLUGINS_FAILURE_MODE", "abrot"),
        ("BUNTIME_PLUGIN_METRICS_X", "1"),
        ("BUNTIME_PLUGIN_GATWAY_X", "1"),
        ("BUNTIME_PLUGIN_GATEWAY_RATE_LIMT", "1"),
        ("BUNTIME_PLUGIN_GATEWAY_CORS__CREDENTIALS", "maybe"),
        ("LIBSQL_URL_0", "://"),
        ("BUNTIME_TEST_PATIENCE", "1"),
    ];
    let problems = load_with(r#"{ "plugins": ["gateway"] }"#, &env, &["nope"]).unwrap_err();
    insta::assert_snapshot!(problems, @r#"
    error: `eighty` is not a port
      --> environment variable PORT
       = help: write a number from 0 to 65535

    error: this names no plugin that is known
      --> environment variable BUNTIME_PLUGIN_GATWAY_X
       = help: did you mean `gateway`?

    error: unknown capability `route`
      --> environment variable BUNTIME_PLUGINS_ALLOWED_CAPABILITIES
       = help: did you mean `routes`?

    error: `abrot` is not a failure mode
      --> environment variable BUNTIME_PLUGINS_FAILURE_MODE
       = help: did you mean `abort`?

    error: this is no URL
      --> environment variable LIBSQL_URL_0
       = help: such as `http://localhost:8880` or `libsql://db.example.com`

    error: expected true or false, found a string
      --> environment variable BUNTIME_PLUGIN_GATEWAY_CORS__CREDENTIALS

    error: the key `origin` is missing
      --> environment variable BUNTIME_PLUGIN_GATEWAY_CORS__CREDENTIALS

    error: unknown key `rateLimt`
      --> environment variable BUNTIME_PLUGIN_GATEWAY_RATE_LIMT
       = help: did you mean `rateLimit`?

    error: unknown plugin `metrcs`
      --> environment variable BUNTIME_PLUGINS
       = help: did you mean `metrics`?

    error: unknown plugin `nope`
      --> --plugin
       = help: known plugins: `@acme/audit`, `authn`, `authz`, `content-filter`, `database`, `durable`, `enricher`, `gateway`, `health`, `ip-restriction`, `keyval`, `llm`, `logs`, `metrics`, `proxy`, `request-validator`

    error: `a b`: this is neither an IP address nor a host name
      --> environment variable HOST

    warning: the plugin `metrics` is not listed, so this does nothing
      --> environment variable BUNTIME_PLUGIN_METRICS_X

    warning: no such variable is known; it does nothing
      --> environment variable BUNTIME_PLUGINS_ALLOWLST
       = help: did you mean `BUNTIME_PLUGINS_ALLOWLIST`?

    warning: unknown plugin `metrcs`
      --> environment variable BUNTIME_PLUGINS_ALLOWLIST
       = help: did you mean `metrics`?

    11 errors, 3 warnings
    "#);
}
