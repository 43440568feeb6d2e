//! Mistakes that a start must tell, as the binary tells them: exit code 1 and what to change.

use std::{fmt::Write, fs, path::Path};

use buntime_tests::{Certificate, Process, Ran, client};

/// Serves a configuration that cannot be served.
async fn refused(dir: &Path, config: &str, env: &[(&str, &str)]) -> Option<Ran> {
    fs::write(dir.join("buntime.jsonc"), config).unwrap();
    let ran = Process::run(dir, &[], env).await?;
    assert_eq!(ran.code, Some(1), "{config:.200}\n{}{}", ran.out, ran.err);
    assert!(ran.err.starts_with("error: ") && !ran.err.contains("panicked"), "{}", ran.err);
    assert!(!ran.out.contains("listening on"), "{}", ran.out);
    Some(ran)
}

macro_rules! refused {
    ($dir:expr, $config:expr) => {
        match refused($dir, $config, &[]).await {
            Some(ran) => ran.err,
            None => return,
        }
    };
}

#[tokio::test]
async fn two_problems_at_once_each_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let config = "{\n  \"server\": { \"prot\": 8080 },\n  \"plugins\": [\n    \"@buntime/plugin-metrcs\",\n    [\"proxy\", { \"rules\": [{ \"pattern\": \"^/(\", \"target\": 7 }] }]\n  ]\n}\n";
    insta::assert_snapshot!(refused!(dir.path(), config));
}

#[tokio::test]
async fn plugins_that_do_not_go_together() {
    let dir = tempfile::tempdir().unwrap();
    let config = r#"{ "plugins": [
  "metrics",
  ["@buntime/plugin-metrics", {}],
  { "name": "logs", "dependsOn": ["health"] },
  { "name": "health", "dependsOn": ["logs"] },
  { "name": "proxy", "dependsOn": ["proxy"], "base": "metrics" }
] }"#;
    insta::assert_snapshot!("twice", refused!(dir.path(), config));
    let config = r#"{ "plugins": [
  { "name": "logs", "dependsOn": ["health"] },
  { "name": "health", "dependsOn": ["logs"] }
] }"#;
    insta::assert_snapshot!("cycle", refused!(dir.path(), config));
    let config = r#"{ "plugins": ["metrics", { "name": "proxy", "dependsOn": ["health"] }] }"#;
    insta::assert_snapshot!("missing", refused!(dir.path(), config));
    let config = r#"{ "plugins": ["metrics", { "name": "health", "base": "metrics" }] }"#;
    insta::assert_snapshot!("base", refused!(dir.path(), config));
}

#[tokio::test]
async fn broken_partial_and_enormous_files() {
    let dir = tempfile::tempdir().unwrap();
    let deep = format!("{{ \"plugins\": {}{} }}", "[".repeat(100_000), "]".repeat(100_000));
    let mut many = String::from("{ \"plugins\": [");
    for number in 0..20_000 {
        write!(many, "\"plugin-{number}\",").unwrap();
    }
    many.push_str("] }");
    for (config, words) in [
        ("", "empty"),
        ("   \n// nothing\n", "only comments"),
        ("{", "buntime.jsonc:1"),
        ("{ \"server\": { \"port\": 80", "buntime.jsonc:1"),
        ("[]", "object"),
        ("null", "object"),
        ("{} {}", "buntime.jsonc:1:4"),
        ("{ \"server\": { \"port\": 70000 } }", "65535"),
        ("{ \"server\": { \"host\": 1 } }", "string"),
        ("{ \"server\": { \"requestTimeout\": \"5 parsecs\" } }", "parsecs"),
        ("{ \"admin\": { \"token\": \"${NOT_SET}\" } }", "NOT_SET"),
        ("{ \"plugins\": {} }", "array"),
        ("{ \"plugins\": [1] }", "plugins"),
        (deep.as_str(), "deep"),
        (many.as_str(), "plugin-0"),
    ] {
        let err = refused!(dir.path(), config);
        let start: String = config.chars().take(60).collect();
        assert!(err.contains(words), "{words} for {start}:\n{err:.2000}");
        assert!(err.len() < 100_000, "{} bytes of problems for {start}", err.len());
    }
    let huge = format!("{{ \"dataDir\": \"{}\" }}", "x".repeat(9 << 20));
    assert!(refused!(dir.path(), &huge).contains("longer than 8 MiB"));
    fs::write(dir.path().join("buntime.jsonc"), b"{ \"dataDir\": \"\xff\" }").unwrap();
    let ran = Process::run(dir.path(), &[], &[]).await.unwrap();
    assert!(ran.code == Some(1) && ran.err.contains("UTF-8"), "{ran:?}");
    let ran = Process::run(dir.path(), &["--config", "none.jsonc"], &[]).await.unwrap();
    assert!(ran.code == Some(1) && ran.err.contains("no such file"), "{ran:?}");
    let ran = Process::run(dir.path(), &["--config", "."], &[]).await.unwrap();
    assert!(ran.code == Some(1) && ran.err.contains("directory"), "{ran:?}");
}

