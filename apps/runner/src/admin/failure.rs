//! Why a request to the admin API failed: an error, and what its answer says beside what every error says.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use buntime_core::{Error, problem};
use serde_json::{Map, Value};

use crate::gateway::answer::Extra;

/// See the module.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    members: Map<String, Value>,
}

impl Failure {
    /// Adds a member to the answer.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, members: Map::new() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response<Body> {
        if self.error.status().is_server_error() {
            tracing::error!("the admin API failed: {}", self.error.report());
        }
        let mut response = problem::response(&self.error, None);
        response.extensions_mut().insert(Extra(self.members));
        response
    }
}
