//! The REST API: query, figures, the live stream, adding and clearing. All of it administers.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, RawQuery, State, rejection::BytesRejection},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use buntime_core::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    bus::LogBus,
    entry::{Entry, Level},
    query::Filter,
    record::Record,
    ring::Stats,
    sse,
};

/// The largest body of an entry to add, in bytes.
const LARGEST_BODY: usize = 64 << 10;
/// The longest source of an entry to add, in bytes.
const LONGEST_SOURCE: usize = 128;
/// Most fields of an entry to add.
const MOST_FIELDS: usize = 64;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) bus: LogBus,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) keep_alive: std::time::Duration,
    pub(crate) stopping: CancellationToken,
    /// Exporters' figures, for the stats.
    pub(crate) exported: Arc<dyn Fn() -> Option<Value> + Send + Sync>,
}

pub(crate) fn router(api: Api) -> Router {
    let logs = get(logs).post(add);
    Router::new()
        .route("/api", logs.clone())
        .route("/api/", logs.clone())
        .route("/api/logs", logs)
        .route("/api/stats", get(stats))
        .route("/api/sse", get(stream))
        .route("/api/clear", post(clear))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(api)
}

fn malformed(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed).with_detail(detail.into())
}

async fn logs(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let filter = Filter::parse(&query.unwrap_or_default(), SystemTime::now()).map_err(malformed)?;
    api.bus.flush().await;
    // The ring may be large: not on a thread that serves requests.
    let (bus, figures) = (api.bus.clone(), api.figures());
    let found = tokio::task::spawn_blocking(move || bus.query(&filter)).await.map_err(Error::internal)?;
    let shown: Vec<&Entry> = found.iter().map(|entry| &**entry).collect();
    Ok(Json(json!({ "logs": shown, "stats": figures })).into_response())
}

async fn stats(State(api): State<Api>) -> Json<Value> {
    api.bus.flush().await;
    Json(api.figures())
}

async fn stream(State(api): State<Api>, headers: HeaderMap, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let filter = Filter::parse(&query.unwrap_or_default(), SystemTime::now()).map_err(malformed)?;
    let last = sse::last_event_id(&headers).map_err(malformed)?;
    let Ok(permit) = api.streams.clone().try_acquire_owned() else {
        let detail = "Too many live streams are open; close one, or raise maxStreams";
        return Err(Error::new(ErrorKind::OverCapacity).with_detail(detail).with_retry_after(5));
    };
    api.bus.flush().await;
    Ok(sse::response(&api, filter, last, permit))
}

async fn clear(State(api): State<Api>) -> Json<Value> {
    api.bus.flush().await;
    api.bus.clear();
    Json(json!({ "success": true }))
}

/// An entry to add.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    level: Level,
    message: String,
    source: Option<String>,
    meta: Option<Map<String, Value>>,
}

async fn add(State(api): State<Api>, body: Result<Bytes, BytesRejection>) -> Result<Response, Error> {
    let body = body.map_err(|rejection| match rejection.status().as_u16() {
        413 => {
            Error::new(ErrorKind::PayloadTooLarge).with_detail(format!("An entry takes at most {LARGEST_BODY} bytes"))
        }
        _ => malformed("The body could not be read"),
    })?;
    let add: Add = serde_json::from_slice(&body).map_err(|error| {
        malformed(format!("Send {{ \"level\", \"message\", \"source\"?, \"meta\"? }} as JSON: {error}"))
    })?;
    let (longest, meta) = (api.bus.longest(), add.meta.unwrap_or_default());
    let problem = match &add.source {
        _ if add.message.len() > longest => Some(format!("`message` takes at most {longest} bytes")),
        _ if meta.len() > MOST_FIELDS => Some(format!("`meta` takes at most {MOST_FIELDS} fields")),
        Some(source) if source.len() > LONGEST_SOURCE => Some(format!("`source` takes at most {LONGEST_SOURCE} bytes")),
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(malformed(problem));
    }
    let taken = api.bus.add(Record {
        time: SystemTime::now(),
        level: add.level,
        plugin: None,
        request_id: None,
        source: add.source.filter(|source| !source.is_empty()).map_or("api".into(), Into::into),
        message: add.message,
        meta,
    });
    if taken { Ok(Json(json!({ "success": true })).into_response()) } else { Err(Error::new(ErrorKind::OverCapacity)) }
}

impl Api {
    /// Figures of the ring and the exporters.
    fn figures(&self) -> Value {
        let stats: Stats = self.bus.stats();
        let mut figures = serde_json::to_value(stats).unwrap_or_default();
        if let Some(exported) = (self.exported)() {
            figures["otlp"] = exported;
        }
        figures
    }
}
