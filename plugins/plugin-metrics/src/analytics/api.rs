//! `/api/analytics`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use buntime_core::{Error, ErrorKind, PluginContext};
use http::{HeaderValue, Uri, header};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    Open, minute,
    report::{Report, Storage},
    seconds,
    window::{Query, Window},
};
use crate::api::schema_of;

/// Answers that are made at a time; the next is told to come back.
const AT_A_TIME: usize = 4;
/// How long an answer waits for what was counted a moment ago to be written.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long reading may take.
const READING: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Api {
    open: Option<Open>,
    context: PluginContext,
    places: Arc<Semaphore>,
}

/// Without analytics it says why there are none.
pub(crate) fn router(open: Option<Open>, context: PluginContext) -> Router {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    Router::new().route("/api/analytics", get(analytics)).with_state(Api { open, context, places })
}

async fn analytics(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let Some(open) = &api.open else {
        let detail = "There are no analytics: they are switched off by this plugin's settings, or there is no database";
        return Err(Error::new(ErrorKind::NotFound).with_detail(detail));
    };
    let now = seconds(api.context.clock().wall());
    let window = Window::of(read(query)?, now, open.kept)?;
    let place = Arc::clone(&api.places).try_acquire_owned().map_err(|_| {
        Error::new(ErrorKind::OverCapacity).with_detail("Too many analytics are being read").with_retry_after(1)
    })?;
    let _place = written(open, &api.context, place).await;
    let ledger = &open.analytics.ledger;
    let storage = Storage { failing: ledger.is_failing(), lost: ledger.lost() };
    let away = |why: String| {
        tracing::debug!("analytics cannot be read: {why}");
        let away = Error::new(ErrorKind::UpstreamUnavailable).with_detail("The database cannot be read now");
        away.with_retry_after(5).with_internal(why)
    };
    let read = tokio::time::timeout(READING, Report::read(&*open.database, &window, storage)).await;
    let report = read.map_err(|_| away("it took too long".to_owned()))?.map_err(|error| away(error.to_string()))?;
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(report)).into_response())
}

fn read(query: Option<String>) -> Result<Query, Error> {
    let malformed = |detail: String| Error::new(ErrorKind::Malformed).with_detail(detail);
    let uri: Uri = format!("/?{}", query.unwrap_or_default())
        .parse()
        .map_err(|error: http::uri::InvalidUri| malformed(error.to_string()))?;
    let read = axum::extract::Query::<Query>::try_from_uri(&uri);
    Ok(read.map_err(|rejection| malformed(rejection.body_text()))?.0)
}

/// Whoever asks sees what was counted before. A write that hangs keeps its place: no more of them wait than there are.
async fn written(open: &Open, context: &PluginContext, place: OwnedSemaphorePermit) -> Option<OwnedSemaphorePermit> {
    let (done, waits) = oneshot::channel();
    let (open, clock) = (open.clone(), context.clock().clone());
    // Of its own, since it must not be cut short when whoever asks has gone.
    context.spawn_until_done(async move {
        open.analytics.take(&clock);
        open.analytics.ledger.flush(&*open.database, open.kept, minute(clock.wall())).await;
        // Nobody may be waiting any more.
        let _ = done.send(place);
    });
    tokio::time::timeout(PATIENCE, waits).await.ok()?.ok()
}

/// Its part of the OpenAPI fragment.
pub(crate) fn openapi() -> Value {
    let parameter = |name: &str, what: &str, schema: Value| json!({ "name": name, "in": "query", "description": what, "schema": schema });
    let text = json!({ "type": "string" });
    json!({ "get": {
        "operationId": "metricsAnalytics", "tags": ["metrics"],
        "summary": "Top routes, consumers, statuses and errors of an hour, a day, a month or any time, with a series",
        "parameters": [
            parameter("window", "How far back; not with `since`", json!({ "type": "string", "enum": ["hour", "day", "month"], "default": "hour" })),
            parameter("since", "From when: RFC 3339, or seconds since 1970", text.clone()),
            parameter("until", "Until when, now unless said: RFC 3339, or seconds since 1970", text.clone()),
            parameter("limit", "At most that many rows of each list", json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 20 })),
            parameter("route", "Only of the route with that label", text.clone()),
            parameter("consumer", "Only of that consumer; empty: of nobody known", text.clone()),
            parameter("service", "Only of the routes of that service", text),
        ],
        "responses": {
            "200": { "description": "Sums of what was counted", "content": { "application/json": { "schema": schema_of::<Report>() } } },
            "400": { "description": "A parameter is wrong" },
            "404": { "description": "Analytics are off, or there is no database" },
            "503": { "description": "The database cannot be read now, or too many ask" },
        },
    } })
}
