//! Stores to run a test on.

use std::sync::Arc;

use buntime_core::services::Services;
use buntime_database::{
    Registry,
    sqlite::{Options as File, Sqlite},
};
use buntime_keyval::{Engine, Options, Store};
use buntime_testing::TestRuntime;
use plugin_keyval::KeyvalPlugin;
use serde_json::json;

const TOKEN: &str = "a-long-and-random-text";

/// Makes a test for each kind of store of functions that take one.
macro_rules! on_both {
    ($($name:ident,)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::world::embedded(super::$name).await;
            })*
        }

        mod remote {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::world::remote(super::$name).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// On a store in this process.
pub(crate) async fn embedded(test: impl AsyncFnOnce(Store)) {
    let sqlite = Sqlite::open(File::memory()).await.expect("a database in memory");
    let engine = Engine::open(Arc::new(sqlite), Options::default()).await.expect("a store");
    test(Store::in_engine(&engine).await.expect("its namespace")).await;
    engine.close().await;
}

/// On a store elsewhere.
pub(crate) async fn remote(test: impl AsyncFnOnce(Store)) {
    let sqlite = Sqlite::open(File::memory()).await.expect("a database in memory");
    let services = Services::default();
    services.provide::<Registry>(Arc::new(Registry::builder().add(Arc::new(sqlite), true).build().expect("one")));
    let settings = json!({ "accessTokens": [TOKEN] });
    let runtime = TestRuntime::builder().plugin(KeyvalPlugin, settings).services(services).start().await;
    test(Store::connect(&runtime.url("/p/keyval"), TOKEN).await.expect("it is there")).await;
    runtime.stop().await;
}

/// A value of JSON.
pub(crate) fn value(json: &serde_json::Value) -> buntime_keyval::Value {
    buntime_keyval::json::value_from_json(json, None).expect("a value")
}
