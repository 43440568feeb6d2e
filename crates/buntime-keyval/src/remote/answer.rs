//! What an answer that is no message means.

use std::borrow::Cow;

use http::StatusCode;

use super::exchange::Does;
use crate::{Error, Exceeded, Result};

/// A call that failed, and whether it may be made again.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) again: bool,
    /// What is known of where the data is may be wrong.
    pub(super) lost: bool,
    /// What the server calls it.
    pub(super) code: Option<String>,
}

impl Failed {
    pub(super) fn never(error: Error) -> Self {
        Self { error, again: false, lost: false, code: None }
    }

    /// It cannot have happened.
    pub(super) fn harmless(why: impl Into<Cow<'static, str>>) -> Self {
        Self { error: Error::Unavailable(why.into()), again: true, lost: false, code: None }
    }

    /// No answer came.
    pub(super) fn unanswered(does: Does, why: impl Into<Cow<'static, str>>) -> Self {
        match does {
            Does::Reads => Self::harmless(why),
            Does::Writes => Self::never(Error::Uncertain),
        }
    }
}

/// An answer that says something else than it should.
pub(super) fn unreadable(does: Does) -> Error {
    match does {
        Does::Reads => Error::Database("the server's answer is not KV Connect".into()),
        // Who knows what it did.
        Does::Writes => Error::Uncertain,
    }
}

/// What was read of an answer.
///
/// # Errors
/// What cannot be read is no error of whoever asked.
pub(super) fn read<T>(read: Result<T>, does: Does) -> Result<T> {
    read.map_err(|error| match does {
        Does::Reads => Error::Database(format!("the server's answer cannot be read: {error}").into()),
        Does::Writes => Error::Uncertain,
    })
}

/// The store's own words for errors that have no other.
fn is(words: &str, error: &Error) -> bool {
    words == error.to_string()
}

/// An answer with another status than 2xx. Its words are plain, or those of a problem in JSON; `code` is what the server
/// calls it, if it is one of ours.
pub(super) fn refused(status: StatusCode, code: Option<&str>, body: &str, does: Does) -> Failed {
    let problem: Option<serde_json::Value> = body.starts_with('{').then(|| serde_json::from_str(body).ok()).flatten();
    let said = problem.as_ref().and_then(|problem| problem.get("error").and_then(serde_json::Value::as_str));
    let words = said.unwrap_or(body);
    // Others may stand between, and say what they like with a 5xx.
    let ours = status.is_client_error() || status == StatusCode::INSUFFICIENT_STORAGE;
    let named = code.filter(|_| ours).and_then(|code| Error::read(code, words));
    let failed = named.map_or_else(|| by_status(status, words, does), Failed::never);
    Failed { code: code.map(ToOwned::to_owned), ..failed }
}

