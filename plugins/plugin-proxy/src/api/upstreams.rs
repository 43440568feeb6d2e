//! `/upstreams`: every cluster, of services and of rules, and what an operator says of its targets.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
};
use buntime_core::ErrorKind;
use buntime_upstream::{Cluster, Override};
use http::Request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::rules::body;
use crate::dynamic::{Book, Failure, LARGEST, parse};

type Rules = State<Arc<Book>>;

pub(super) async fn list(State(book): Rules) -> Json<Vec<Value>> {
    let services = book.services().into_iter().map(|cluster| shown(&cluster, "service"));
    Json(services.chain(book.clusters().map(|cluster| shown(&cluster, "rule"))).collect())
}

pub(super) async fn one(State(book): Rules, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    let (cluster, of) = find(&book, &name)?;
    Ok(Json(shown(&cluster, of)))
}

/// The body of a change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Where the path does not say it.
    target: Option<String>,
    #[serde(rename = "override")]
    wanted: Override,
}

pub(super) async fn change(
    State(book): Rules,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Json<Value>, Failure> {
    let said: Said = parse(&body(request, LARGEST as u64).await?)?;
    let Some(target) = said.target else {
        return Err(Failure::new(ErrorKind::Malformed, "Say which `target`: its URL, or its number from 0"));
    };
    set(&book, &name, &target, said.wanted)
}

pub(super) async fn change_target(
    State(book): Rules,
    Path((name, target)): Path<(String, String)>,
    request: Request<Body>,
) -> Result<Json<Value>, Failure> {
    let said: Said = parse(&body(request, LARGEST as u64).await?)?;
    if said.target.is_some_and(|said| said != target) {
        return Err(Failure::new(ErrorKind::Malformed, "The path and the body name different targets"));
    }
    set(&book, &name, &target, said.wanted)
}

fn set(book: &Book, name: &str, target: &str, wanted: Override) -> Result<Json<Value>, Failure> {
    let (cluster, of) = find(book, name)?;
    let numbered = target.parse::<usize>().ok().and_then(|index| cluster.report().targets.into_iter().nth(index));
    let url = numbered.map_or_else(|| target.to_owned(), |target| target.url);
    cluster.set(&url, wanted).map_err(|unknown| Failure::new(ErrorKind::NotFound, unknown.to_string()))?;
    tracing::info!(upstream = name, upstream_target = url, ?wanted, "an operator spoke of an upstream's target");
    Ok(Json(shown(&cluster, of)))
}

/// The cluster of that name, and whose it is.
fn find(book: &Book, name: &str) -> Result<(Arc<Cluster>, &'static str), Failure> {
    let named = |cluster: &Arc<Cluster>| **cluster.name() == *name;
    if let Some(cluster) = book.services().into_iter().find(named) {
        return Ok((cluster, "service"));
    }
    let found = book.clusters().find(named).map(|cluster| (cluster, "rule"));
    found.ok_or_else(|| Failure::new(ErrorKind::NotFound, format!("There is no upstream `{name}`")))
}

fn shown(cluster: &Cluster, of: &'static str) -> Value {
    let mut shown = serde_json::to_value(cluster.report()).unwrap_or_default();
    shown["of"] = json!(of);
    shown
}
