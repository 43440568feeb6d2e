//! What the README shows works.

use std::sync::Arc;

use buntime_core::services::Services;
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use plugin_database::DatabasePlugin;

#[tokio::test]
async fn the_readme_is_true() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options::in_dir(dir.path());
    let sqlite = Sqlite::open(options.clone()).await.expect("a database");
    let tenants = Sqlite::tenants(&options).expect("a file has tenants");
    let registry = Registry::builder().add(Arc::new(sqlite), true).with_tenants(tenants).build();
    let services = Services::default();
    services.provide::<Registry>(Arc::new(registry.expect("one is enough")));
    buntime_testing::readme_with(include_str!("../README.md"), || DatabasePlugin, || services.clone()).await;
}