#[tokio::test]
async fn a_required_plugin_that_cannot_run() {
    let dir = tempfile::tempdir().unwrap();
    // Required and not listed, listed and off, listed and not allowed.
    let listed = refused!(dir.path(), r#"{ "server": { "port": 0 }, "required": ["metrics"], "plugins": [] }"#);
    assert!(listed.contains("metrics") && listed.contains("buntime.jsonc:1"), "{listed}");
    let config =
        r#"{ "server": { "port": 0 }, "required": ["metrics"], "plugins": [{ "name": "metrics", "enabled": false }] }"#;
    let off = refused!(dir.path(), config);
    assert!(off.contains("metrics"), "{off}");
    let config = r#"{ "server": { "port": 0 }, "required": ["metrics"], "plugins": ["metrics"] }"#;
    let refused = refused(dir.path(), config, &[("BUNTIME_PLUGINS_ALLOWLIST", "logs")]).await.unwrap();
    assert!(refused.err.contains("metrics"), "{}", refused.err);
}

#[tokio::test]
async fn a_port_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let err = refused!(dir.path(), &format!("{{ \"server\": {{ \"port\": {port} }} }}"));
    assert!(err.contains(&port.to_string()) && err.contains("in use"), "{err}");
    let err = refused!(dir.path(), "{ \"server\": { \"host\": \"192.0.2.1\", \"port\": 0 } }");
    assert!(err.contains("192.0.2.1"), "{err}");
    // Two runners do not share a port either.
    fs::write(dir.path().join("buntime.jsonc"), "{ \"server\": { \"port\": 0 } }").unwrap();
    let Some(first) = Process::serve(dir.path(), &[], &[]).await else { return };
    let port = first.addr().port().to_string();
    let second = Process::run(dir.path(), &[], &[("PORT", &port)]).await.unwrap();
    assert!(second.code == Some(1) && second.err.contains("in use"), "{second:?}");
    assert_eq!(client::get(first.addr(), "/livez").await.status, 200);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "a regular file").unwrap();
    for place in ["file", "file/below", "file/far/below", "/proc/none", "/dev/null/x"] {
        let err = refused!(dir.path(), &format!("{{ \"server\": {{ \"port\": 0 }}, \"dataDir\": \"{place}\" }}"));
        assert!(err.contains("data directory") && err.contains("dataDir"), "{place}: {err}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "a regular file");
    // What is no database is not overwritten.
    fs::write(dir.path().join("buntime.jsonc"), "{ \"server\": { \"port\": 0 } }").unwrap();
    let Some(process) = Process::serve(dir.path(), &[], &[]).await else { return };
    process.kill().await;
    let entries = fs::read_dir(dir.path().join("data")).unwrap().map(|entry| entry.unwrap().path());
    let database =
        entries.into_iter().find(|path| path.extension().is_some_and(|end| end == "db")).expect("a database");
    for beside in fs::read_dir(dir.path().join("data")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::remove_file(beside).unwrap();
    }
    fs::write(&database, "this is no database, but somebody's diary".repeat(100)).unwrap();
    let ran = Process::run(dir.path(), &[], &[]).await.unwrap();
    assert!(ran.code == Some(1) && ran.err.contains("data directory"), "{ran:?}");
    assert!(fs::read_to_string(&database).unwrap().starts_with("this is no database"));
}

#[tokio::test]
async fn certificates_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    Certificate::write(dir.path(), "one");
    Certificate::write(dir.path(), "two");
    fs::write(dir.path().join("empty.pem"), "").unwrap();
    for (cert, key, words) in [
        ("one.pem", "two.key.pem", "does not belong"),
        ("none.pem", "one.key.pem", "none.pem"),
        ("one.pem", "none.pem", "none.pem"),
        ("empty.pem", "one.key.pem", "empty.pem"),
        ("one.pem", "one.pem", "key"),
        ("one.key.pem", "one.key.pem", "certificate"),
    ] {
        let config =
            format!("{{ \"server\": {{ \"port\": 0, \"tls\": {{ \"cert\": \"{cert}\", \"key\": \"{key}\" }} }} }}");
        let err = refused!(dir.path(), &config);
        assert!(err.contains(words) && err.contains("buntime.jsonc:1:"), "{cert} {key}: {words} in {err}");
        assert!(!err.contains("BEGIN"), "{err}");
        let checked = Process::run(dir.path(), &["check"], &[]).await.unwrap();
        assert_eq!((checked.code, checked.err.as_str()), (Some(1), err.as_str()), "check and start say the same");
    }
}

