//! The first five minutes: the default configuration, the examples, and what the README promises.

use std::fs;

use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{
    Certificate, Gateway, Process, client, example_home, hello, proxying, repository, rule, soon, start_copy,
};
use http::header;
use serde_json::json;

#[tokio::test]
async fn the_default_configuration_answers_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (config, data) = (dir.path().join("config"), dir.path().join("data"));
    fs::create_dir(&config).unwrap();
    let running = start_copy(&repository().join("config/buntime.jsonc"), &config, &[]).await;
    for path in [
        "/",
        "/livez",
        "/readyz",
        "/.well-known/buntime",
        "/favicon.ico",
        "/p/metrics/api/prometheus",
        "/p/metrics/api/stats",
        "/p/logs/api/logs",
        "/p/logs/api",
        "/p/logs/api/stats",
        "/p/health/api/health",
        "/p/health/api/live",
        "/p/health/api/ready",
        "/p/health/api/health/live",
        "/p/health/api/health/ready",
        "/p/proxy/api/rules",
        "/p/proxy/api/fragments",
        "/p/database/api/adapters",
        "/p/database/api/health",
        "/p/database/api/tenants",
        "/p/database/api/tables",
        "/p/database/api/tables/proxy_rules/rows",
        "/p/database/api/hrana/v3",
        "/api/plugins",
        "/api/plugins/metrics",
        "/api/plugins/%40buntime%2Fplugin-metrics",
        "/api/config",
        "/api/config/schema",
        "/api/routes",
        "/api/openapi.json",
        "/api/docs",
    ] {
        let answer = client::get(running.addr(), path).await;
        assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.header("x-request-id").is_empty(), "{path} without a request id");
    }
    let answer = client::get(running.addr(), "/.well-known/buntime").await;
    assert_eq!(answer.json(), json!({ "api": "/api", "version": runner::VERSION }));
    let answer = client::get(running.addr(), "/nowhere").await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "not_found"));
    let plugins = client::get(running.addr(), "/api/plugins").await.json();
    assert_eq!(plugins["count"], 6);
    for plugin in plugins["plugins"].as_array().unwrap() {
        assert_eq!(plugin["status"]["status"], "active", "{plugin}");
    }
    running.stop().await;
    assert!(data.is_dir(), "data is kept beside `config`");
}

#[tokio::test]
async fn every_example_starts() {
    let mut found = 0;
    for entry in fs::read_dir(repository().join("config/examples")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "jsonc") {
            continue;
        }
        found += 1;
        let dir = tempfile::tempdir().unwrap();
        let home = example_home(dir.path());
        let made = Certificate::write(&home, "made");
        fs::rename(made.cert, home.join("cert.pem")).unwrap();
        fs::rename(made.key, home.join("key.pem")).unwrap();
        let running = start_copy(&file, &home, &[("BUNTIME_ADMIN_TOKEN", "t0ken")]).await;
        let plugins = running.host().live().plugins();
        assert!(!plugins.is_empty(), "{} starts nothing", file.display());
        for plugin in plugins.iter().filter(|plugin| plugin.enabled) {
            assert_eq!(plugin.status.status.as_str(), "active", "{} in {}", plugin.name, file.display());
        }
        soon("the stop of an example", running.stop()).await;
    }
    assert!(found >= 5, "{found} examples");
}

#[tokio::test]
async fn the_binary_checks_every_configuration() {
    let root = repository();
    let mut files = vec![root.join("config/buntime.jsonc")];
    files.extend(fs::read_dir(root.join("config/examples")).unwrap().map(|entry| entry.unwrap().path()));
    let dir = tempfile::tempdir().unwrap();
    let made = Certificate::write(dir.path(), "made");
    fs::rename(made.cert, dir.path().join("cert.pem")).unwrap();
    fs::rename(made.key, dir.path().join("key.pem")).unwrap();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonc")) {
        let copy = dir.path().join(file.file_name().unwrap());
        fs::copy(file, &copy).unwrap();
        let args = ["check", copy.to_str().unwrap()];
        let Some(ran) = Process::run(dir.path(), &args, &[("BUNTIME_ADMIN_TOKEN", "t0ken")]).await else { return };
        assert_eq!(ran.code, Some(0), "{}: {}{}", file.display(), ran.out, ran.err);
    }
}

/// The README's `curl` lines: method, path, body, and the type that curl says it has.
fn curls(readme: &str) -> Vec<(String, String, String, &'static str)> {
    let line = |line: &str| {
        let after = |option: &str| Some(line.split_once(option)?.1.trim_start());
        let quoted = |text: &str| text.split('\'').nth(1).map(str::to_owned);
        let url = line.split_whitespace().map(|word| word.trim_matches('\'')).find(|word| word.starts_with("http"))?;
        let method = after(" -X ").and_then(|rest| rest.split_whitespace().next()).unwrap_or("GET").to_owned();
        let body = after(" -d ").and_then(quoted).unwrap_or_default();
        let is_json = line.contains("content-type: application/json");
        let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
        Some((method, url.strip_prefix("http://127.0.0.1:8000")?.to_owned(), body, kind))
    };
    readme.lines().filter(|text| text.starts_with("curl ")).filter_map(line).collect()
}

