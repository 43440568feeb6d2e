//! KeyVal's page: walking the keys, writing and deleting entries of any type, dead letters put back, namespaces.

use serde_json::json;

use super::world::World;

pub(super) async fn used(world: &World) {
    let tab = &world.tab;
    world.open("/p/keyval/").await;
    tab.shows("#tree-table", "nothing below this prefix").await;
    entries(world).await;
    watching(world).await;
    letters(world).await;
    searching(world).await;
    // Another namespace, which may hold little.
    tab.write("#quota-name", "Shop").await;
    tab.press("#quota-form", "Set").await;
    tab.shows("#toasts", "named by").await;
    tab.errors();
    tab.write("#quota-name", "shop").await;
    tab.write("#quota-maxEntries", "2").await;
    tab.press("#quota-form", "Set").await;
    tab.shows("#toasts", "shop is set").await;
    tab.write("#place-namespace", "shop").await;
    tab.shows("#tree-table", "nothing below this prefix").await;
    world.look("keyval").await;
}

async fn entries(world: &World) {
    let tab = &world.tab;
    // What is no JSON is said at its field.
    save(world, "users/7/name", "{").await;
    tab.until("it is told at the field", "!document.querySelector('#entry-value-told').hidden").await;
    save(world, "users/7/name", r#"{ "__type": "bigint", "value": "12" }"#).await;
    tab.shows("#toasts", "users/7/name is saved").await;
    let stored = world.json("/p/keyval/admin/api/keys/users/7/name").await;
    assert_eq!(stored["value"], json!({ "__type": "bigint", "value": "12" }));
    // How long an entry stays is shown, and is not lost when its value is changed.
    world.send("PUT", "/p/keyval/admin/api/keys/timed?expiresIn=3600000", &json!(1)).await;
    let until = world.json("/p/keyval/admin/api/keys/timed").await["expiresAt"].clone();
    tab.press("#tree-way", "All keys").await;
    tab.shows("#tree-table", "\"timed\"").await;
    tab.press("#tree-table", "Open").await;
    tab.shows("#entry-said", "gone at").await;
    tab.write("#entry-value", "2").await;
    tab.press("#entry-form", "Save").await;
    tab.shows("#toasts", "timed is saved").await;
    let saved = world.json("/p/keyval/admin/api/keys/timed").await;
    assert_eq!((&saved["value"], &saved["expiresAt"]), (&json!(2), &until));
    world.send("DELETE", "/p/keyval/admin/api/keys/timed", &json!({ "exact": true })).await;
    // Level by level, down to it.
    for part in ["\"users\"", "7"] {
        tab.shows("#tree-table", part).await;
        tab.press("#tree-table", "Go in").await;
    }
    tab.shows("#tree-table", "bigint 12").await;
    tab.press("#tree-table", "Open").await;
    tab.shows("#entry-said", "As of").await;
    // Somebody else is quicker.
    world.send("PUT", "/p/keyval/admin/api/keys/users/7/name", &json!("other")).await;
    tab.write("#entry-value", "\"mine\"").await;
    tab.press("#entry-form", "Save").await;
    tab.shows("#toasts", "changed it meanwhile").await;
    tab.errors();
    tab.press("#tree-way", "7").await;
    tab.shows("#tree-table", "\"other\"").await;
    tab.press("#tree-table", "Open").await;
    tab.until("it is shown", "document.querySelector('#entry-value').value === '\"other\"'").await;
    world.look("keyval-entry").await;
    tab.value("confirm = () => true").await;
    tab.press("#entry-form", "Delete").await;
    tab.shows("#toasts", "is deleted").await;
    tab.shows("#tree-table", "nothing below this prefix").await;
    assert_eq!(world.json("/p/keyval/admin/api/keys?prefix=users").await, json!([]));
}

async fn save(world: &World, path: &str, value: &str) {
    world.tab.write("#entry-path", path).await;
    world.tab.write("#entry-value", value).await;
    world.tab.press("#entry-form", "Save").await;
}

async fn watching(world: &World) {
    let tab = &world.tab;
    tab.write("#watch-prefix", "live").await;
    tab.press("#watch-form", "Watch").await;
    tab.shows("#watch-said", "Watching live").await;
    // Until the watch is open nothing is pushed, so it is written again and again.
    tab.value("window.turn = 0").await;
    tab.until(
        "what changes is seen",
        "fetch('/p/keyval/admin/api/keys/live/now', { method: 'PUT', body: JSON.stringify(++window.turn) })\
         .then(() => document.querySelector('#watch-table').innerText.includes('\"live\" / \"now\"'))",
    )
    .await;
    tab.press("#watch-form", "Stop").await;
    tab.shows("#watch-said", "Nothing is watched").await;
}

async fn searching(world: &World) {
    let tab = &world.tab;
    let api = "/p/keyval/admin/api/keys";
    for (key, text) in
        [("a", "the gate is fast"), ("b", "the <b>gate</b> stays, and the gate is wide"), ("c", "no door")]
    {
        world.send("PUT", &format!("{api}/articles/{key}"), &json!({ "text": text })).await;
    }
    tab.write("#search-prefix", "articles").await;
    tab.write("#search-query", "gate").await;
    tab.press("#search-form", "Search").await;
    tab.until("no index is told at the field", "!document.querySelector('#search-prefix-told').hidden").await;
    tab.errors();
    tab.write("#index-prefix", "articles").await;
    tab.write("#index-fields", "text").await;
    tab.press("#index-form", "Declare").await;
    tab.shows("#indexes-table", "ready").await;
    tab.press("#search-form", "Search").await;
    tab.shows("#hits-table", "the <b>gate</b> stays").await;
    tab.until("what was found is marked", "document.querySelectorAll('#hits-table mark').length >= 3").await;
    world.look("keyval-search").await;
    tab.value("confirm = () => true").await;
    tab.press("#indexes-table", "Remove").await;
    tab.shows("#indexes-table", "No index is declared").await;
}

async fn letters(world: &World) {
    let tab = &world.tab;
    let api = "/p/keyval/admin/api/queue";
    let message = json!({ "value": "a letter", "options": { "backoffSchedule": [] } });
    world.send("POST", &format!("{api}/enqueue"), &message).await;
    let got = world.send("POST", &format!("{api}/poll"), &json!({})).await;
    world.send("POST", &format!("{api}/nack"), &json!({ "id": got["message"]["id"] })).await;
    tab.shows("#dead-table", "a letter").await;
    tab.shows("#stat-dead", "1").await;
    world.look("keyval-dead").await;
    tab.press("#dead-table", "Put back").await;
    tab.shows("#toasts", "in its queue again").await;
    tab.shows("#queues-table", "default").await;
    tab.shows("#dead-table", "There are no dead letters").await;
}
