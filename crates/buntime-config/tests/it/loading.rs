//! Files that load, and what comes of them.

use std::{fs, path::PathBuf};

use buntime_config::{Context, Problem, Source, load, starter};
use buntime_core::{metadata::PluginName, units::Size};
use serde_json::{Value, json};

use crate::support::{Catalog, good, load_opaque, load_with, messages, short};

const EXAMPLE: &str = include_str!("../fixtures/documented.jsonc");

#[test]
fn the_documented_example_loads() {
    let env = [("ACME_KEY", "acme-key-1"), ("BUNTIME_ADMIN_TOKEN", "t0ken")];
    let loaded = load_opaque(EXAMPLE, &env).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(short(&loaded.warnings), "");
    let config = &loaded.config;
    assert_eq!(config.server.max_body_size, Size(10 << 20));
    assert_eq!(config.admin.token.as_ref().map(buntime_config::Secret::expose), Some("t0ken"));
    assert_eq!(config.plugins.len(), 3);
    assert_eq!(config.plugins[2].name, PluginName::new("authz"));
    assert_eq!(config.services[0].routes[0].paths.len(), 2);
    assert_eq!(config.entries().count(), 4);
    assert_eq!(config.consumer_groups[0].plugins[0].pointer, "/consumerGroups/0/plugins/0");
}

#[test]
fn the_settings_of_the_built_in_plugins_load() {
    let env = ["JWT_SECRET", "SECRET", "CI_KEY", "KV_TOKEN", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"]
        .map(|name| (name, "planted-secret"));
    let text = include_str!("../fixtures/plugins.jsonc");
    let loaded = load_opaque(text, &env).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.plugins.len(), 14);
    let effective = loaded.effective().to_string();
    assert!(!effective.contains("planted-secret"), "{effective}");
    assert!(!format!("{loaded:?}").contains("planted-secret"));
}

#[test]
fn the_starter_file_loads_without_a_word() {
    let loaded = good(starter());
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.plugins.len(), 4);
    assert!(loaded.config.admin.token.is_none());
}

#[test]
fn entries_in_every_form() {
    let loaded = good(
        r#"{ "plugins": [
            "plugin-metrics",
            ["@buntime/plugin-gateway", { "base": "gw", "priority": "critical", "exclude": ["a"] }],
            { "name": "logs", "enabled": false, "base": "/p/log", "config": { "base": "mine" } } ] }"#,
    );
    let [metrics, gateway, logs] = loaded.config.plugins.as_slice() else { panic!() };
    assert_eq!((metrics.name.as_str(), metrics.spelling.as_str()), ("metrics", "plugin-metrics"));
    assert_eq!(metrics.settings, json!({}));
    assert_eq!(gateway.options.base.as_deref(), Some("/p/gw"));
    assert_eq!(gateway.settings, json!({ "exclude": ["a"] }));
    assert_eq!(gateway.settings_pointer("/exclude/0"), "/plugins/1/1/exclude/0");
    assert!(!logs.is_enabled());
    assert_eq!(logs.settings, json!({ "base": "mine" }));
    let later = loaded.diagnostics([Problem::at(gateway.settings_pointer("/exclude/0"), "too short")]);
    assert_eq!(short(&later), "3:93 /plugins/1/1/exclude/0 too short");
}

#[test]
fn paths_are_relative_to_the_file() {
    let source = Source::Text {
        file: PathBuf::from("/etc/buntime/buntime.jsonc"),
        text: r#"{ "dataDir": "d", "server": { "tls": { "cert": "/abs.pem", "key": "k.pem" } }, "services": [
            { "name": "a", "upstream": { "targets": [{ "url": "https://x" }], "ca": "ca.pem" }, "routes": [{ "name": "r" }] } ] }"#
            .to_owned(),
    };
    let loaded = load(&source, &Context { catalog: &Catalog::default(), env: &[], plugins: &[] }).unwrap();
    assert_eq!(loaded.config.data_dir, PathBuf::from("/etc/buntime/d"));
    let tls = loaded.config.server.tls.unwrap();
    assert_eq!((tls.cert, tls.key), (PathBuf::from("/abs.pem"), PathBuf::from("/etc/buntime/k.pem")));
    assert_eq!(loaded.config.services[0].upstream.ca, Some(PathBuf::from("/etc/buntime/ca.pem")));
}

