//! What does not start, and what it says.

use std::{path::Path, sync::Arc};

use buntime_core::{
    Host, Plugin, SettingsSpec,
    services::{BaseDir, Services},
};
use buntime_upstream::Clusters;
use plugin_fallback::{FallbackPlugin, FallbackSettings};
use serde_json::{Value, json};

use crate::support::cluster;

/// Why it does not start, or nothing.
async fn why(settings: Value, base: &Path, clusters: Option<&[&str]>) -> String {
    let services = Services::default();
    services.provide(Arc::new(BaseDir(base.to_owned())));
    if let Some(names) = clusters {
        let all = Clusters::new();
        all.replace(names.iter().map(|name| cluster(name, "http://127.0.0.1:9")));
        services.provide(Arc::new(all));
    }
    assert_eq!(FallbackPlugin.settings().check(&settings), [], "{settings}");
    let host = Host::builder().plugin(FallbackPlugin, settings).services(services).start().await.unwrap();
    let status = host.live().plugins()[0].status.clone();
    host.stop(std::time::Duration::from_secs(5)).await;
    status.reason.unwrap_or_default()
}

#[tokio::test]
async fn files_and_services_that_there_are_not() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("page.html"), "<p>{{status}}").unwrap();
    std::fs::write(dir.path().join("bad.html"), "<p>{{stauts}}").unwrap();
    std::fs::write(dir.path().join("latin.html"), b"\xe4").unwrap();
    let document = |file: &str| json!({ "documents": [{ "file": file }] });
    assert_eq!(why(document("page.html"), dir.path(), None).await, "");
    for (file, says) in [
        ("none.html", "write the path of a readable file"),
        (".", "it is no file"),
        ("bad.html", "`{{stauts}}` is no placeholder"),
        ("latin.html", "save it as UTF-8"),
    ] {
        let why = why(document(file), dir.path(), None).await;
        assert!(why.contains(says) && why.contains("/documents/0"), "{why}");
    }
    let response = json!({ "rules": [{ "response": { "file": "none.json" } }] });
    assert!(why(response, dir.path(), None).await.contains("/rules/0/response/file: cannot read"));
    let service = json!({ "rules": [{ "service": "users" }] });
    assert_eq!(why(service.clone(), dir.path(), Some(&["users"])).await, "");
    let unknown = why(service.clone(), dir.path(), Some(&["a", "b"])).await;
    assert!(unknown.contains("/rules/0/service: there is no service `users`: there are `a`, `b`"), "{unknown}");
    assert!(why(service, dir.path(), None).await.contains("leave out `service`"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let spec = SettingsSpec::of::<FallbackSettings>();
    let all = json!({
        "maxBody": "1gb",
        "rules": [
            {},
            { "retry": { "attempts": 11, "backoff": "2m", "maxBackoff": "61s" }, "service": "",
              "when": { "codes": ["upstream_unreachible", "my_own_code"], "methods": ["get"], "paths": ["x"] } },
            { "response": { "status": 100, "headers": { "a b": "", "content-length": "1" }, "body": "", "file": "x" } }
        ],
        "documents": [
            {},
            { "body": "{{x}}", "accept": "text", "contentType": "\n" },
            { "body": "", "file": "x", "accept": "text/*" }
        ]
    });
    let places: Vec<String> = spec.check(&all).into_iter().map(|problem| problem.pointer).collect();
    assert_eq!(
        places,
        [
            "/maxBody",
            "/rules/0",
            "/rules/1/when/paths/0",
            "/rules/1/when/methods/0",
            "/rules/1/when/codes/0",
            "/rules/1/retry/attempts",
            "/rules/1/retry/backoff",
            "/rules/1/retry/maxBackoff",
            "/rules/1/service",
            "/rules/2/response/status",
            "/rules/2/response/headers/a b",
            "/rules/2/response/headers/content-length",
            "/rules/2/response/file",
            "/documents/0",
            "/documents/1/body",
            "/documents/1/accept",
            "/documents/1/contentType",
            "/documents/2/file",
            "/documents/2/accept",
        ]
    );
    for status in [json!(399), json!("3xx"), json!("50x"), json!(600), json!(true)] {
        let wrong = json!({ "rules": [{ "when": { "status": [status] }, "response": {} }] });
        assert!(spec.check(&wrong)[0].message.contains("is no error status"), "{status}");
    }
}
