//! What every plugin must do.

use std::sync::Arc;

use buntime_core::services::Services;
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use plugin_keyval::KeyvalPlugin;
use serde_json::json;

#[test]
fn is_a_plugin_like_any_other() {
    let settings = json!({
        "database": "sqlite", "accessTokens": ["a-long-and-random-text", "another-long-random-text"], "maxWatches": 10,
        "keepAlive": "1s", "maxNamespaces": 5
    });
    buntime_testing::compliance_with(
        || KeyvalPlugin,
        settings,
        async || {
            let sqlite = Sqlite::open(Options::memory()).await.expect("a database in memory");
            let services = Services::default();
            services
                .provide::<Registry>(Arc::new(Registry::builder().add(Arc::new(sqlite), true).build().expect("one")));
            services
        },
    );
}
