//! What is asked and what is answered, as the protocol writes it. Members that are unknown mean nothing here.

use buntime_database::hrana::Cell;
use serde::{Deserialize, Serialize};

use super::condition::Condition;

#[derive(Debug, Deserialize)]
pub(super) struct Pipeline {
    #[serde(default)]
    pub(super) baton: Option<String>,
    pub(super) requests: Vec<Request>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenCursor {
    #[serde(default)]
    pub(super) baton: Option<String>,
    pub(super) batch: Batch,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Request {
    Close,
    Execute { stmt: Stmt },
    Batch { batch: Batch },
    Sequence(Text),
    Describe(Text),
    StoreSql { sql_id: i32, sql: String },
    CloseSql { sql_id: i32 },
    GetAutocommit,
}

/// SQL, or the id of one that was stored.
#[derive(Debug, Deserialize)]
pub(super) struct Text {
    #[serde(default)]
    pub(super) sql: Option<String>,
    #[serde(default)]
    pub(super) sql_id: Option<i32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Stmt {
    #[serde(flatten)]
    pub(super) text: Text,
    #[serde(default)]
    pub(super) args: Vec<Cell>,
    #[serde(default)]
    pub(super) named_args: Vec<Named>,
    #[serde(default)]
    pub(super) want_rows: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) value: Cell,
}

#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Step {
    #[serde(default)]
    pub(super) condition: Option<Condition>,
    pub(super) stmt: Stmt,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) baton: Option<String>,
    pub(super) base_url: Option<String>,
    pub(super) results: Vec<Answered>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Answered {
    Ok { response: Response },
    Error { error: Told },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Response {
    Close,
    Execute { result: Ran },
    Batch { result: Steps },
    Sequence,
    Describe { result: Described },
    StoreSql,
    CloseSql,
    GetAutocommit { is_autocommit: bool },
}

/// An error, as the protocol has it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Told {
    pub(super) message: String,
    pub(super) code: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Ran {
    pub(super) cols: Vec<Col>,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) affected_row_count: u64,
    pub(super) last_insert_rowid: Option<String>,
    /// Replicas are the adapter's affair.
    pub(super) replication_index: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Col {
    pub(super) name: String,
    pub(super) decltype: Option<String>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Steps {
    pub(super) step_results: Vec<Option<Ran>>,
    pub(super) step_errors: Vec<Option<Told>>,
    pub(super) replication_index: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Described {
    pub(super) params: Vec<Parameter>,
    pub(super) cols: Vec<Col>,
    pub(super) is_explain: bool,
    pub(super) is_readonly: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Parameter {
    pub(super) name: Option<String>,
}

/// The first line of a cursor.
#[derive(Debug, Serialize)]
pub(super) struct Opened {
    pub(super) baton: Option<String>,
    pub(super) base_url: Option<String>,
}

/// Each further line of it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Entry {
    StepBegin { step: usize, cols: Vec<Col> },
    Row { row: Vec<Cell> },
    StepEnd { affected_row_count: u64, last_insert_rowid: Option<String> },
    StepError { step: usize, error: Told },
    Error { error: Told },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_read() {
        let text = r#"{ "baton": null, "requests": [
            { "type": "execute", "stmt": { "sql": "SELECT ?", "args": [{ "type": "integer", "value": "1" }], "want_rows": true } },
            { "type": "execute", "stmt": { "sql_id": 3, "named_args": [{ "name": "a", "value": { "type": "null" } }] } },
            { "type": "batch", "batch": { "steps": [{ "stmt": { "sql": "COMMIT" },
              "condition": { "type": "and", "conds": [{ "type": "ok", "step": 0 }, { "type": "not", "cond": { "type": "is_autocommit" } }] } }] } },
            { "type": "sequence", "sql": "SELECT 1; SELECT 2" }, { "type": "describe", "sql_id": 3 },
            { "type": "store_sql", "sql_id": 3, "sql": "SELECT :a" }, { "type": "close_sql", "sql_id": 3 },
            { "type": "get_autocommit" }, { "type": "close", "replication_index": "7" }] }"#;
        let pipeline: Pipeline = serde_json::from_str(text).unwrap();
        assert_eq!(pipeline.requests.len(), 9);
        assert!(serde_json::from_str::<Pipeline>(r#"{ "requests": [{ "type": "listen" }] }"#).is_err());
    }

    #[test]
    fn what_clients_read_is_sent() {
        let ran = Ran {
            cols: vec![Col { name: "a".to_owned(), decltype: None }],
            rows: vec![vec![Cell::Integer { value: "1".to_owned() }]],
            affected_row_count: 0,
            last_insert_rowid: Some("9".to_owned()),
            replication_index: None,
        };
        let answer = Answer {
            baton: None,
            base_url: None,
            results: vec![
                Answered::Ok { response: Response::Execute { result: ran } },
                Answered::Ok { response: Response::Close },
                Answered::Error { error: Told { message: "no".to_owned(), code: "SQLITE_ERROR" } },
            ],
        };
        let expected = r#"{"baton":null,"base_url":null,"results":[{"type":"ok","response":{"type":"execute","result":{"cols":[{"name":"a","decltype":null}],"rows":[[{"type":"integer","value":"1"}]],"affected_row_count":0,"last_insert_rowid":"9","replication_index":null}}},{"type":"ok","response":{"type":"close"}},{"type":"error","error":{"message":"no","code":"SQLITE_ERROR"}}]}"#;
        assert_eq!(serde_json::to_string(&answer).unwrap(), expected);
        let row = Entry::Row { row: vec![Cell::Null] };
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"{"type":"row","row":[{"type":"null"}]}"#);
    }
}
