//! The proxy's page: seeing which target is sick, draining one, adding and switching rules.

use serde_json::json;

use super::world::World;

pub(super) async fn used(world: &World) {
    let tab = &world.tab;
    world.open("/p/proxy").await;
    tab.shows("h1", "Proxy").await;
    tab.shows("[data-key='users 2']", "ejected").await;
    tab.shows("#stat-sick", "1").await;
    tab.shows("#rules-table", "legacy").await;
    world.look("proxy").await;
    // Draining a target is seen, and holds.
    tab.press("[data-key='users 0']", "Drain").await;
    tab.shows("[data-key='users 0']", "draining").await;
    assert_eq!(world.upstream("users", 0).await, json!(["draining", "drain"]));
    tab.until(
        "it is pressed",
        "document.querySelector(\"[data-key='users 0'] [aria-pressed=true]\").innerText.startsWith('Drain')",
    )
    .await;
    tab.press("[data-key='users 2']", "Take out").await;
    tab.shows("[data-key='users 2']", "forced open").await;
    for target in ["users 0", "users 2"] {
        tab.press(&format!("[data-key='{target}']"), "Automatic").await;
    }
    tab.shows("[data-key='users 0']", "healthy").await;
    rules(world).await;
}

async fn rules(world: &World) {
    let tab = &world.tab;
    // What is wrong is said at its field.
    tab.write("#add-name", "added").await;
    tab.write("#add-pattern", "^/added(").await;
    tab.write("#add-target", "http://127.0.0.1:9").await;
    tab.press("#add-form", "Add").await;
    tab.until("it is told at the field", "!document.querySelector('#add-pattern-told').hidden").await;
    assert_eq!(tab.value("document.activeElement.id").await, "add-pattern");
    tab.errors();
    world.look("proxy-refused").await;
    tab.write("#add-pattern", "^/added(/.*)?$").await;
    tab.press("#add-form", "Add").await;
    tab.shows("#rules-table", "^/added(/.*)?$").await;
    let added = "#rules-table tbody tr:last-child";
    tab.press(added, "Switch off").await;
    tab.until("it is off", &format!("document.querySelector('{added} .badge').innerText === 'off'")).await;
    assert_eq!(world.gateway_status("/added/x").await, 404);
    tab.value("confirm = () => true").await;
    tab.press(added, "Remove").await;
    tab.shows("#toasts", "is removed").await;
    tab.until("it is gone", "!document.querySelector('#rules-table').innerText.includes('added')").await;
}
