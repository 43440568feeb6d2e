//! Hrana 3 in JSON: what is asked and what is answered.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::errors::{self, Failed};
use crate::{Description, Error, ErrorKind, Outcome, Result, Rows, Statement, Value, hrana::Cell};

/// A server's answer to a pipeline.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    pub(super) baton: Option<String>,
    results: Vec<Answered>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answered {
    Ok { response: Response },
    Error { error: Told },
}

/// An error of the server's.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    pub(super) message: String,
    pub(super) code: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Response {
    Execute {
        result: Ran,
    },
    Batch {
        result: Steps,
    },
    Describe {
        result: Described,
    },
    GetAutocommit {
        is_autocommit: bool,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Ran {
    cols: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    affected_row_count: u64,
    last_insert_rowid: Option<String>,
    replication_index: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Steps {
    step_results: Vec<Option<Ran>>,
    step_errors: Vec<Option<Told>>,
    replication_index: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Described {
    params: Vec<Parameter>,
    cols: Vec<Column>,
    is_explain: bool,
    is_readonly: bool,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: Option<String>,
    decltype: Option<String>,
}

/// What one request of a pipeline came to.
#[derive(Debug)]
pub(super) enum Answer {
    Ran(Outcome),
    /// Of a batch: each step's outcome, up to the first that failed.
    Steps(Vec<Outcome>, Option<Failed>),
    Described(Description),
    Autocommit(bool),
    Nothing,
}

impl Answered {
    fn index(&self) -> Option<u64> {
        let index = match self {
            Self::Ok { response: Response::Execute { result } } => result.replication_index.as_deref(),
            Self::Ok { response: Response::Batch { result } } => result.replication_index.as_deref(),
            _ => None,
        };
        index?.parse().ok()
    }
}

impl Reply {
    /// The newest index in it, which says how much a replica must know to be as new.
    pub(super) fn index(&self) -> Option<u64> {
        self.results.iter().filter_map(Answered::index).max()
    }

    /// The oldest index of what was run. `None`: one has none, or nothing was run.
    pub(super) fn oldest_index(&self) -> Option<u64> {
        let ran = |one: &&Answered| {
            matches!(one, Answered::Ok { response: Response::Execute { .. } | Response::Batch { .. } })
        };
        self.results.iter().filter(ran).map(Answered::index).min().flatten()
    }

    /// Each request's answer, in order.
    pub(super) fn answers(self, sent: &[Sent<'_>]) -> impl Iterator<Item = Result<Answer, Failed>> {
        self.results.into_iter().zip(sent).map(|(answered, sent)| match answered {
            Answered::Error { error } => Err(errors::told(&error)),
            Answered::Ok { response } => answer(response, sent).map_err(Failed::never),
        })
    }
}

fn answer(response: Response, sent: &Sent<'_>) -> Result<Answer> {
    let inserts = |at: usize| sent.statements().get(at).is_some_and(|sql| inserts(sql));
    Ok(match response {
        Response::Execute { result } => Answer::Ran(outcome(result, inserts(0))?),
        Response::Batch { result } => {
            let (mut outcomes, mut failed) = (Vec::new(), None);
            for (at, (ran, error)) in result.step_results.into_iter().zip(result.step_errors).enumerate() {
                match (ran, error) {
                    (_, Some(error)) => failed = failed.or_else(|| Some(errors::told(&error))),
                    (Some(ran), None) => outcomes.push(outcome(ran, inserts(at))?),
                    (None, None) => {}
                }
            }
            Answer::Steps(outcomes, failed)
        }
        Response::Describe { result } => Answer::Described(Description {
            parameters: result.params.into_iter().map(|parameter| parameter.name).collect(),
            columns: result.cols.into_iter().map(|col| (col.name.unwrap_or_default(), col.decltype)).collect(),
            explains: result.is_explain,
            reads: result.is_readonly,
        }),
        Response::GetAutocommit { is_autocommit } => Answer::Autocommit(is_autocommit),
        Response::Other => Answer::Nothing,
    })
}

fn outcome(ran: Ran, inserts: bool) -> Result<Outcome> {
    let columns = ran.cols.into_iter().map(|column| column.name.unwrap_or_default()).collect::<Vec<_>>();
    let mut rows = Vec::with_capacity(ran.rows.len());
    for row in ran.rows {
        if row.len() != columns.len() {
            return Err(Error::new(ErrorKind::Other, "the libSQL server sent a row of another width"));
        }
        rows.push(row.into_iter().map(value).collect::<Result<Vec<_>>>()?);
    }
    let last = ran.last_insert_rowid.and_then(|id| id.parse().ok()).filter(|_| inserts && ran.affected_row_count > 0);
    Ok(Outcome { affected: ran.affected_row_count, last_insert_id: last, rows: Rows::new(columns, rows) })
}

/// The server keeps the number over statements that insert nothing.
fn inserts(sql: &str) -> bool {
    use crate::sql::{Dialect, first_word};
    first_word(sql, Dialect::Sqlite)
        .is_some_and(|word| word.eq_ignore_ascii_case("insert") || word.eq_ignore_ascii_case("replace"))
}

fn value(cell: Cell) -> Result<Value> {
    let told = |error: Error| Error::new(error.kind(), format!("the libSQL server sent {}", error.detail()));
    Value::try_from(cell).map_err(told)
}

/// One request of a pipeline.
#[derive(Debug)]
pub(super) enum Sent<'a> {
    Execute(&'a Statement),
    /// One whose parameters have these names, which the server wants to be told.
    Named(&'a Statement, &'a [Option<String>]),
    /// Each runs only if the one before it did.
    Chain(Vec<&'a Statement>),
    /// Read and not run.
    Parse(&'a Statement),
    Describe(&'a str),
    Autocommit,
    /// The stream ends; what it has begun is rolled back.
    Close,
}

impl Sent<'_> {
    fn statements(&self) -> Vec<&str> {
        match self {
            Self::Execute(statement) | Self::Named(statement, _) => vec![&statement.sql],
            Self::Chain(list) => list.iter().map(|statement| statement.sql.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::Execute(statement) => json!({ "type": "execute", "stmt": stmt(statement) }),
            Self::Named(statement, names) => json!({ "type": "execute", "stmt": named(statement, names) }),
            Self::Chain(list) => {
                let step = |(at, statement): (usize, &&Statement)| match at.checked_sub(1) {
                    Some(before) => json!({ "stmt": stmt(statement), "condition": { "type": "ok", "step": before } }),
                    None => json!({ "stmt": stmt(statement) }),
                };
                let steps: Vec<Json> = list.iter().enumerate().map(step).collect();
                json!({ "type": "batch", "batch": { "steps": steps } })
            }
            Self::Parse(statement) => {
                // None of no conditions holds.
                let never = json!({ "type": "or", "conds": [] });
                json!({ "type": "batch", "batch": { "steps": [{ "stmt": stmt(statement), "condition": never }] } })
            }
            Self::Describe(sql) => json!({ "type": "describe", "sql": sql }),
            Self::Autocommit => json!({ "type": "get_autocommit" }),
            Self::Close => json!({ "type": "close" }),
        }
    }
}

fn stmt(statement: &Statement) -> Json {
    json!({ "sql": statement.sql, "args": cells(statement).collect::<Vec<_>>(), "want_rows": true })
}

fn named(statement: &Statement, names: &[Option<String>]) -> Json {
    let args = names.iter().zip(cells(statement));
    let args: Vec<Json> = args.map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({ "sql": statement.sql, "named_args": args, "want_rows": true })
}

fn cells(statement: &Statement) -> impl Iterator<Item = Cell> {
    // What JSON cannot carry was refused before.
    statement.args.iter().map(|value| Cell::try_from(value.clone()).unwrap_or(Cell::Null))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn oldest(indexes: &[Option<&str>]) -> Option<u64> {
        let ran = |index: &Option<&str>| {
            let result = json!({ "cols": [], "rows": [], "affected_row_count": 0, "replication_index": index });
            json!({ "type": "ok", "response": { "type": "execute", "result": result } })
        };
        let closed = json!({ "type": "ok", "response": { "type": "close" } });
        let results: Vec<_> = indexes.iter().map(ran).chain([closed]).collect();
        let reply: Reply = serde_json::from_value(json!({ "baton": null, "results": results })).unwrap();
        reply.oldest_index()
    }

    #[test]
    fn the_oldest_index_is_that_of_all_that_ran() {
        assert_eq!(oldest(&[Some("7"), Some("3")]), Some(3));
        assert_eq!(oldest(&[Some("7"), None]), None);
        assert_eq!(oldest(&[]), None);
    }
}
