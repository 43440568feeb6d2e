//! The response cache held by npm's `http-cache-tests` through the real runner: the suite's origin behind it, its client
//! in front.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use buntime_testing::eventually;
use buntime_tests::{Gateway, repository, skipped};
use serde_json::{Value, json};

/// What the field's caches pass, by the results that the suite ships: Squid. And what this one did when last looked at.
const BEST_OF_THE_FIELD: usize = 243;
const COMMITTED: usize = 299;

/// The suite takes longer than anything else here: it waits for answers to become stale.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(240);

/// Runs every test and prints, as one object: `results` by id, `kinds` by id.
const CLIENT: &str = r#"
const [base, url] = process.argv.slice(-2)
const { runTests, getResults } = await import(`${base}/client/runner.mjs`)
const { createRequire } = await import('module')
const fetch = createRequire(`${base}/cli.mjs`)('node-fetch')
const tests = (await import(`${base}/tests/index.mjs`)).default
tests.push((await import(`${base}/tests/surrogate-control.mjs`)).default)
const kinds = {}
for (const suite of tests) for (const test of suite.tests) {
  if (test.browser_only !== true) kinds[test.id] = test.kind || 'required'
}
await runTests(tests, fetch, false, url)
process.stdout.write(JSON.stringify({ results: getResults(), kinds }))
process.exit(0)
"#;

/// The suite's origin server; ended when dropped.
struct Origin {
    child: tokio::process::Child,
    address: SocketAddr,
}

impl Origin {
    async fn start(suite: &Path, dir: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = tokio::process::Command::new("node");
        command.arg("--no-warnings").arg(suite.join("server/server.mjs")).current_dir(dir).kill_on_drop(true);
        command.env("npm_config_protocol", "http").env("npm_config_port", address.port().to_string());
        command.env("npm_config_pidfile", dir.join("origin.pid"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        eventually(
            "the suite's origin listens",
            || async move { tokio::net::TcpStream::connect(address).await.is_ok() },
        )
        .await;
        Self { child, address }
    }
}

/// Where npm has put the suite; `None` skips the test.
fn suite() -> Option<PathBuf> {
    let output = Command::new("npm").args(["root", "--global"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let root = output.ok().filter(|output| output.status.success());
    let root = root.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let found = root.map(|root| root.join("http-cache-tests")).filter(|dir| dir.join("client/runner.mjs").is_file());
    if found.is_none() {
        skipped("needs node and npm's http-cache-tests; `cargo xtask setup` installs them");
    }
    found
}

/// By id: the kind, and what went wrong if anything did.
type Results = BTreeMap<String, (String, Option<String>)>;

/// The suite goes by seconds, which a machine with other work may miss: what fails and should not is tried again, twice.
async fn run(suite: &Path, cache: &Value, may_fail: impl Fn(&str, &str) -> bool) -> Results {
    let mut best = run_once(suite, cache).await;
    for _ in 0..2 {
        if best.iter().all(|(id, (kind, why))| why.is_none() || may_fail(id, kind)) {
            break;
        }
        for (id, (_, why)) in run_once(suite, cache).await {
            if let Some((_, was)) = best.get_mut(&id).filter(|_| why.is_none()) {
                *was = None;
            }
        }
    }
    best
}

/// What the suite says.
async fn run_once(suite: &Path, cache: &Value) -> Results {
    let dir = tempfile::tempdir().unwrap();
    let mut origin = Origin::start(suite, dir.path()).await;
    let gateway = Gateway::start(json!({
        "plugins": [["@buntime/plugin-gateway", { "cache": cache }]],
        "services": [{
            "name": "origin",
            "upstream": { "targets": [{ "url": format!("http://{}", origin.address) }], "retries": 0 },
            "routes": [{ "name": "all", "paths": ["/"] }],
        }],
    }))
    .await;
    let mut client = tokio::process::Command::new("node");
    client.args(["--no-warnings", "--input-type=module", "-e", CLIENT]).kill_on_drop(true);
    client.arg(suite).arg(format!("http://{}", gateway.addr()));
    let output = client.stdin(Stdio::null()).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("the suite ends").unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    origin.child.kill().await.unwrap();
    gateway.stop().await;
    let kinds = said["kinds"].as_object().unwrap();
    let result = |id: &String| match &said["results"][id] {
        Value::Bool(true) => None,
        other => Some(other.to_string()),
    };
    kinds.iter().map(|(id, kind)| (id.clone(), (kind.as_str().unwrap().to_owned(), result(id)))).collect()
}

/// The ids that `CACHE.md` explains, in the first cells of its table.
fn explained() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository().join("plugins/plugin-gateway/CACHE.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let ids = rows.filter_map(|row| row.split(" | ").next()).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    ids.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_of_the_suite_is_passed_than_by_any_of_the_field() {
    let Some(suite) = suite() else { return };
    let explained = explained();
    let results = run(
        &suite,
        &json!({ "heuristic": true, "requestDirectives": true, "setCookie": "store", "staleIfError": "60s", "surrogate": true }),
        |id, _| explained.contains(id),
    )
    .await;
    let passed = results.values().filter(|(_, why)| why.is_none()).count();
    let failed: BTreeSet<String> =
        results.iter().filter(|(_, (_, why))| why.is_some()).map(|(id, _)| id.clone()).collect();
    let told: Vec<String> =
        results.iter().filter_map(|(id, (kind, why))| Some(format!("{kind} {id}: {}", why.as_ref()?))).collect();
    assert_eq!(
        failed,
        explained,
        "{passed} of {}; CACHE.md explains what is not passed, and nothing else:\n{}",
        results.len(),
        told.join("\n")
    );
    assert!(
        passed >= COMMITTED && COMMITTED > BEST_OF_THE_FIELD,
        "{passed} of {}:\n{}",
        results.len(),
        told.join("\n")
    );
}

/// What needs a setting that is off by default, among the tests marked required.
const OPT_IN: [&str; 6] = [
    "304-etag-update-response-Set-Cookie",
    "headers-store-Set-Cookie",
    "surrogate-fresh-cc-nostore",
    "surrogate-max-age-0-expires",
    "surrogate-max-age-long-cc-max-age",
    "surrogate-no-store-cc-fresh",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_defaults_what_is_required_is_passed_but_for_what_is_a_choice() {
    let Some(suite) = suite() else { return };
    let impossible = |id: &str| id.starts_with("stale-close-");
    let may_fail = |id: &str, kind: &str| kind != "required" || impossible(id) || OPT_IN.contains(&id);
    let results = run(&suite, &json!({}), may_fail).await;
    let failed: BTreeSet<&str> = results
        .iter()
        .filter(|(id, (kind, why))| kind == "required" && why.is_some() && !impossible(id))
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(failed, BTreeSet::from(OPT_IN), "{results:#?}");
}
