//! What every plugin must do, and what the README shows works.

use std::sync::Arc;

use buntime_core::services::Services;
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use plugin_keyval::KeyvalPlugin;

#[tokio::test]
async fn the_readme_is_true() {
    let sqlite = Sqlite::open(Options::memory()).await.expect("a database in memory");
    let registry = Registry::builder().add(Arc::new(sqlite), true).build().expect("one is enough");
    let services = Services::default();
    services.provide::<Registry>(Arc::new(registry));
    buntime_testing::readme_with(include_str!("../README.md"), || KeyvalPlugin, || services.clone()).await;
}
