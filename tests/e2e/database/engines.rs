//! What is kept where: plugins on the database that they name, and the runner's own stores on each engine.

use buntime_database::testing::{LibsqlServer, PostgresServer};
use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{Gateway, deno, hello, rule};
use http::Method;
use serde_json::{Value, json};

use super::{TOKEN, config, libsql, postgres, sqlite, start};

const KV_TOKEN: &str = "a-long-and-random-text";

/// The tables of an adapter, by name.
async fn tables(gateway: &Gateway, kind: &str) -> Vec<String> {
    let told = gateway.json(&format!("/p/database/api/tables?type={kind}")).await;
    let tables = told["tables"].as_array().unwrap().iter();
    tables.map(|table| table["name"].as_str().unwrap().to_owned()).collect()
}

/// KeyVal on an adapter that is not the default, written by Deno, read by Deno after a restart.
async fn keyval_on(kind: &'static str, adapter: Value) {
    let keyval = json!(["@buntime/plugin-keyval", { "database": kind, "accessTokens": [KV_TOKEN] }]);
    let config = config(json!([sqlite(true), adapter]), &[keyval]);
    let gateway = Gateway::start(config.clone()).await;
    let script = r#"
const kv = await Deno.openKv(Deno.args[0])
const watch = kv.watch([["w"]]).getReader()
await watch.read()
const done = await Promise.all([...Array(20).keys()].map((n) => kv.atomic().set(["n", n], { n }).sum(["sum"], 1n).commit()))
if (new Set(done.map((one) => one.versionstamp)).size !== 20) throw new Error("versionstamps")
const told = watch.read()
await kv.set(["w"], 2n ** 65n)
const [{ value }] = (await told).value
let listed = 0
for await (const entry of kv.list({ prefix: ["n"] })) listed += entry.value.n
console.log(value === 2n ** 65n, listed, (await kv.get(["sum"])).value)
kv.close()"#;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let env = [("DENO_KV_ACCESS_TOKEN", KV_TOKEN)];
    let Some(ran) = deno(script, &[&url], &env).await else { return };
    assert_eq!(ran.out(), "true 190 [Deno.KvU64: 20n]\n");
    let (there, elsewhere) = (tables(&gateway, kind).await, tables(&gateway, "sqlite").await);
    assert!(there.iter().any(|name| name.starts_with("kv_")), "{there:?}");
    assert!(!elsewhere.iter().any(|name| name.starts_with("kv_")), "{elsewhere:?}");
    let gateway = Gateway::start_in(gateway.stop().await, config, |_| {}).await;
    let script = r#"const kv = await Deno.openKv(Deno.args[0]); console.log((await kv.get(["w"])).value)"#;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let Some(ran) = deno(script, &[&url], &env).await else { return };
    assert_eq!(ran.out(), "36893488147419103232n\n");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyval_lives_on_postgres() {
    let Some(server) = PostgresServer::start().await else { return };
    keyval_on("postgres", postgres(&server, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyval_lives_on_a_libsql_server() {
    let Some(server) = LibsqlServer::start().await else { return };
    keyval_on("libsql", libsql(&server, false)).await;
}

/// Everything the runner and its plugins keep is kept in the default database, and is there after a restart.
async fn the_whole_runner_on(adapter: Value) {
    let upstream = FakeUpstream::start(hello()).await;
    let plugins = [
        json!(["@buntime/plugin-metrics", { "analytics": { "flushInterval": "100ms" } }]),
        json!("@buntime/plugin-health"),
        json!("@buntime/plugin-proxy"),
        json!(["@buntime/plugin-gateway", {
            "rateLimit": { "name": "daily", "requests": 1000, "period": "day" }, "shellTarget": "http://127.0.0.1:9",
            "history": { "interval": "1s" },
        }]),
        json!(["@buntime/plugin-keyval", { "accessTokens": [KV_TOKEN] }]),
    ];
    let config = config(json!([adapter]), &plugins);
    let gateway = Gateway::start(config.clone()).await;

    // Rules that are added while it runs.
    let mut kept = rule("kept", &upstream.url());
    kept["guard"] = json!(true);
    let added = gateway.send(Method::POST, "/p/proxy/api/rules", &kept).await;
    assert_eq!(added.status, 201, "{}", added.text());
    let id = added.json()["id"].as_str().unwrap().to_owned();
    eventually("the rule answers", || async { gateway.get("/kept/x").await.text() == "hello" }).await;
    let off =
        gateway.send(Method::PATCH, &format!("/p/proxy/api/rules/{id}/toggle"), &json!({ "enabled": false })).await;
    assert_eq!(off.status, 200, "{}", off.text());
    let on = gateway.send(Method::PATCH, &format!("/p/proxy/api/rules/{id}/toggle"), &json!({ "enabled": true })).await;
    assert_eq!(on.status, 200, "{}", on.text());

    // What an operator switches.
    let switched = gateway.send(Method::PUT, "/api/plugins/health", &json!({ "enabled": false })).await;
    assert_eq!(switched.status, 200, "{}", switched.text());

    // Paths that the shell is not for.
    let excluded = gateway.send(Method::POST, "/p/gateway/api/shell/excludes", &json!({ "basename": "orders" })).await;
    assert!(excluded.status < 300, "{}", excluded.text());

    // Quotas and analytics count what passes.
    for _ in 0..5 {
        assert_eq!(gateway.get("/kept/y").await.status, 200);
    }
    let counted = |gateway: &Gateway| {
        let addr = gateway.addr();
        async move {
            let told = buntime_tests::client::get(addr, "/p/metrics/api/analytics").await;
            assert_eq!(told.status, 200, "{}", told.text());
            let told = told.json();
            assert_eq!(told["storage"]["failing"], false, "{told}");
            told["totals"]["requests"].as_u64().unwrap_or_default()
        }
    };
    eventually("analytics are written", || async { counted(&gateway).await >= 6 }).await;
    eventually("samples are written", || async {
        gateway.json("/p/gateway/api/metrics/history").await.as_array().is_some_and(|samples| !samples.is_empty())
    })
    .await;
    let health = gateway.json("/p/database/api/health").await;
    assert_eq!(health["status"], "healthy", "{health}");

    let gateway = Gateway::start_in(gateway.stop().await, config, |_| {}).await;
    eventually("the rule is there", || async { gateway.get("/kept/x").await.text() == "hello" }).await;
    let rules = gateway.json("/p/proxy/api/rules").await;
    assert_eq!((rules[0]["id"].as_str(), rules[0]["enabled"].as_bool()), (Some(id.as_str()), Some(true)), "{rules}");
    let health = gateway.json("/api/plugins/health").await;
    assert_eq!(health["status"]["status"], "disabled", "{health}");
    let excludes = gateway.json("/p/gateway/api/shell/excludes").await;
    assert!(excludes.to_string().contains("orders"), "{excludes}");
    eventually("the analytics go on", || async { counted(&gateway).await >= 7 }).await;
    let buckets = gateway.json("/p/gateway/api/rate-limit/buckets").await;
    let left = buckets[0]["tokens"].as_f64().unwrap();
    assert!(left <= 993.0, "the quota goes on: {buckets}");
    // Nothing of it was put beside the database.
    let files = std::fs::read_dir(gateway.dir().join("data")).map_or(0, |dir| {
        dir.flatten().filter(|file| file.path().extension().is_some_and(|ending| ending == "db")).count()
    });
    assert_eq!(files, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_runner_lives_on_postgres() {
    let Some(server) = PostgresServer::start().await else { return };
    the_whole_runner_on(postgres(&server, true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_runner_lives_on_a_libsql_server() {
    let Some(server) = LibsqlServer::start().await else { return };
    the_whole_runner_on(libsql(&server, true)).await;
}

/// Ours is a libSQL server good enough for our own adapter.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_runner_lives_on_another_runner() {
    let mut served = config(json!([sqlite(true)]), &[]);
    served["admin"] = json!({ "token": TOKEN });
    let server = Gateway::start(served).await;
    let url = format!("http://{}/p/database/api/hrana/", server.addr());
    the_whole_runner_on(json!({ "type": "libsql", "urls": [url], "authToken": TOKEN })).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_where_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("buntime.jsonc");
    let refused = async |adapters: &str| {
        let text = format!(
            "{{ \"server\": {{ \"port\": 0 }},\n  \"plugins\": [[\"database\", {{ \"adapters\": [\n{adapters}\n] }}]] }}"
        );
        std::fs::write(&file, text).unwrap();
        Gateway::try_start(&dir, |_| {}).await.expect_err("it does not start").to_string()
    };
    let both = refused(
        "{ \"type\": \"sqlite\" },\n{ \"type\": \"postgres\", \"url\": \"postgres://u:hidden@127.0.0.1:1/d\" }",
    );
    let both = both.await;
    assert!(both.contains("none of `sqlite`, `postgres` is the default") && both.contains(":3:"), "{both}");
    let away = refused("{ \"type\": \"postgres\", \"url\": \"postgres://u:hidden@127.0.0.1:1/d\" }").await;
    assert!(away.contains("cannot be opened") && away.contains("cannot be reached") && away.contains(":3:"), "{away}");
    assert!(!away.contains("hidden") && !both.contains("hidden"), "{both}\n{away}");
    let unknown = refused("{ \"type\": \"mysql\", \"url\": \"x\" }").await;
    assert!(unknown.contains("mysql"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_switched_off_and_its_adapters_stay() {
    let gateway = start(json!([sqlite(true)]), &[json!("@buntime/plugin-proxy")]).await;
    let off = gateway.send(Method::PUT, "/api/plugins/database", &json!({ "enabled": false })).await;
    assert_eq!(off.status, 200, "{}", off.text());
    assert_eq!(gateway.get("/p/database/api/adapters").await.status, 404);
    let added = gateway.send(Method::POST, "/p/proxy/api/rules", &rule("a", "http://127.0.0.1:9")).await;
    assert_eq!(added.status, 201, "{}", added.text());
    gateway.stop().await;
}
