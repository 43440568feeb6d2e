//! Signing in, the overview, the plugins.

use serde_json::json;

use super::world::{TOKEN, World};

pub(super) async fn sign_in(world: &World) {
    let tab = &world.tab;
    // What runs here is for everybody, the rest is not.
    world.open("/").await;
    tab.shows("#more", "Sign in").await;
    tab.shows("#plugins", "metrics").await;
    assert_eq!(tab.value("document.querySelector('#routes-part').hidden").await, true);
    world.look("home-signed-out").await;
    world.open("/p/?x=%22%3E%3Cb%3E").await;
    assert_eq!(tab.value("document.querySelectorAll('main b').length").await, 0, "the address is no markup");
    tab.shows("h1", "Sign in").await;
    // That it is a 401 is said on the console.
    tab.errors();
    world.look("sign-in").await;
    tab.write("#token", "wrong").await;
    tab.key("Enter").await;
    tab.shows("#sign-in-told", "not the admin token").await;
    tab.errors();
    world.sign_in().await;
    tab.shows("h1", "Plugins").await;
    tab.until("signing out can be seen", "!document.querySelector('#sign-out').hidden").await;
    assert_eq!(
        tab.value("document.documentElement.outerHTML").await.as_str().map(|html| html.contains(TOKEN)),
        Some(false)
    );
}

pub(super) async fn home(world: &World) {
    let tab = &world.tab;
    world.open("/").await;
    tab.shows("#routes-table", "/users").await;
    tab.shows("#routes-table", "service users").await;
    tab.shows("#routes-table", "proxy:legacy").await;
    tab.shows("#wrong-list", "upstream:users").await;
    tab.shows("#stat-targets", "3 of 4").await;
    tab.until("a rate", "/^[0-9.]+$/.test(document.querySelector('#stat-rate').innerText)").await;
    tab.write("#explain-path", "/users/7").await;
    tab.press("#explain-form", "Explain").await;
    tab.shows("#explained", "The service users answers").await;
    tab.shows("#explained", "gateway:limits").await;
    // By the keyboard alone: the first thing is the way to the content.
    tab.value("document.activeElement.blur()").await;
    tab.value("getSelection().removeAllRanges(); document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')").await;
    tab.key("Tab").await;
    tab.until("the way to the content is first", "document.activeElement.className === 'skip'").await;
    tab.key("Enter").await;
    tab.until("one is in the content", "document.activeElement.id === 'main'").await;
    world.look("home").await;
    // The theme is kept.
    tab.click("#theme").await;
    tab.click("#theme").await;
    tab.shows("#theme", "dark").await;
    world.open("/").await;
    assert_eq!(tab.value("document.documentElement.dataset.theme").await, "dark");
    tab.until("it is dark", "getComputedStyle(document.body).backgroundColor === 'rgb(16, 20, 26)'").await;
    tab.click("#theme").await;
    tab.shows("#theme", "automatic").await;
}

pub(super) async fn plugins(world: &World) {
    let tab = &world.tab;
    world.open("/p/").await;
    let health = "[data-key='@buntime/plugin-health']";
    tab.shows(health, "active").await;
    tab.shows("#chain-table", "gateway:limits").await;
    tab.shows("#chain-table", "metrics:requests").await;
    tab.until("latencies", "/pre [0-9.]+ (µs|ms)/.test(document.querySelector('#chain-table').innerText)").await;
    world.look("plugins").await;
    tab.press(health, "Switch off").await;
    tab.shows(health, "disabled").await;
    tab.press(health, "Switch on").await;
    tab.shows(health, "active").await;
    tab.press(health, "Restart").await;
    tab.shows("#toasts", "started anew").await;
    // A setting that cannot work is refused at its place, one that can is in force.
    tab.press(health, "Settings").await;
    tab.until("settings", "document.querySelector('#settings-config').value.startsWith('{')").await;
    tab.write("#settings-config", &json!({ "timeout": "soon" }).to_string()).await;
    tab.press("#settings", "Save").await;
    tab.shows("#settings-config-told", "`soon` is not a duration").await;
    tab.errors();
    tab.write("#settings-config", &json!({ "timeout": "4s" }).to_string()).await;
    world.look("plugins-settings").await;
    tab.press("#settings", "Save").await;
    tab.shows("#toasts", "was changed").await;
    tab.until("it is shown", "JSON.parse(document.querySelector('#settings-config').value).timeout === '4s'").await;
}
