//! The same while `wrk` asks as fast as it can: who is limited, what is cached and which target is sick are still seen,
//! and what is done about it holds.

use std::process::Stdio;

use buntime_tests::skipped;
use serde_json::json;
use tokio::process::{Child, Command};

use super::world::World;

pub(super) async fn used(world: &World) {
    let Some(_flood) = wrk(world, "/users/0", Some("x-caller: flood")) else { return };
    let Some(_crowd) = wrk(world, "/users/7", None) else { return };
    let tab = &world.tab;
    world.open("/p/gateway/").await;
    tab.shows("#limited-table", "flood").await;
    tab.shows("#entries-table", "/users/7").await;
    tab.press("#limited-table tbody tr", "Reset").await;
    tab.shows("#toasts", "begins anew").await;
    tab.write("#invalidate-what", "/users/7").await;
    tab.press("#invalidate-form", "Invalidate").await;
    tab.shows("#toasts", "forgotten").await;
    world.look("gateway-under-load").await;

    world.open("/p/proxy").await;
    tab.shows("#stat-sick", "1").await;
    tab.shows("[data-key='users 2']", "ejected").await;
    tab.press("[data-key='users 1']", "Drain").await;
    tab.shows("[data-key='users 1']", "draining").await;
    assert_eq!(world.upstream("users", 1).await, json!(["draining", "drain"]));
    tab.press("[data-key='users 1']", "Automatic").await;
    tab.shows("[data-key='users 1']", "healthy").await;
}

/// Until it is dropped.
fn wrk(world: &World, path: &str, header: Option<&str>) -> Option<Child> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c8", "-d120s"]).args(header.iter().flat_map(|header| ["-H", header])).arg(world.url(path));
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn();
    if started.is_err() {
        skipped("needs wrk; `cargo xtask setup` installs it");
    }
    started.ok()
}
