//! What the command line prints.

use std::path::Path;

use crate::binary::command;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

async fn run(dir: &Path, args: &[&str]) -> Ran {
    let ran = command(dir).args(args).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&dir.display().to_string(), "DIR");
    Ran { code: ran.status.code().unwrap(), out: text(ran.stdout), err: text(ran.stderr) }
}

#[tokio::test]
async fn help_and_version() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("help", run(dir.path(), &["--help"]).await.out);
    let version = run(dir.path(), &["--version"]).await;
    assert_eq!((version.code, version.out.trim()), (0, &*format!("runner {}", runner::VERSION)));
    assert_eq!(run(dir.path(), &["serv"]).await.code, 2);
}

#[tokio::test]
async fn check_prints_every_problem() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("buntime.jsonc");
    let text = r#"{
  "server": { "prt": 8000, "maxBodySize": "10 parsecs" },
  "required": ["health"],
  "plugins": ["metrics", "metrcs", ["logs", { "maxEntrys": 5 }]],
}
"#;
    std::fs::write(&file, text).unwrap();
    let ran = run(dir.path(), &["check"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    insta::assert_snapshot!("check", ran.err);
    std::fs::write(&file, "{ \"plugins\": [\"metrics\"], \"required\": [\"metrics\"] }").unwrap();
    let ran = run(dir.path(), &["check", "buntime.jsonc"]).await;
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "buntime.jsonc: fine\n", ""));
    assert_eq!(run(dir.path(), &["check", "nowhere.jsonc"]).await.code, 1);
    let added = run(dir.path(), &["check", "--plugin", "nope"]).await;
    assert!(added.code == 1 && added.err.contains("--plugin"), "{}", added.err);
    // Serving says the same and starts nothing.
    std::fs::write(&file, text).unwrap();
    let served = run(dir.path(), &[]).await;
    assert_eq!((served.code, served.out.as_str()), (1, ""));
    insta::assert_snapshot!("check", served.err);
}

#[tokio::test]
async fn init_writes_a_file_that_loads_and_overwrites_none() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(dir.path(), &["init"]).await.code, 0);
    assert_eq!(run(dir.path(), &["check"]).await.code, 0);
    std::fs::write(dir.path().join("buntime.jsonc"), "mine").unwrap();
    let again = run(dir.path(), &["init"]).await;
    assert!(again.code == 1 && again.err.contains("is not overwritten"), "{}", again.err);
    assert_eq!(std::fs::read_to_string(dir.path().join("buntime.jsonc")).unwrap(), "mine");
    assert_eq!(run(dir.path(), &["init", "other.jsonc"]).await.code, 0);
    assert_eq!(run(dir.path(), &["init", "no/such/dir.jsonc"]).await.code, 1);
}

#[tokio::test]
async fn the_schema_is_json() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(dir.path(), &["schema"]).await;
    let schema: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(schema["title"], "buntime.jsonc");
}

#[tokio::test]
async fn explain_needs_no_server() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"{ "plugins": ["metrics", ["logs", { "maxEntries": 50 }]], "dataDir": "data",
      "services": [{ "name": "users", "upstream": { "targets": [{ "url": "http://127.0.0.1:9" }] },
        "routes": [{ "name": "all", "hosts": ["a.example"], "paths": ["/users"], "plugins": [{ "name": "logs", "enabled": false }] }] }],
      "consumers": [{ "name": "acme", "match": [{ "apiKey": "secret-key" }] }] }"#;
    std::fs::write(dir.path().join("buntime.jsonc"), text).unwrap();
    let ran = run(dir.path(), &["explain", "/users/1", "--host", "a.example", "--consumer", "acme"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["route"]["label"], "service:users/all");
    let chain: Vec<&str> =
        told["chain"].as_array().unwrap().iter().map(|one| one["plugin"].as_str().unwrap()).collect();
    assert_eq!(chain, ["metrics", "consumer-keys"]);
    assert_eq!(told["leftOut"][0]["plugin"], "logs");
    assert!(!ran.out.contains("secret-key"));
    let wrong = run(dir.path(), &["explain", "/users/1", "--consumer", "nobody"]).await;
    assert!(wrong.code == 1 && wrong.err.contains("No consumer `nobody`"), "{}", wrong.err);
    let wrong = run(dir.path(), &["explain", "users"]).await;
    assert!(wrong.code == 1 && wrong.err.contains("begins with a `/`"), "{}", wrong.err);
}

#[tokio::test]
async fn a_pipe_is_a_file_and_a_reader_may_leave() {
    let dir = tempfile::tempdir().unwrap();
    let runner = env!("CARGO_BIN_EXE_runner");
    let script = format!(
        "set -e -o pipefail; '{runner}' schema | head -c 10 > /dev/null; \
         '{runner}' check --config <(echo '{{ \"plugins\": [\"metrics\"] }}')"
    );
    let ran =
        tokio::process::Command::new("bash").arg("-c").arg(script).current_dir(dir.path()).output().await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("fine"));
}

