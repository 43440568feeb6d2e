//! `/tables`: what is in a database.

use axum::{
    Json,
    extract::{Path, State},
};
use buntime_core::{Error, ErrorKind};
use buntime_http::extract::Query;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, Where, malformed};
use crate::{
    api::query::objects,
    failure::failure,
    inspect::{self, Column, Part, Table},
    target::Target,
};

/// Rows of one page, at most; and when nothing is said.
const MOST: usize = 1000;
const USUAL: i64 = 100;

pub(super) async fn list(State(api): State<Api>, Query(place): Query<Where>) -> Result<Json<Value>, Error> {
    let target = api.databases.open(place.kind.as_deref(), place.tenant.as_deref()).await?;
    let found = api.limits.within(inspect::tables(&*target.adapter, api.limits.rows)).await.map_err(failure)?;
    let tables: Vec<Value> = found.iter().map(|table| json!({ "name": table.name, "type": table.kind })).collect();
    Ok(Json(json!({ "tables": tables, "type": target.kind() })))
}

pub(super) async fn schema(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(place): Query<Where>,
) -> Result<Json<Value>, Error> {
    let target = api.databases.open(place.kind.as_deref(), place.tenant.as_deref()).await?;
    let (table, columns) = find(&api, &target, &name).await?;
    let columns: Vec<Value> = columns.iter().map(show).collect();
    Ok(Json(json!({ "columns": columns, "table": table.name, "type": target.kind() })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Paged {
    #[serde(rename = "type")]
    kind: Option<String>,
    tenant: Option<String>,
    limit: Option<i64>,
    offset: Option<i64>,
    count: Option<bool>,
}

pub(super) async fn rows(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(paged): Query<Paged>,
) -> Result<Json<Value>, Error> {
    let most = i64::try_from(api.limits.rows.min(MOST)).unwrap_or(USUAL);
    let (limit, offset) = (paged.limit.unwrap_or(USUAL).min(most), paged.offset.unwrap_or(0));
    if limit < 1 || offset < 0 {
        return Err(malformed("`limit` is a number from 1, `offset` one from 0"));
    }
    let target = api.databases.open(paged.kind.as_deref(), paged.tenant.as_deref()).await?;
    let (table, columns) = find(&api, &target, &name).await?;
    let part = Part { limit, offset, count: paged.count.unwrap_or(true) };
    let page = inspect::page(&*target.adapter, &table, &columns, part);
    let page = api.limits.within(page).await.map_err(failure)?;
    let (_, rows) = objects(page.rows.columns(), page.rows.clone().into_values(), api.limits.budget());
    Ok(Json(json!({
        "limit": limit,
        "offset": offset,
        "rows": rows,
        "columns": columns.iter().map(show).collect::<Vec<_>>(),
        "table": table.name,
        "total": page.total,
    })))
}

async fn find(api: &Api, target: &Target, name: &str) -> Result<(Table, Vec<Column>), Error> {
    let db = &*target.adapter;
    let found = api.limits.within(inspect::table(db, name)).await.map_err(failure)?;
    let table = found.ok_or_else(|| {
        Error::new(ErrorKind::NotFound)
            .with_code("no_such_table")
            .with_detail("There is no table or view of that name; its case counts")
    })?;
    let columns = api.limits.within(inspect::columns(db, &table)).await.map_err(failure)?;
    Ok((table, columns))
}

fn show(column: &Column) -> Value {
    json!({ "name": column.name, "nullable": column.nullable, "pk": column.key.is_some(), "type": column.declared })
}
