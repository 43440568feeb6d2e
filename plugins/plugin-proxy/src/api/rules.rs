//! `/rules`, and what is made of them.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{OriginalUri, Path, State},
    response::{IntoResponse, Response},
};
use buntime_core::{Error, ErrorKind};
use buntime_http::body::collect;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};

use super::shown;
use crate::dynamic::{Book, Dynamic, Expected, Failure, LARGEST, Order, Switch, object, parse};

/// Bytes of an order: of ten thousand ids and more.
const LONGEST_ORDER: u64 = 8 << 20;

type Rules = State<Arc<Book>>;

pub(super) async fn list(State(book): Rules) -> Response {
    let table = book.rules().now();
    tagged(StatusCode::OK, table.version(), &Value::Array(shown::all(&table)))
}

pub(super) async fn one(State(book): Rules, Path(id): Path<String>) -> Result<Response, Failure> {
    let table = book.rules().now();
    if let Some(rule) = table.dynamic().iter().find(|rule| *rule.id == *id) {
        return Ok(answer(StatusCode::OK, rule));
    }
    let found = table.statics().iter().find(|entry| entry.rule.id() == id).ok_or_else(Failure::not_found)?;
    Ok(Json(shown::of_file(found)).into_response())
}

pub(super) async fn fragments(State(book): Rules) -> Json<Vec<Value>> {
    Json(book.rules().now().rules().filter_map(|rule| shown::fragment(rule)).collect())
}

pub(super) async fn add(
    State(book): Rules,
    OriginalUri(uri): OriginalUri,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let body = object(&body(request, LARGEST as u64).await?)?;
    let rule = book.add(&body).await?;
    tracing::info!(rule = &*rule.id, "a rule was added");
    let mut response = answer(StatusCode::CREATED, &rule);
    if let Ok(location) = HeaderValue::try_from(format!("{}/{}", uri.path(), rule.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(super) async fn edit(
    State(book): Rules,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let expected = expected(request.headers());
    let body = object(&body(request, LARGEST as u64).await?)?;
    let rule = book.edit(&id, &body, &expected).await?;
    tracing::info!(rule = &*rule.id, "a rule was changed");
    Ok(answer(StatusCode::OK, &rule))
}

/// Without a body: to what it is not.
pub(super) async fn toggle(
    State(book): Rules,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let expected = expected(request.headers());
    let body = body(request, LARGEST as u64).await?;
    let enabled = if body.is_empty() { None } else { Some(parse::<Switch>(&body)?.enabled) };
    let rule = book.switch(&id, enabled, &expected).await?;
    tracing::info!(rule = &*rule.id, enabled = rule.enabled, "a rule was switched");
    Ok(answer(StatusCode::OK, &rule))
}

pub(super) async fn remove(
    State(book): Rules,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    book.remove(&id, &expected(&headers)).await?;
    tracing::info!(rule = id, "a rule was removed");
    Ok(Json(json!({ "success": true })).into_response())
}

pub(super) async fn reorder(State(book): Rules, request: Request<Body>) -> Result<Response, Failure> {
    let expected = expected(request.headers());
    let Order { ids } = parse(&body(request, LONGEST_ORDER).await?)?;
    book.reorder(&ids, &expected).await?;
    tracing::info!("the rules were put in another order");
    let table = book.rules().now();
    Ok(tagged(StatusCode::OK, table.version(), &Value::Array(shown::all(&table))))
}

fn answer(status: StatusCode, rule: &Dynamic) -> Response {
    tagged(status, rule.version, &shown::of_database(rule))
}

/// JSON of that version.
fn tagged(status: StatusCode, version: i64, body: &Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// What `If-Match` demands.
fn expected(headers: &HeaderMap) -> Expected {
    let mut lines = headers.get_all(header::IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Expected::default();
    }
    let tags = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    Expected(Some(tags.map(|tag| tag.trim().to_owned()).collect()))
}

/// The whole body, which says it is JSON or does not say.
pub(super) async fn body(request: Request<Body>, longest: u64) -> Result<Bytes, Failure> {
    let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let essence = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match essence.as_deref() {
        None | Some("application/json") => {}
        Some(kind) if kind.ends_with("+json") => {}
        Some(_) => return Err(Error::new(ErrorKind::UnsupportedMediaType).with_detail("Send application/json").into()),
    }
    Ok(collect(request.into_body(), longest).await?)
}
