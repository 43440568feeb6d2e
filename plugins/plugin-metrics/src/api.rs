//! What is below `/p/metrics`: `/api/prometheus`, `/api/stats` (also `/api`) and `/api/sse`; and the OpenAPI fragment.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use buntime_core::{Error, ErrorKind, PluginContext, upstreams::Upstreams};
use http::{HeaderValue, header};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::{
    MetricsSettings, Requests, analytics,
    live::Live,
    prometheus,
    snapshot::{Snapshot, Stats},
    text,
};

#[derive(Clone)]
struct Api {
    requests: Arc<Requests>,
    context: PluginContext,
    prometheus: bool,
    live: Live,
}

pub(crate) fn router(settings: &MetricsSettings, requests: Arc<Requests>, context: PluginContext) -> Router {
    let live = Live::new(requests.clone(), context.clone(), settings.sse_interval.0, settings.max_streams);
    Router::new()
        .route("/api", get(stats))
        .route("/api/", get(stats))
        .route("/api/stats", get(stats))
        .route("/api/prometheus", get(prometheus_text))
        .route("/api/sse", get(sse))
        .with_state(Api { requests, context, prometheus: settings.prometheus, live })
}

impl Api {
    fn snapshot(&self) -> Snapshot {
        take(&self.requests, &self.context)
    }
}

/// How long other plugins may take to say what they measured.
const OTHERS: Duration = Duration::from_secs(2);
const NO_STORE: (header::HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

async fn stats(State(api): State<Api>) -> Response {
    ([NO_STORE], Json(Stats::of(&api.snapshot(), None))).into_response()
}

async fn prometheus_text(State(api): State<Api>) -> Result<Response, Error> {
    if !api.prometheus {
        let error = Error::new(ErrorKind::NotFound);
        return Err(error.with_detail("The Prometheus endpoint is switched off by this plugin's settings"));
    }
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(text::CONTENT_TYPE));
    let families = api.context.measures().read(OTHERS).await;
    Ok(([kind, NO_STORE], prometheus::render_with(&api.snapshot(), &families)).into_response())
}

async fn sse(State(api): State<Api>) -> Result<Response, Error> {
    Ok(api.live.open()?.into_response())
}

/// The OpenAPI fragment.
pub(crate) fn openapi() -> Value {
    let stats = schema_of::<Stats>();
    let answer = |kind: &str, schema: Value| json!({ "description": "The measurements", "content": { kind: { "schema": schema } } });
    let operation = |id: &str, summary: &str, responses: Value| json!({ "get": { "operationId": id, "tags": ["metrics"], "summary": summary, "responses": responses } });
    json!({ "paths": {
        "/api/stats": operation("metricsStats", "All measurements as JSON", json!({ "200": answer("application/json", stats) })),
        "/api/prometheus": operation("metricsPrometheus", "All measurements in the Prometheus text format", json!({
            "200": answer("text/plain", json!({ "type": "string" })),
            "404": { "description": "Switched off" },
        })),
        "/api/sse": operation("metricsStream", "The same JSON live: one event at once, then one each interval", json!({
            "200": answer("text/event-stream", json!({ "type": "string" })),
            "503": { "description": "Too many streams are open" },
        })),
        "/api/analytics": analytics::api::openapi(),
    } })
}

/// The schema of what is answered, whole in itself.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// Everything now, of what runs around an instance.
pub(crate) fn take(requests: &Requests, context: &PluginContext) -> Snapshot {
    let upstreams = context.service::<dyn Upstreams>();
    Snapshot::take(requests, context.host(), context.clock(), upstreams.as_deref())
}
