//! What an answer that is no message means.

use std::borrow::Cow;

use http::StatusCode;

use super::exchange::Does;
use crate::{Error, Exceeded, What};

/// A call that failed, and whether it may be made again.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) again: bool,
    /// What is known of where the data is may be wrong.
    pub(super) lost: bool,
}

impl Failed {
    pub(super) fn never(error: Error) -> Self {
        Self { error, again: false, lost: false }
    }

    /// It cannot have happened.
    pub(super) fn harmless(why: impl Into<Cow<'static, str>>) -> Self {
        Self { error: Error::Unavailable(why.into()), again: true, lost: false }
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

/// The store's own words for errors that have no other.
fn is(words: &str, error: &Error) -> bool {
    words == error.to_string()
}

/// An answer with another status than 200. Its words are plain, or those of a problem in JSON.
pub(super) fn refused(status: StatusCode, body: &str, does: Does) -> Failed {
    let problem: Option<serde_json::Value> = body.starts_with('{').then(|| serde_json::from_str(body).ok()).flatten();
    let said = problem.as_ref().and_then(|problem| problem.get("error").and_then(serde_json::Value::as_str));
    let words = said.unwrap_or(body);
    let own = || Cow::Owned(words.chars().take(500).collect::<String>());
    let unavailable = Error::Unavailable(Cow::Borrowed(""));
    match status.as_u16() {
        // Of another database than the metadata said.
        400 if words.starts_with("This is another database") => {
            Failed { error: Error::Unavailable(own()), again: true, lost: true }
        }
        401 | 403 => Failed { error: Error::Denied(own()), again: false, lost: true },
        404 | 405 => Failed::never(Error::Invalid(format!("There is no store at this URL ({status})").into())),
        409 => Failed::never(Error::Refused(own())),
        413 => Failed::never(limit(words).map_or_else(|| Error::Refused(own()), Error::Limit)),
        507 if is(words, &Error::Full) => Failed::never(Error::Full),
        507 => Failed::never(Error::Quota(own())),
        400..=499 if status == StatusCode::TOO_MANY_REQUESTS => Failed::harmless("the server has too much to do (429)"),
        400..=499 if is(words, &Error::SumOutOfRange) => Failed::never(Error::SumOutOfRange),
        400..=499 if ["Failed to perform '", "Cannot sum "].iter().any(|start| words.starts_with(start)) => {
            Failed::never(Error::TypeMismatch(own()))
        }
        400..=499 => Failed::never(Error::Invalid(own())),
        // Says the store itself, and means that nothing happened.
        503 if is(words, &unavailable) || is(words, &Error::Closed) => Failed::harmless(own()),
        500 if is(words, &Error::Database(Cow::Borrowed(""))) => Failed::never(Error::Database(own())),
        _ => Failed::unanswered(does, format!("the server answers {status}")),
    }
}

/// The limit that these words are of.
fn limit(words: &str) -> Option<Exceeded> {
    let digits: Vec<&str> = words.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).collect();
    let [most] = digits[..] else { return None };
    let most = most.parse().ok()?;
    What::ALL.into_iter().map(|what| Exceeded { what, most }).find(|exceeded| exceeded.to_string() == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, words: &str, does: Does) -> Error {
        refused(StatusCode::from_u16(status).unwrap(), words, does).error
    }

    #[test]
    fn errors_come_back_as_they_were() {
        for what in What::ALL {
            let exceeded = Exceeded { what, most: 2048 };
            assert_eq!(error(413, &exceeded.to_string(), Does::Writes), Error::Limit(exceeded));
        }
        assert_eq!(error(507, "The storage is full", Does::Writes), Error::Full);
        let quota = "The namespace is full (max 3 entries)";
        assert_eq!(error(507, quota, Does::Writes), Error::Quota(quota.into()));
        let mismatch = "Failed to perform 'sum' mutation on a non-U64 value in the database";
        assert_eq!(error(400, mismatch, Does::Writes), Error::TypeMismatch(mismatch.into()));
        assert_eq!(error(400, &Error::SumOutOfRange.to_string(), Does::Writes), Error::SumOutOfRange);
    }

    #[test]
    fn a_write_is_made_again_only_if_it_cannot_have_happened() {
        let again = |status, words| refused(StatusCode::from_u16(status).unwrap(), words, Does::Writes).again;
        assert!(again(503, "The storage cannot be reached") && again(429, ""));
        assert!(!again(503, "upstream connect error") && !again(502, "") && !again(500, "The storage failed"));
        assert_eq!(error(502, "", Does::Writes), Error::Uncertain);
        assert_eq!(error(500, &Error::Uncertain.to_string(), Does::Writes), Error::Uncertain);
        assert!(matches!(error(502, "", Does::Reads), Error::Unavailable(_)));
    }
}