#[tokio::test]
async fn services_that_cannot_be_reached_and_routes_that_never_match() {
    let dir = tempfile::tempdir().unwrap();
    let of = |ca: &str| {
        format!(
            r#"{{ "plugins": ["nope"], "services": [ {{ "name": "a",
  "upstream": {{ "targets": [{{ "url": "https://127.0.0.1:1" }}]{ca} }},
  "routes": [
    {{ "name": "all", "hosts": ["a.example"], "paths": ["/"] }},
    {{ "name": "hidden", "hosts": ["a.example"], "paths": ["~^/v[0-9]+"] }},
    {{ "name": "partly", "hosts": ["a.example", "b.example"], "paths": ["~^/w"] }} ] }} ] }}"#
        )
    };
    let with_ca = of(r#", "ca": "none.pem""#).replace(r#""nope""#, "");
    let err = refused!(dir.path(), &with_ca);
    assert!(err.contains("cannot use the authorities in") && err.contains("none.pem"), "{err}");
    assert!(err.contains("the route `a/hidden` never gets a request: `a/all` comes before it"), "{err}");
    let checked = Process::run(dir.path(), &["check"], &[]).await.unwrap();
    assert_eq!((checked.code, checked.err.as_str()), (Some(1), err.as_str()), "check and start say the same");
    fs::write(dir.path().join("buntime.jsonc"), of("").replace(r#""nope""#, "")).unwrap();
    let checked = Process::run(dir.path(), &["check"], &[]).await.unwrap();
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(checked.err.contains("2 warnings") && checked.err.contains("buntime.jsonc:5:15"), "{}", checked.err);
    assert!(checked.err.contains("`a/partly` gets no request for the host `a.example`"), "{}", checked.err);
}

#[tokio::test]
async fn nothing_secret_is_echoed() {
    let dir = tempfile::tempdir().unwrap();
    let config = r#"{ "admin": { "token": "the-admin-secret", "tokn": 1 }, "plugins": [["logs", { "otlp": { "endpoint": "x", "headers": { "authorization": "the-otlp-secret" } } }]] }"#;
    let err = refused!(dir.path(), config);
    assert!(err.contains("tokn") && !err.contains("the-admin-secret") && !err.contains("the-otlp-secret"), "{err}");
}
