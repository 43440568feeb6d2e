//! The README is held to its word.

use std::sync::Arc;

use buntime_config::model::{Target, Upstream};
use buntime_core::{Clock, services::Services};
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use buntime_upstream::{Cluster, ClusterOptions, Clusters, Surroundings};
use plugin_proxy::ProxyPlugin;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_readme_is_true() {
    let sqlite = Sqlite::open(Options::memory()).await.expect("a database in memory");
    let registry = Registry::builder().add(Arc::new(sqlite), true).build().expect("one is enough");
    let settings = Upstream::new(vec![Target::new("http://127.0.0.1:9201".parse().expect("a URL"))]);
    let around = Surroundings::new(Clock::system(), CancellationToken::new());
    let users = Cluster::open("users", &settings, &ClusterOptions::of(&settings), &around, None).expect("it opens");
    let clusters = Arc::new(Clusters::new());
    clusters.replace([users]);
    let services = Services::default();
    services.provide::<Registry>(Arc::new(registry));
    services.provide::<Clusters>(clusters);
    buntime_testing::readme_with(include_str!("../README.md"), || ProxyPlugin, || services.clone()).await;
}
