//! What every plugin must do.

use std::sync::Arc;

use buntime_core::services::Services;
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use plugin_database::DatabasePlugin;
use serde_json::json;

#[test]
fn is_a_plugin_like_any_other() {
    let settings = json!({
        "adapters": [{ "type": "sqlite", "default": true, "url": ":memory:" }], "maxRows": 10, "maxAnswer": "64kb",
        "maxStatement": "1kb", "maxBody": "64kb", "maxStreams": 2, "streamIdle": "1s", "queryTimeout": "1s"
    });
    buntime_testing::compliance_with(
        || DatabasePlugin,
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
