//! What every plugin must do, whatever it is for. Each plugin crate runs this in its `tests/compliance.rs`.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use buntime_core::{
    Catalog, Entry, Host, Http, LoadError, Meta, Plugin, Program, Step, handler_fn, host::report::PluginState,
    services::Services,
};
use http::{HeaderValue, Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::patience::eventually;

/// Runs the suite. `make` makes the plugin; `settings` are valid, and say as much as possible.
///
/// Metadata; settings round trip; unknown keys and wrong types refused; starts, lets an exchange through, stops;
/// starts twice in one process; restarts; leaves no task running after stop.
///
/// # Panics
/// With what is wrong.
pub fn compliance<P: Plugin>(make: impl Fn() -> P, settings: Value) {
    compliance_with(make, settings, async || Services::default());
}

/// Like [`compliance`], for a plugin that needs services of the host: `services` makes them, for each host anew.
///
/// # Panics
/// As [`compliance`].
#[expect(clippy::needless_pass_by_value, reason = "every caller writes its settings in place")]
pub fn compliance_with<P: Plugin>(make: impl Fn() -> P, settings: Value, services: impl AsyncFn() -> Services) {
    metadata(&make());
    settings_are_checked(&make(), &settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(async {
        let before = alive();
        let first = start(make(), &settings, services().await).await;
        passes_an_exchange(&first.0).await;
        let second = start(make(), &settings, services().await).await;
        passes_an_exchange(&second.0).await;
        stop(second.0).await;
        passes_an_exchange(&first.0).await;
        restarts(&first.0, &make().metadata().name).await;
        passes_an_exchange(&first.0).await;
        stop(first.0).await;
        eventually("every task of the plugin has ended after stop", || async { alive() <= before }).await;
        let again = start(make(), &settings, services().await).await;
        stop(again.0).await;
    });
}

fn metadata(plugin: &impl Plugin) {
    let metadata = plugin.metadata();
    let name = metadata.name.as_str();
    assert!(!name.is_empty() && !name.contains(char::is_whitespace), "the name `{name}` is not a name");
    assert!(metadata.version > semver::Version::new(0, 0, 0), "`{name}` has no version");
    assert!(!metadata.description.is_empty(), "`{name}` has no description");
    assert!(metadata.api.runs_on(buntime_core::metadata::API_VERSION), "`{name}` is for another plugin API");
    assert!(metadata.capabilities.iter().all(|c| !c.is_reserved()), "`{name}` declares a reserved capability");
    assert!(!metadata.depends_on.contains(&metadata.name), "`{name}` depends on itself");
}

fn settings_are_checked(plugin: &impl Plugin, settings: &Value) {
    let spec = plugin.settings();
    assert_eq!(spec.check(settings), [], "the valid settings are refused");
    let written = settings.to_string();
    let read: Value = serde_json::from_str(&written).unwrap_or_default();
    assert_eq!(spec.check(&read), [], "the valid settings are refused after a round trip");
    assert_eq!(spec.check(&Value::Null), spec.check(&json!({})), "no settings and empty settings differ");
    assert!(spec.schema().is_object(), "the settings have no schema");

    let mut unknown = settings.clone();
    let Value::Object(map) = &mut unknown else { panic!("settings must be an object") };
    map.insert("thisKeyDoesNotExist".to_owned(), json!(1));
    let problems = spec.check(&unknown);
    assert!(!problems.is_empty(), "an unknown key is taken in silence");
    let named = problems.iter().any(|p| p.to_string().contains("thisKeyDoesNotExist"));
    assert!(named, "the problem does not name the unknown key: {problems:?}");

    assert!(!spec.check(&json!("text")).is_empty(), "settings that are no object are taken");
    let properties = spec.schema().get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for key in properties.keys() {
        let mut wrong = settings.clone();
        wrong[key] = json!({ "\u{0}": [[{ "nothing": "takes this" }]] });
        assert!(!spec.check(&wrong).is_empty(), "`{key}` takes a value of the wrong type");
    }
}

async fn start<P: Plugin>(plugin: P, settings: &Value, services: Services) -> (Host, TempDir) {
    let data = TempDir::new().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
    let name = plugin.metadata().name;
    let mut catalog = Catalog::new();
    catalog.add_builtin(plugin).unwrap_or_else(|error| panic!("{error}"));
    let entries = vec![Entry::new(name.as_str(), settings.clone())];
    let mut program = Program { entries, ..Program::default() };
    program.policy.required = vec![name.clone()];
    let host = Host::builder().catalog(catalog).program(program).data_dir(data.path()).services(services);
    let host = host.start().await.unwrap_or_else(|errors: Vec<LoadError>| panic!("does not start: {errors:?}"));
    let report = host.live().plugin(&name).unwrap_or_else(|| panic!("`{name}` is not listed"));
    assert_eq!(report.status.status, PluginState::Active);
    assert!(report.base.starts_with("/p/"), "mounted outside /p/: {}", report.base);
    (host, data)
}

/// The answer of the handler comes back, unless the plugin refuses on purpose; a plugin never breaks an exchange.
async fn passes_an_exchange(host: &Host) {
    let chain = host.live().chain().clone();
    let handler = handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::from("fine")).into()));
    let request = Request::builder().uri("/compliance").header("host", "example.com").body(Body::empty());
    let request = request.unwrap_or_else(|error| panic!("{error}"));
    let meta = Meta::new(HeaderValue::from_static("compliance"));
    let response = chain.respond(meta, request, Arc::new(handler)).await;
    assert!(!response.status().is_server_error(), "an exchange fails with {}", response.status());
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    assert!(body.is_ok(), "the answer breaks: {body:?}");
}

async fn restarts(host: &Host, name: &buntime_core::PluginName) {
    let changed = host.restart(name).await.unwrap_or_else(|errors| panic!("does not restart: {errors:?}"));
    assert_eq!(changed.started, std::slice::from_ref(name));
}

async fn stop(host: Host) {
    host.stop(Duration::from_secs(10)).await;
    for report in host.live().plugins() {
        assert_eq!(report.status.status, PluginState::Stopped, "{}: {:?}", report.name, report.status.reason);
    }
}

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
