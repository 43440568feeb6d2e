//! `/query`: one statement, with arguments that are bound.

use std::time::Instant;

use axum::extract::State;
use buntime_core::Error;
use buntime_database::{self as database, Adapter, ErrorKind, Numbered, Outcome, Value};
use buntime_http::extract::Json;
use serde::Deserialize;
use serde_json::{Map, Value as Shown, json};

use super::{Api, malformed};
use crate::{cell, failure::failure, limits::Budget};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Asked {
    sql: Option<Shown>,
    /// By position, or by name.
    #[serde(default)]
    args: Shown,
    #[serde(rename = "type")]
    kind: Option<String>,
    tenant: Option<String>,
    /// A statement that would write is refused.
    #[serde(default)]
    read_only: bool,
}

pub(super) async fn run(State(api): State<Api>, Json(asked): Json<Asked>) -> Result<axum::Json<Shown>, Error> {
    let sql = match asked.sql {
        Some(Shown::String(sql)) if !sql.trim().is_empty() => sql,
        _ => return Err(malformed("Missing or invalid SQL query")),
    };
    api.limits.statement(&sql).map_err(failure)?;
    let target = api.databases.open(asked.kind.as_deref(), asked.tenant.as_deref()).await?;
    let (sql, args) = bound(target.kind(), sql, asked.args)?;
    let begun = Instant::now();
    let harmless = asked.read_only || database::leaves_nothing(target.kind(), &sql);
    let running = api.limits.within_if(harmless, execute(&*target.adapter, &sql, args, asked.read_only));
    let outcome = api.figures.time(target.kind(), running).await.map_err(failure)?;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    Ok(axum::Json(show(outcome, took, api.limits.budget())))
}

/// The statement, and one value for each of its parameters.
fn bound(kind: &str, sql: String, args: Shown) -> Result<(String, Vec<Value>), Error> {
    let read = |place: String, arg| cell::read(arg).map_err(|why| malformed(format!("`args{place}` is {why}")));
    match args {
        Shown::Null => Ok((sql, Vec::new())),
        Shown::Array(args) => {
            let args = args.into_iter().enumerate().map(|(at, arg)| read(format!("[{at}]"), arg));
            Ok((sql, args.collect::<Result<_, _>>()?))
        }
        Shown::Object(args) => {
            let names: Vec<&str> = args.keys().map(|name| name.trim_start_matches([':', '@', '$'])).collect();
            let Some(Numbered { sql, names }) = database::numbered(kind, &sql, 0, &names) else {
                return Ok((sql, Vec::new()));
            };
            let given = names.into_iter().filter_map(|at| args.iter().nth(at));
            let args = given.map(|(name, arg)| read(format!(".{name}"), arg.clone())).collect::<Result<_, _>>()?;
            Ok((sql, args))
        }
        _ => Err(malformed("`args` is an array, or an object of names")),
    }
}

async fn execute(db: &dyn Adapter, sql: &str, args: Vec<Value>, read_only: bool) -> database::Result<Outcome> {
    // Who reads need not wait for SQLite's one writer, nor others for who reads.
    if read_only || db.kind() == "sqlite" {
        match db.read_only(sql, args.clone()).await {
            Err(error) if error.kind() == ErrorKind::ReadOnly && !read_only => {}
            done => return done.map(|rows| Outcome { rows, ..Outcome::default() }),
        }
    }
    db.execute(sql, args).await
}

fn show(outcome: Outcome, took: f64, budget: Budget) -> Shown {
    let Outcome { affected, last_insert_id, rows } = outcome;
    let (names, count) = (unique(rows.columns()), rows.len());
    let (shown, objects) = objects(&names, rows.into_values(), budget);
    json!({
        "duration": (took * 1000.0).round() / 1000.0,
        "rowCount": count,
        "columns": names,
        "rows": objects,
        "truncated": shown < count,
        "affectedRows": affected,
        "lastInsertId": last_insert_id.map(|id| cell::show(Value::Integer(id))),
    })
}

/// Rows as objects, as many as fit; and how many these are.
pub(super) fn objects(names: &[String], rows: Vec<Vec<Value>>, mut budget: Budget) -> (usize, Vec<Shown>) {
    let fit = budget.take(&rows);
    let object = |row: Vec<Value>| {
        let members = names.iter().cloned().zip(row.into_iter().map(cell::show));
        Shown::Object(members.collect::<Map<_, _>>())
    };
    (fit, rows.into_iter().take(fit).map(object).collect())
}

/// Every column has a name of its own: of two `id`s the second is `id_2`.
fn unique(columns: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(columns.len());
    for column in columns {
        let mut name = column.clone();
        let mut number = 2;
        while names.contains(&name) || (number > 2 && columns.contains(&name)) {
            name = format!("{column}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_names_of_their_own() {
        let names = |given: &[&str]| unique(&given.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["id", "name", "id", "id"]), ["id", "name", "id_2", "id_3"]);
        assert_eq!(names(&["a", "a", "a_2"]), ["a", "a_3", "a_2"]);
    }
}
