//! KeyVal over REST, against the real runner: as the original's client uses it, beside Deno's own.

use buntime_tests::{Gateway, client, deno};
use serde_json::json;

async fn gateway() -> Gateway {
    Gateway::start(json!({ "plugins": ["@buntime/plugin-metrics", ["@buntime/plugin-keyval", { "keepAlive": "1s" }]] }))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_originals_client_and_deno_share_one_store() {
    let gateway = gateway().await;
    let script = concat!(include_str!("keyval_rest/client.ts"), include_str!("keyval_rest/uses.ts"));
    let root = format!("http://{}/p/keyval", gateway.addr());
    let Some(script) = deno(script, &[&root], &[("DENO_KV_ACCESS_TOKEN", "whatever")]).await else { return };
    assert_eq!(script.out(), "done\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_measures_is_among_the_runtimes_metrics() {
    let gateway = gateway().await;
    let put = client::request("PUT", "/p/keyval/api/keys/a%2Fb").body("1".into()).unwrap();
    assert_eq!(client::send(gateway.addr(), put).await.status, 200);
    assert_eq!(client::get(gateway.addr(), "/p/keyval/api/keys/a%2Fb").await.json()["key"], json!(["a/b"]));
    let text = client::get(gateway.addr(), "/p/metrics/api/prometheus").await.text();
    for line in ["keyval_operations_total{operation=\"set\"} 1", "keyval_entries_total 1"] {
        assert!(text.lines().any(|one| one == line), "no `{line}` in\n{text}");
    }
    let missing = client::get(gateway.addr(), "/p/keyval/api/keys/none").await;
    assert_eq!((missing.problem(), missing.json()["error"].clone()), ("not_found".to_owned(), json!("Key not found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing() {
    let gateway = gateway().await;
    let forged =
        client::request("PUT", "/p/keyval/api/keys/a").header("origin", "http://elsewhere.example").body("1".into());
    assert_eq!(client::send(gateway.addr(), forged.unwrap()).await.status, 403);
    let forwarded =
        client::request("GET", "/p/keyval/api/keys/a").header("x-forwarded-for", "10.1.2.3").body("".into());
    assert_eq!(client::send(gateway.addr(), forwarded.unwrap()).await.problem(), "forbidden");
}
