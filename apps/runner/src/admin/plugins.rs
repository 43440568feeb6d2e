//! `/api/plugins`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use buntime_config::PluginEntry;
use buntime_core::{PluginName, Stage, host::report::PluginReport, stats::StageReading};
use http::{HeaderValue, Request, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Admin, body, failure::Failure};
use crate::{
    gateway::{answer::json, frozen::sets},
    keeper::{Edit, Place, unknown},
};

type Shared = State<Arc<Admin>>;

pub(super) async fn list(State(admin): Shared) -> Response {
    let live = admin.shared.host.live();
    let plugins: Vec<Value> = live.plugins().iter().map(view).collect();
    json(StatusCode::OK, &json!({ "count": plugins.len(), "plugins": plugins, "chain": sets(live.chain()) }))
}

fn view(report: &PluginReport) -> Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    for (at, hook) in report.hooks.iter().enumerate() {
        value["hooks"][at]["latency"] = hook.readings.iter().map(|(stage, reading)| latency(*stage, reading)).collect();
    }
    value
}

/// How long the hooks of a stage took.
fn latency(stage: Stage, reading: &StageReading) -> Value {
    let calls = reading.calls();
    let mean = if calls > 0 { reading.total.as_secs_f64() * 1e6 / calls as f64 } else { 0.0 };
    json!({ "stage": stage.as_str(), "calls": calls, "mean_us": (mean * 1e3).round() / 1e3 })
}

/// One, with its settings, secrets masked.
async fn view_of(admin: &Admin, name: &PluginName) -> Result<Value, Failure> {
    let report = admin.shared.host.live().plugin(name).ok_or_else(|| unknown(name))?;
    let entries = admin.keeper.entries().await;
    let mut value = view(&report);
    let entry = entries.iter().find(|entry| entry.name == *name);
    value["config"] = entry.map(PluginEntry::masked_settings).unwrap_or_default();
    Ok(value)
}

pub(super) async fn one(State(admin): Shared, Path(name): Path<String>) -> Result<Response, Failure> {
    Ok(json(StatusCode::OK, &view_of(&admin, &PluginName::new(&name)).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Addition {
    name: PluginName,
    enabled: Option<bool>,
    placement: Option<buntime_core::options::Placement>,
    order: Option<i32>,
    priority: Option<buntime_core::options::Priority>,
    config: Option<Map<String, Value>>,
}

pub(super) async fn add(State(admin): Shared, request: Request<Body>) -> Result<Response, Failure> {
    let Addition { name, enabled, placement, order, priority, config } = body::read(request).await?;
    admin.keeper.add(name.clone(), Edit { enabled, placement, order, priority, config }).await?;
    let plugin = view_of(&admin, &name).await?;
    let mut response =
        json(StatusCode::CREATED, &json!({ "message": format!("`{name}` was added"), "plugin": plugin }));
    if let Ok(location) = HeaderValue::try_from(format!("/api/plugins/{}", name.as_str().replace('/', "%2F"))) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(super) async fn edit(
    State(admin): Shared,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let name = PluginName::new(&name);
    let edit: Edit = body::read(request).await?;
    let overruled = admin.keeper.edit(name.clone(), edit).await?;
    let mut message = format!("`{name}` was changed");
    if !overruled.is_empty() {
        message.push_str(&format!(
            "; the configuration file also says {}, and wins when it is loaded the next time",
            overruled.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ));
    }
    let plugin = view_of(&admin, &name).await?;
    Ok(json(StatusCode::OK, &json!({ "message": message, "plugin": plugin, "overruledByFile": overruled })))
}

pub(super) async fn remove(State(admin): Shared, Path(name): Path<String>) -> Result<Response, Failure> {
    let name = PluginName::new(&name);
    admin.keeper.remove(name.clone()).await?;
    Ok(json(StatusCode::OK, &json!({ "message": format!("`{name}` was removed") })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    sequence: Vec<Place>,
}

pub(super) async fn arrange(State(admin): Shared, request: Request<Body>) -> Result<Response, Failure> {
    let Sequence { sequence } = body::read(request).await?;
    admin.keeper.arrange(sequence).await?;
    let plugins: Vec<Value> = admin.shared.host.live().plugins().iter().map(view).collect();
    Ok(json(StatusCode::OK, &json!({ "message": "the plugins were placed", "plugins": plugins })))
}

pub(super) async fn restart(State(admin): Shared, Path(name): Path<String>) -> Result<Response, Failure> {
    let name = PluginName::new(&name);
    admin.keeper.restart(name.clone()).await?;
    let plugin = view_of(&admin, &name).await?;
    Ok(json(StatusCode::OK, &json!({ "message": format!("`{name}` was started anew"), "plugin": plugin })))
}
