//! Which database the runner keeps its things in.

use buntime_database::testing::LibsqlServer;
use reqwest::Method;
use serde_json::json;

use crate::fixture::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn with_a_libsql_server_in_the_environment_everything_is_there() {
    let Some(server) = LibsqlServer::start().await else { return };
    let setup = Setup::new(&json!({ "plugins": ["metrics", "proxy"] })).env("LIBSQL_URL_0", &server.url());
    let gateway = setup.start().await;
    gateway.call(Method::PUT, "/api/plugins/metrics", json!({ "priority": 3 })).await.expect(200);
    gateway.stop().await;
    assert!(!setup.dir.path().join("data/buntime.db").exists(), "no file is made");
    // Another machine: the same server, another directory.
    let other = Setup::new(&json!({ "plugins": ["metrics"] })).env("LIBSQL_URL_0", &server.url());
    let gateway = other.start().await;
    assert_eq!(gateway.plugin("metrics").await["priority"], 3);
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let setup = Setup::new(&json!({ "plugins": ["metrics"] })).env("LIBSQL_URL_0", "http://127.0.0.1:1");
    let error = setup.try_start().await.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("the libsql database cannot be opened"), "{error}");
}