/// The first JSONC block that configures `plugin`.
fn block<'a>(readme: &'a str, plugin: &str) -> &'a str {
    let blocks = readme.split("```jsonc\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.into_iter().find(|block| block.contains(plugin)).expect("a block")
}

#[tokio::test]
async fn the_readme_keeps_its_promises() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let upstream = FakeUpstream::start(hello()).await;
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    fs::create_dir(&config).unwrap();
    let key = [("ACME_KEY", "a-key")];
    let running = start_copy(&repository().join("config/buntime.jsonc"), &config, &key).await;
    // The one edit that the README asks for, saved while it runs.
    let file = config.join("buntime.jsonc");
    let text = fs::read_to_string(&file).unwrap();
    let begin = text.find("    [\n      \"@buntime/plugin-proxy\"").expect("the proxy's entry");
    let end = begin + text[begin..].find("\n    ],").expect("its end") + "\n    ]".len();
    let entry = block(&readme, "plugin-proxy").replace("http://127.0.0.1:9000", &upstream.url());
    let text = format!("{}{entry}{}", &text[..begin], &text[end..]);
    fs::write(&file, &text).unwrap();
    let curls = curls(&readme);
    assert!(curls.len() >= 9 && curls[0].1 == "/shop/", "{curls:?}");
    eventually("the rule works at once", || async { client::get(running.addr(), "/shop/").await.text() == "hello" })
        .await;
    // The services that it shows further down.
    let services = block(&readme, "\"services\": [");
    fs::write(&file, format!("{}{services}\n}}\n", text.trim_end().trim_end_matches('}'))).unwrap();
    eventually("the service is there", || async {
        client::get(running.addr(), "/api/explain?host=api.example.com&path=/users/1&consumer=acme").await.status == 200
    })
    .await;
    for (method, path, body, kind) in curls {
        let mut request = client::request(&method, &path);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(body.into()).unwrap();
        let answer = client::send(running.addr(), request).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    }
    running.stop().await;
}

#[tokio::test]
async fn the_page_at_the_root_is_for_people_and_programs() {
    let gateway = Gateway::start(proxying(&[])).await;
    let page = gateway.get("/").await;
    assert!(page.header("content-type").starts_with("text/html") && page.text().contains("proxy"), "{}", page.text());
    let request = client::request("GET", "/").header(header::ACCEPT, "application/json");
    let answer = client::send(gateway.addr(), request.body("".into()).unwrap()).await;
    assert_eq!(answer.json()["plugins"].as_array().map(Vec::len), Some(4));
    // A rule for everything takes `/`, but never what is the runtime's own.
    let upstream = FakeUpstream::start(hello()).await;
    let mut all = rule("all", &upstream.url());
    all["pattern"] = json!("^/(.*)$");
    gateway.replace(&proxying(&[all]));
    eventually("the rule answers at /", || async { gateway.get("/").await.text() == "hello" }).await;
    for path in ["/livez", "/readyz", "/.well-known/buntime", "/api/plugins", "/p/metrics/api/stats", "/p/none"] {
        assert_ne!(gateway.get(path).await.text(), "hello", "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn commands_help_to_begin() {
    let dir = tempfile::tempdir().unwrap();
    let Some(ran) = Process::run(dir.path(), &["init"], &[]).await else { return };
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = Process::run(dir.path(), &["check"], &[]).await.unwrap();
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let ran = Process::run(dir.path(), &["init"], &[]).await.unwrap();
    assert!(ran.code == Some(1) && ran.err.contains("not overwritten"), "{ran:?}");
    let ran = Process::run(dir.path(), &["schema"], &[]).await.unwrap();
    let schema: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(schema["properties"]["plugins"].is_object());
    let ran = Process::run(dir.path(), &["--version"], &[]).await.unwrap();
    assert_eq!(ran.out, format!("runner {}\n", runner::VERSION));
    let ran = Process::run(dir.path(), &["--help"], &[]).await.unwrap();
    for word in ["check", "schema", "init", "--config", "--plugin"] {
        assert!(ran.out.contains(word), "{word} in {}", ran.out);
    }
    let ran = Process::run(dir.path(), &["chekc"], &[]).await.unwrap();
    assert!(ran.code.is_some_and(|code| code != 0) && ran.err.contains("check"), "{ran:?}");
    // The starter file serves.
    let process = Process::serve(dir.path(), &[], &[("PORT", "0")]).await.unwrap();
    assert_eq!(client::get(process.addr(), "/readyz").await.status, 200);
}
