//! The routes, and what they say when nothing can be done at all.

use std::collections::HashMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use buntime_core::Error;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    cursor,
    streams::{Lease, Streams},
    wire::{Answer, OpenCursor, Pipeline},
    wrong::Wrong,
};
use crate::{
    limits::Limits,
    target::{Databases, Target},
};

const ADAPTER: HeaderName = HeaderName::from_static("x-database-adapter");
const NAMESPACE: HeaderName = HeaderName::from_static("x-database-namespace");
/// Requests of one pipeline.
const MOST_REQUESTS: usize = 10_000;

/// What the routes share.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    pub(crate) databases: Databases,
    pub(crate) limits: Limits,
    pub(crate) streams: Streams,
}

pub(crate) fn router(face: Face) -> Router {
    let mut router = Router::new();
    for base in ["/api/hrana", "/api/hrana/{adapter}", "/api/hrana/{adapter}/{tenant}"] {
        router = router
            .route(&format!("{base}/v2"), get(probe))
            .route(&format!("{base}/v3"), get(probe))
            .route(&format!("{base}/v2/pipeline"), post(pipeline))
            .route(&format!("{base}/v3/pipeline"), post(pipeline))
            .route(&format!("{base}/v3/cursor"), post(open_cursor));
    }
    router.layer(DefaultBodyLimit::max(face.limits.body)).with_state(face)
}

/// Of the path, which may name adapter and tenant.
type Named = Path<HashMap<String, String>>;

async fn probe(State(face): State<Face>, Path(named): Named, headers: HeaderMap) -> Result<StatusCode, Refused> {
    face.target(&named, &headers).await.map(|_| StatusCode::OK)
}

async fn pipeline(
    State(face): State<Face>,
    Path(named): Named,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let Pipeline { baton, requests } = face.read(body)?;
    if requests.len() > MOST_REQUESTS {
        let what = format!("a pipeline has at most {MOST_REQUESTS} requests");
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, Wrong::new("REQUEST_TOO_LARGE", what)));
    }
    let mut lease = face.lease(baton.as_deref(), &named, &headers).await?;
    let (mut results, mut budget) = (Vec::with_capacity(requests.len()), face.limits.budget());
    if let Some(stream) = lease.stream() {
        for request in requests {
            results.push(stream.answer(request, &face.limits, &mut budget).await);
        }
    }
    let answer = Answer { baton: lease.park(), base_url: None, results };
    Ok(fresh(Json(answer).into_response()))
}

async fn open_cursor(
    State(face): State<Face>,
    Path(named): Named,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let OpenCursor { baton, batch } = face.read(body)?;
    let lease = face.lease(baton.as_deref(), &named, &headers).await?;
    Ok(fresh(cursor::response(lease, batch, face.limits)))
}

fn fresh(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Face {
    async fn target(&self, named: &HashMap<String, String>, headers: &HeaderMap) -> Result<Target, Refused> {
        let said = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let adapter = named.get("adapter").map(String::as_str).or_else(|| said(&ADAPTER));
        let tenant = named.get("tenant").map(String::as_str).or_else(|| said(&NAMESPACE));
        Ok(self.databases.open(adapter, tenant).await?)
    }

    /// The stream of the baton, or a new one.
    async fn lease(
        &self,
        baton: Option<&str>,
        named: &HashMap<String, String>,
        headers: &HeaderMap,
    ) -> Result<Lease, Refused> {
        let target = self.target(named, headers).await?;
        let lease = match baton {
            Some(baton) => self.streams.take(baton, &target),
            None => self.streams.open(target),
        };
        lease.map_err(|wrong| {
            let status = match wrong.code() {
                "TOO_MANY_STREAMS" | "STREAM_CLOSED" => StatusCode::SERVICE_UNAVAILABLE,
                "INTERNAL_ERROR" => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            };
            Refused(status, wrong)
        })
    }

    fn read<T: DeserializeOwned>(&self, body: Result<Bytes, BytesRejection>) -> Result<T, Refused> {
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let what = format!("a request takes at most {} bytes (maxBody)", self.limits.body);
                Refused(StatusCode::PAYLOAD_TOO_LARGE, Wrong::new("REQUEST_TOO_LARGE", what))
            }
            _ => Refused(StatusCode::BAD_REQUEST, Wrong::new("HRANA_PROTO_ERROR", "the body could not be read")),
        })?;
        serde_json::from_slice(&body).map_err(|error| {
            let what = format!("the body is not what Hrana has here: {error}");
            Refused(StatusCode::BAD_REQUEST, Wrong::new("HRANA_PROTO_ERROR", what))
        })
    }
}

/// Nothing was done. Clients read `message` and `code`.
#[derive(Debug)]
struct Refused(StatusCode, Wrong);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error.status(), Wrong::new(error.code(), error.detail().to_owned()))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let told = self.1.told();
        let mut response = (self.0, Json(json!({ "message": told.message, "code": told.code }))).into_response();
        if self.0 == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        fresh(response)
    }
}
