//! The pages as a person uses them, in a real browser: signing in, seeing, acting; light and dark, on a desk and on a
//! phone; with nothing on the console and nothing that `axe-core` finds serious.
//!
//! One test, so that one Chromium and one gateway do. `BUNTIME_TEST_SHOTS=<directory>` keeps what was seen.

mod database;
mod gateway;
mod keyval;
mod logs;
mod observers;
mod proxy;
mod runtime;
mod under_load;
mod world;

use std::path::PathBuf;

use buntime_tests::{Browser, skipped};

use self::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_used_as_a_person_would() {
    let Some(axe) = axe() else { return };
    let Some(browser) = Browser::start().await else { return };
    let world = World::start(&browser, axe).await;
    runtime::sign_in(&world).await;
    runtime::home(&world).await;
    runtime::plugins(&world).await;
    proxy::used(&world).await;
    gateway::used(&world).await;
    keyval::used(&world).await;
    logs::used(&world).await;
    database::used(&world).await;
    observers::metrics(&world).await;
    observers::health(&world).await;
    under_load::used(&world).await;
    observers::leave(&world).await;
    world.stop().await;
}

/// `axe-core`, where npm has put it; `None` skips the test.
fn axe() -> Option<String> {
    let roots = ["/usr/lib/node_modules", "/usr/local/lib/node_modules", "/opt/homebrew/lib/node_modules"];
    let found =
        roots.iter().find_map(|root| std::fs::read_to_string(PathBuf::from(root).join("axe-core/axe.min.js")).ok());
    if found.is_none() {
        skipped("needs npm's axe-core; `cargo xtask setup` installs it");
    }
    found
}