#[tokio::test]
async fn a_url_is_allowed_or_blocked() {
    let dir = tempfile::tempdir().unwrap();
    for (url, words) in [
        ("http://8.8.8.8/x", "allowed: http://8.8.8.8/x is at 8.8.8.8"),
        ("https://[2606:4700:4700::1111]:8443", "allowed: "),
        ("http://127.0.0.1/", "blocked: 127.0.0.1 is a loopback address"),
        ("http://0x7f.1:8080/", "blocked: 127.0.0.1 is a loopback address"),
        ("http://2852039166/latest", "blocked: 169.254.169.254 is the address of a cloud metadata service"),
        ("http://metadata.google.internal/", "blocked: `metadata.google.internal` is the name of a cloud metadata"),
        ("http://[::ffff:10.0.0.1]/", "blocked: 10.0.0.1 is a private address"),
        ("http://localhost:8000/", "blocked: `localhost` is a name of this machine"),
        ("http://api.default.svc/", "blocked: `api.default.svc` is a name inside a cluster"),
        ("http://user@example.com/", "blocked: it has a user name"),
        ("ftp://example.com/", "blocked: only http and https"),
        ("http://nowhere.invalid/", "blocked: "),
        ("not a url", "blocked: it cannot be read as a URL"),
        ("", "blocked: it cannot be read as a URL"),
        ("--", "blocked: "),
        ("-x", "blocked: it cannot be read as a URL"),
    ] {
        let ran = match url {
            "--" => run(dir.path(), &["url", "--", "--no-resolve"]).await,
            url => run(dir.path(), &["url", url]).await,
        };
        let code = i32::from(words.starts_with("blocked"));
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{url}");
        assert!(ran.out.starts_with(words) && ran.out.ends_with('\n'), "{url}: {}", ran.out);
    }
    for args in [["url", "--no-resolve", "https://example.com"], ["url", "https://example.com", "--no-resolve"]] {
        let ran = run(dir.path(), &args).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, "allowed: https://example.com/, as it is written\n"));
    }
    assert_eq!(run(dir.path(), &["url"]).await.code, 2);
}

#[tokio::test]
async fn a_url_is_judged_by_the_configuration_that_would_be_served() {
    let dir = tempfile::tempdir().unwrap();
    let listed = r#"{ "outbound": { "allowCidrs": ["10.20.0.0/16"], "allowHosts": ["192.168.7.1"], "allowSuffixes": [".svc.cluster.local"],
        "allowUrls": ["http://10.9.9.9:6379/in"] } }"#;
    std::fs::write(dir.path().join("buntime.jsonc"), listed).unwrap();
    std::fs::write(dir.path().join("only.jsonc"), r#"{ "outbound": { "onlyListed": true } }"#).unwrap();
    std::fs::write(dir.path().join("broken.jsonc"), r#"{ "outbound": { "allowCidrs": ["x"] } }"#).unwrap();
    for (url, words) in [
        ("http://10.20.1.1/", "allowed: http://10.20.1.1/ is at 10.20.1.1, as `outbound` allows"),
        ("http://[::ffff:10.20.1.1]/", "allowed: "),
        ("http://192.168.7.1:8080/", "allowed: "),
        ("http://192.168.7.2/", "blocked: 192.168.7.2 is a private address"),
        ("http://10.21.0.1/", "blocked: 10.21.0.1 is a private address"),
        ("http://10.9.9.9:6379/in/x", "allowed: "),
        ("http://10.9.9.9:6379/inner", "blocked: 10.9.9.9 is a private address"),
        ("http://10.20.1.1:6379/", "blocked: "),
        ("http://127.0.0.1/", "blocked: 127.0.0.1 is a loopback address"),
    ] {
        let ran = run(dir.path(), &["url", url]).await;
        assert!(ran.out.starts_with(words), "{url}: {}{}", ran.out, ran.err);
        assert_eq!(ran.code, i32::from(words.starts_with("blocked")), "{url}");
    }
    let named = run(dir.path(), &["url", "--no-resolve", "http://api.default.svc.cluster.local/"]).await;
    assert_eq!(named.code, 0, "{}", named.out);
    let only = run(dir.path(), &["--config", "only.jsonc", "url", "http://8.8.8.8/"]).await;
    assert!(only.code == 1 && only.out.starts_with("blocked: "), "{}", only.out);
    let broken = run(dir.path(), &["--config", "broken.jsonc", "url", "http://8.8.8.8/"]).await;
    assert_eq!((broken.code, broken.out.starts_with("blocked: the configuration")), (1, true), "{}", broken.out);
    assert!(broken.err.contains("broken.jsonc:1:") && broken.err.contains("CIDR"), "{}", broken.err);
}