#[test]
fn the_order_of_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let find =
        |flag: Option<&str>, env: &[(&str, &str); 1]| Source::find(flag.map(std::path::Path::new), env, dir.path());
    let (none, named) = ([("X", "")], [("BUNTIME_CONFIG", "e.jsonc")]);
    assert_eq!(find(None, &none), Source::Defaults(dir.path().to_owned()));
    fs::create_dir(dir.path().join("config")).unwrap();
    fs::write(dir.path().join("config/buntime.jsonc"), "{}").unwrap();
    assert_eq!(find(None, &none), Source::File(dir.path().join("config/buntime.jsonc")));
    fs::write(dir.path().join("buntime.jsonc"), "{}").unwrap();
    assert_eq!(find(None, &none), Source::File(dir.path().join("buntime.jsonc")));
    assert_eq!(find(None, &named), Source::File(dir.path().join("e.jsonc")));
    assert_eq!(find(Some("f.jsonc"), &named), Source::File(dir.path().join("f.jsonc")));
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let message = |file: PathBuf| {
        let catalog = Catalog::default();
        let context = Context { catalog: &catalog, env: &[], plugins: &[] };
        let problems = load(&Source::File(file), &context).unwrap_err().to_json();
        problems[0]["message"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(message(dir.path().join("none.jsonc")), "there is no such file");
    assert_eq!(message(dir.path().to_owned()), "this is a directory");
    let file = dir.path().join("bytes.jsonc");
    fs::write(&file, b"{\n \"a\": \"\xff\" }").unwrap();
    assert_eq!(message(file.clone()), "the file is not UTF-8 from here on");
    fs::write(&file, b"").unwrap();
    assert_eq!(message(file.clone()), "the file is empty");
    fs::File::create(&file).unwrap().set_len((8 << 20) + 1).unwrap();
    assert_eq!(message(file), "the file is longer than 8 MiB");
}

#[test]
fn no_file_is_the_defaults() {
    let catalog = Catalog::default();
    let source = Source::Defaults(PathBuf::from("here"));
    let loaded = load(&source, &Context { catalog: &catalog, env: &[("PORT", "0")], plugins: &[] }).unwrap();
    assert_eq!(loaded.config.server.port, 0);
    assert_eq!(loaded.config.data_dir, PathBuf::from("here/./data"));
    assert!(loaded.file.is_none());
}

#[test]
fn the_fingerprint_is_of_what_is_said() {
    let a = good("{ \"dataDir\": \"x\" }").fingerprint;
    assert_eq!(a, good("{ // a comment\n \"dataDir\": \"x\", }").fingerprint);
    assert_ne!(a, good("{ \"dataDir\": \"y\" }").fingerprint);
}

#[test]
fn the_effective_configuration_has_defaults_and_no_secrets() {
    let env =
        [("BUNTIME_ADMIN_TOKEN", "hidden-1"), ("MY_SECRET", "hidden-2"), ("LIBSQL_URL_0", "http://u:hidden-3@db")];
    let text = r#"{ "plugins": [{ "name": "proxy", "config": { "rules": [{ "headers": { "x": "a ${MY_SECRET}" } }] } }],
        "services": [{ "name": "s", "upstream": { "targets": [{ "url": "http://a" }] },
            "routes": [{ "name": "r", "headers": { "x": "${MY_SECRET}" } }] }] }"#;
    let loaded = load_with(text, &env, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let effective = loaded.effective();
    assert!(!effective.to_string().contains("hidden"), "{effective}");
    assert_eq!(effective["admin"]["token"], "***");
    assert_eq!(effective["plugins"][0]["config"]["rules"][0]["headers"]["x"], "***");
    assert_eq!(effective["services"][0]["routes"][0]["headers"]["x"], "***");
    assert_eq!(effective["server"]["port"], 8000);
    assert_eq!(effective["services"][0]["upstream"]["algorithm"], Value::from("round_robin"));
}

#[test]
fn keys_that_do_nothing_yet() {
    insta::assert_snapshot!(messages(r#"{ "workspaces": ["./apps"], "poolSize": 10, "homepage": "app" }"#), @r#"
    1:3 /workspaces warning: `workspaces` does nothing yet: this version runs no app workers
    1:29 /poolSize warning: `poolSize` does nothing yet: this version runs no app workers
    1:45 /homepage warning: `homepage` does nothing yet: this version runs no app workers
    "#);
}
