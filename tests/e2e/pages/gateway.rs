//! The gateway's page: seeing who is limited and what is cached, and acting on it.

use buntime_tests::Gateway;
use serde_json::json;

use super::world::World;

pub(super) async fn used(world: &World) {
    let tab = &world.tab;
    world.open("/p/gateway/").await;
    tab.shows("#limited-table", "greedy").await;
    tab.shows("#limits-table", "per-caller").await;
    tab.shows("#buckets-table", "caller-").await;
    tab.shows("#entries-table", "/users/0").await;
    tab.until("figures", "Number(document.querySelector('#stat-refused').innerText.replaceAll(',', '')) > 0").await;
    tab.shows("#cache-said", "hits").await;
    tab.shows("#requests-table", "/nothing-here").await;
    tab.shows("#shell-said", "There is no shell here").await;
    for chart in ["rate", "time", "errors", "hits"] {
        let drawn = format!("document.querySelectorAll('#chart-{chart} path.line').length > 0");
        tab.until(&format!("the chart {chart} is drawn"), &drawn).await;
    }
    world.look("gateway").await;
    limits(world).await;
    requests(world).await;
    cache(world).await;
    shell(world).await;
}

async fn requests(world: &World) {
    let tab = &world.tab;
    tab.write("#requests-statusRange", "404").await;
    tab.press("#requests-form", "Filter").await;
    tab.until("only those are shown", "!document.querySelector('#requests-table').innerText.includes('/legacy/page')")
        .await;
    tab.shows("#requests-table", "/nothing-here").await;
    tab.write("#requests-statusRange", "429").await;
    tab.press("#requests-form", "Filter").await;
    tab.shows("#requests-table", "refused: header:x-caller=greedy").await;
    // Further back: the same samples and more.
    tab.press("#history-ranges", "3600").await;
    tab.until("it is pressed", "document.querySelector('#history-ranges [value=\"3600\"]').ariaPressed === 'true'")
        .await;
    tab.shows("#history-said", "samples since").await;
}

/// Of another gateway: there the shell would get what the other pages' tests navigate to. It has no token, so that nobody has
/// to sign in.
async fn shell(world: &World) {
    let tab = &world.tab;
    let settings = json!({ "shellTarget": "http://127.0.0.1:9", "shellExcludes": ["framed"] });
    let gateway = Gateway::start(json!({ "plugins": [["@buntime/plugin-gateway", settings]] })).await;
    tab.go(&format!("http://{}/p/gateway/", gateway.addr())).await;
    tab.shows("#shell-said", "gets what browsers navigate to").await;
    tab.shows("#shell-table", "/framed").await;
    tab.write("#shell-basename", "orders").await;
    tab.press("#shell-form", "Add").await;
    tab.shows("#shell-table", "/orders").await;
    let excluded = || async {
        let all = gateway.get("/p/gateway/api/shell/excludes").await.json();
        all.as_array().is_some_and(|all| all.iter().any(|one| one["basename"] == "orders"))
    };
    assert!(excluded().await);
    world.look("gateway-shell").await;
    tab.press("#shell-table", "Remove").await;
    tab.shows("#toasts", "may be the shell's again").await;
    assert!(!excluded().await);
    gateway.stop().await;
}

async fn limits(world: &World) {
    let tab = &world.tab;
    tab.write("#buckets-prefix", "header:x-caller=greedy").await;
    tab.press("#buckets-form", "Show").await;
    tab.until("one key is shown", "document.querySelectorAll('#buckets-table tbody tr').length === 1").await;
    tab.shows("#buckets-table", "limited").await;
    // They are over it again soon.
    tab.value(
        "window.free = false; const buckets = document.querySelector('#buckets-table'); \
         new MutationObserver(() => { free ||= buckets.innerText.includes('free') }).observe(buckets, { childList: true, subtree: true })",
    )
    .await;
    tab.press("#limited-table tbody tr", "Reset").await;
    tab.shows("#toasts", "begins anew").await;
    tab.until("it may again", "free").await;
    // A limit that is not there is shown as nothing, and asks for nothing.
    tab.write("#buckets-name", "nobody").await;
    tab.press("#buckets-form", "Show").await;
    tab.shows("#buckets-table", "No key is counted").await;
}

async fn cache(world: &World) {
    let tab = &world.tab;
    let forgotten = |text: String| text.parse::<u64>().unwrap_or_default();
    let before = world.json("/p/gateway/api/cache").await["totals"]["invalidated"].to_string();
    tab.press("#invalidate-form", "Invalidate").await;
    tab.shows("#invalidate-what-told", "Say which").await;
    tab.write("#invalidate-what", "/users/").await;
    tab.press("#invalidate-form", "Invalidate").await;
    tab.shows("#toasts", "forgotten").await;
    let after = world.json("/p/gateway/api/cache").await["totals"]["invalidated"].to_string();
    assert!(forgotten(after.clone()) > forgotten(before.clone()), "{before} → {after}");
    tab.write("#entries-prefix", "/users/8").await;
    tab.press("#entries-form", "Show").await;
    tab.until("only those are shown", "!document.querySelector('#entries-table').innerText.includes('/users/0')").await;
    tab.shows("#entries-table", "/users/8").await;
    tab.press("#entries-table", "Forget").await;
    tab.shows("#toasts", "1 answer is forgotten").await;
}
