//! Why something was not done, and whether the stream goes on.

use buntime_database::{Error, ErrorKind as Kind};

use super::wire::Told;
use crate::failure::{code, words};

/// See the module.
#[derive(Debug)]
pub(super) struct Wrong {
    told: Told,
    /// What was begun is gone, and nobody should go on as if it were not.
    pub(super) ends: bool,
}

impl Wrong {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { told: Told { message: message.into(), code }, ends: false }
    }

    /// The statement has run, and only its answer is wrong: who is told of an error must not take it for undone.
    pub(super) fn though_done(mut self, affected: u64) -> Self {
        if affected > 0 {
            self.told
                .message
                .push_str("; the statement was run, and what it changed stays unless its transaction is rolled back");
        }
        self
    }

    pub(super) fn code(&self) -> &'static str {
        self.told.code
    }

    pub(super) fn told(self) -> Told {
        self.told
    }
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        let ends = matches!(error.kind(), Kind::Unavailable | Kind::Uncertain | Kind::Closed | Kind::Timeout);
        let words = words(&error);
        let message = error.statement().map_or_else(|| words.clone(), |at| format!("statement {at}: {words}"));
        Self { told: Told { message, code: code(error.kind()) }, ends }
    }
}
