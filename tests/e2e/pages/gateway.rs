//! The gateway's page: seeing who is limited and what is cached, and acting on it.

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
    world.look("gateway").await;
    limits(world).await;
    cache(world).await;
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