/// What a status means, and the words that came with it.
fn by_status(status: StatusCode, words: &str, does: Does) -> Failed {
    let own = || Cow::Owned(words.chars().take(500).collect::<String>());
    let unavailable = Error::Unavailable(Cow::Borrowed(""));
    let lost = |error, again| Failed { again, lost: true, ..Failed::never(error) };
    match status.as_u16() {
        // Of another database than the metadata said.
        400 if words.starts_with("This is another database") => lost(Error::Unavailable(own()), true),
        401 | 403 => lost(Error::Denied(own()), false),
        404 | 405 => Failed::never(Error::Invalid(format!("There is no store at this URL ({status})").into())),
        // KV Connect says neither with a 5xx, which Deno would send again.
        409 if is(words, &Error::Uncertain) => Failed::never(Error::Uncertain),
        409 if words.starts_with("The namespace is full (max ") => Failed::never(Error::Quota(own())),
        409 => Failed::never(Error::Refused(own())),
        413 if is(words, &Error::TooBig) => Failed::never(Error::TooBig),
        413 => Failed::never(Exceeded::read(words).map_or_else(|| Error::Refused(own()), Error::Limit)),
        507 if is(words, &Error::Full) => Failed::never(Error::Full),
        507 => Failed::never(Error::Quota(own())),
        400..=499 if status == StatusCode::TOO_MANY_REQUESTS => Failed::harmless("the server has too much to do (429)"),
        400..=499 if is(words, &Error::SumOutOfRange) => Failed::never(Error::SumOutOfRange),
        400..=499 if ["Failed to perform '", "Cannot sum "].iter().any(|start| words.starts_with(start)) => {
            Failed::never(Error::TypeMismatch(own()))
        }
        400 if is(words, &Error::Database(Cow::Borrowed(""))) => Failed::never(Error::Database(own())),
        400..=499 => Failed::never(Error::Invalid(own())),
        // Says the store itself, and means that nothing happened.
        503 if is(words, &unavailable) || is(words, &Error::Closed) => Failed::harmless(own()),
        500 if is(words, &Error::Database(Cow::Borrowed(""))) => Failed::never(Error::Database(own())),
        _ => Failed::unanswered(does, format!("the server answers {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::What;

    fn error(status: u16, words: &str, does: Does) -> Error {
        refused(StatusCode::from_u16(status).unwrap(), None, words, does).error
    }

    #[test]
    fn errors_come_back_as_they_were() {
        for what in What::ALL {
            let exceeded = Exceeded { what, most: 2048 };
            assert_eq!(error(413, &exceeded.to_string(), Does::Writes), Error::Limit(exceeded));
        }
        assert_eq!(error(507, "The storage is full", Does::Writes), Error::Full);
        let quota = "The namespace is full (max 3 entries)";
        for status in [409, 507] {
            assert_eq!(error(status, quota, Does::Writes), Error::Quota(quota.into()));
        }
        assert_eq!(error(409, &Error::Uncertain.to_string(), Does::Writes), Error::Uncertain);
        assert_eq!(error(413, &Error::TooBig.to_string(), Does::Writes), Error::TooBig);
        assert_eq!(error(400, "The storage failed", Does::Writes), Error::Database("The storage failed".into()));
        let mismatch = "Failed to perform 'sum' mutation on a non-U64 value in the database";
        assert_eq!(error(400, mismatch, Does::Writes), Error::TypeMismatch(mismatch.into()));
        assert_eq!(error(400, &Error::SumOutOfRange.to_string(), Does::Writes), Error::SumOutOfRange);
    }

    #[test]
    fn a_server_of_ours_names_them() {
        let failed =
            |status, code, words| refused(StatusCode::from_u16(status).unwrap(), Some(code), words, Does::Writes);
        let unique = "The index `mail` is unique";
        assert_eq!(failed(409, "unique", unique).error, Error::Unique(unique.into()));
        let problem = r#"{"error":"There is no search index of [\"a\"]","code":"not_found"}"#;
        assert_eq!(
            failed(404, "no_index", problem).error,
            Error::NoIndex("There is no search index of [\"a\"]".into())
        );
        // A code that is none of an error's goes with what the status means.
        let other = failed(404, "no_dead_letter", "Message not found in DLQ");
        assert!(other.code.as_deref() == Some("no_dead_letter") && matches!(other.error, Error::Invalid(_)));
        // What may have happened stays uncertain, whatever a server calls it.
        assert_eq!(failed(500, "invalid", "").error, Error::Uncertain);
    }

    #[test]
    fn a_write_is_made_again_only_if_it_cannot_have_happened() {
        let again = |status, words| refused(StatusCode::from_u16(status).unwrap(), None, words, Does::Writes).again;
        assert!(again(503, "The storage cannot be reached") && again(429, ""));
        assert!(!again(503, "upstream connect error") && !again(502, "") && !again(500, "The storage failed"));
        assert_eq!(error(502, "", Does::Writes), Error::Uncertain);
        assert_eq!(error(500, &Error::Uncertain.to_string(), Does::Writes), Error::Uncertain);
        assert!(matches!(error(502, "", Does::Reads), Error::Unavailable(_)));
    }
}
