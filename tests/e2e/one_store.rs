//! `CLIENTS.md` of KeyVal as it is written: four clients of the default configuration see each other's writes.

use std::{fs, process::Stdio};

use buntime_keyval::{Selector, Store, key};
use buntime_tests::{deno, repository, skipped, soon, start_copy};
use futures_util::TryStreamExt;
use tokio::process::Command;

const PAGE: &str = include_str!("../../plugins/plugin-keyval/CLIENTS.md");
const HERE: &str = "http://127.0.0.1:8000";

/// The blocks of that language, with the address of the runner in them.
fn blocks(language: &str, url: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let found = PAGE.split(&*fence).skip(1).filter_map(|rest| rest.split("```").next());
    found.map(|block| block.replace(HERE, url)).collect()
}

/// What the page shows of Rust.
async fn visit(url: &str) -> buntime_keyval::Result<Vec<String>> {
    let store = Store::connect(url, "any").await?;
    store.set(key!["visitors", "rust"], &vec![1, 2, 3]).await?;
    let mut all = std::pin::pin!(store.list(Selector::prefix(key!["visitors"])).stream());
    let mut seen = Vec::new();
    while let Some(entry) = all.try_next().await? {
        seen.push(format!("{:?} {:?}", entry.key, entry.value));
    }
    Ok(seen)
}

#[test]
fn the_rust_of_the_page_is_what_is_run() {
    let [shown] = blocks("rust", HERE).try_into().unwrap();
    let here = include_str!("one_store.rs");
    let lines = shown.lines().map(str::trim).filter(|line| line.ends_with("?;") || line.starts_with("let mut all"));
    assert_eq!(lines.map(|line| assert!(here.contains(line), "{line}")).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_see_what_each_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    fs::create_dir(&config).unwrap();
    let running = start_copy(&repository().join("config/buntime.jsonc"), &config, &[]).await;
    let url = format!("http://{}", running.addr());

    let [of_deno, of_original] = blocks("ts", &url).try_into().unwrap();
    let Some(script) = deno(&of_deno, &[], &[("DENO_KV_ACCESS_TOKEN", "any")]).await else { return };
    assert!(script.out().starts_with("visitors/deno {"));
    // The original's client says the same on the wire.
    let original =
        of_original.replace("import { Kv } from \"@buntime/keyval\";", include_str!("keyval_rest/client.ts"));
    let Some(script) = deno(&original, &[], &[]).await else { return };
    let seen = script.out();
    assert!(seen.contains("visitors/deno {") && seen.contains("visitors/sdk {"), "{seen}");

    let [curl] = blocks("sh", &url).try_into().unwrap();
    let mut shell = Command::new("sh");
    shell.arg("-ec").arg(&curl).stdin(Stdio::null()).kill_on_drop(true);
    let output = soon("the end of curl", shell.output()).await.expect("a shell");
    if !output.status.success() {
        return skipped("needs curl");
    }
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(seen.contains(r#"{"ok":true"#) && seen.contains(r#"["visitors","sdk"]"#), "{seen}");
    assert!(seen.contains(r#"{"__type":"bigint","value":"1180591620717411303424"}"#), "{seen}");

    let seen = visit(&format!("{url}/p/keyval")).await.unwrap().join("\n");
    for who in ["curl", "deno", "rust", "sdk"] {
        assert!(seen.contains(&format!("[\"visitors\", \"{who}\"]")), "{who} in {seen}");
    }
    running.stop().await;
}
