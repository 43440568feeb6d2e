//! The REST API: what is limited, who is, and what an operator may do about it. All of it administers.

mod cache;
mod logs;
pub(crate) mod openapi;
mod shell;
mod show;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{delete, get, post},
};
use buntime_core::{Error, ErrorKind, PluginContext};
use buntime_http::extract::Query;
use futures_util::stream;
use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{config::GatewaySettings, desk::Desk, history::History, limits::shared::Shared, shell::Shell};

/// How often a live stream says something.
const EVERY: Duration = Duration::from_secs(1);
/// Most buckets of one answer.
const MOST_BUCKETS: usize = 1_000;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) desk: Arc<Desk>,
    pub(crate) history: Arc<History>,
    pub(crate) shell: Option<Shell>,
    pub(crate) redis: Option<Arc<Shared>>,
    pub(crate) settings: Arc<GatewaySettings>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) context: PluginContext,
}

pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/api/stats", get(stats))
        .route("/api/config", get(config))
        .route("/api/sse", get(live))
        .route("/api/logs", get(logs::list).delete(logs::forget))
        .route("/api/logs/stats", get(logs::stats))
        .route("/api/metrics/history", get(logs::history).delete(logs::forget_history))
        .route("/api/shell/excludes", get(shell::excludes).post(shell::exclude))
        .route("/api/shell/excludes/{basename}", delete(shell::include))
        .route("/api/cache", get(cache::figures))
        .route("/api/cache/entries", get(cache::entries))
        .route("/api/cache/invalidate", post(cache::invalidate))
        .route("/api/rate-limit/metrics", get(metrics))
        .route("/api/rate-limit/buckets", get(buckets))
        .route("/api/rate-limit/buckets/{*key}", delete(reset))
        .route("/api/rate-limit/clear", post(clear))
        .with_state(api)
}

fn malformed(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed).with_detail(detail.into())
}

async fn stats(State(api): State<Api>) -> Json<Value> {
    Json(api.stats())
}

async fn config(State(api): State<Api>) -> Json<Value> {
    let mut settings = serde_json::to_value(&*api.settings).unwrap_or_default();
    // It may hold a password.
    if let Some(url) = settings.pointer_mut("/redis/url") {
        *url = json!("***");
    }
    Json(settings)
}

async fn metrics(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "totals": api.totals(), "limits": api.limits() }))
}

/// Which limits are meant.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Which {
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WhichBuckets {
    limit: Option<usize>,
    prefix: Option<String>,
    name: Option<String>,
}

async fn buckets(State(api): State<Api>, Query(which): Query<WhichBuckets>) -> Result<Response, Error> {
    let most = which.limit.unwrap_or(100);
    if !(1..=MOST_BUCKETS).contains(&most) {
        return Err(malformed(format!("`limit` is a number from 1 to {MOST_BUCKETS}")));
    }
    let found = api.buckets(most, which.prefix.unwrap_or_default(), which.name).await?;
    Ok(Json(found).into_response())
}

async fn reset(
    State(api): State<Api>,
    Path(key): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Error> {
    let deleted = api.reset(key.clone(), which.name).await?;
    Ok(Json(json!({ "deleted": deleted > 0, "key": key })))
}

async fn clear(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<Value>, Error> {
    let cleared = api.clear(which.name).await?;
    Ok(Json(json!({ "cleared": cleared })))
}

async fn live(State(api): State<Api>) -> Result<Response, Error> {
    let Ok(permit) = api.streams.clone().try_acquire_owned() else {
        let detail = "Too many live streams are open; close one";
        return Err(Error::new(ErrorKind::OverCapacity).with_detail(detail).with_retry_after(5));
    };
    let events = stream::unfold((api, permit, true), |(api, permit, first)| async move {
        if !first {
            tokio::select! {
                () = api.context.draining().cancelled() => return None,
                () = api.context.cancelled().cancelled() => return None,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        let event = Event::default().data(api.moment().to_string());
        Some((Ok::<_, Infallible>(event), (api, permit, false)))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that buffer would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
