//! Why a change was not made, as the API says it: an error, and what is wrong with a rule, each with its place.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use buntime_core::{Error, ErrorKind, SettingsProblem, problem};
use buntime_database as database;
use serde_json::{Map, Value, json};

/// See the module.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    problems: Vec<SettingsProblem>,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Error::new(kind).with_detail(detail.into()).into()
    }

    /// What is wrong with a rule that was sent.
    pub(crate) fn problems(problems: Vec<SettingsProblem>) -> Self {
        let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Self { error: Error::new(ErrorKind::Malformed).with_detail(list.join("; ")), problems }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "Rule not found")
    }

    /// What a database failed with.
    pub(crate) fn database(error: database::Error) -> Self {
        use database::ErrorKind::{Busy, Canceled, Closed, Full, ReadOnly, Timeout, Unavailable};
        let error = match error.kind() {
            Busy | Timeout | Unavailable | Canceled | Closed | ReadOnly => Error::new(ErrorKind::UpstreamUnavailable)
                .with_code("database_unavailable")
                .with_detail("The database that keeps the rules cannot be used now; nothing was changed")
                .with_cause(error),
            Full => Error::new(ErrorKind::InsufficientStorage)
                .with_detail("The database that keeps the rules is full; nothing was changed")
                .with_cause(error),
            _ => Error::internal(error),
        };
        error.into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, problems: Vec::new() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response<Body> {
        if self.error.status().is_server_error() {
            tracing::error!("the rules cannot be changed: {}", self.error.report());
        }
        let response = problem::response(&self.error, None);
        if self.problems.is_empty() {
            return response;
        }
        let (head, _) = response.into_parts();
        let mut members = Map::new();
        members.insert("type".to_owned(), json!("about:blank"));
        members.insert("title".to_owned(), json!(self.error.kind().title()));
        members.insert("status".to_owned(), json!(head.status.as_u16()));
        members.insert("detail".to_owned(), json!(self.error.detail()));
        members.insert("code".to_owned(), json!(self.error.code()));
        members.insert("error".to_owned(), json!(self.error.detail()));
        members.insert("problems".to_owned(), json!(self.problems));
        Response::from_parts(head, Body::from(Value::Object(members).to_string()))
    }
}
