//! What a plan of ours refuses, through a database that carries only a kind and words.

use crate::{Error, Exceeded, What};

/// An error that a plan of ours failed with comes back as it was.
pub(super) fn own(error: buntime_database::Error) -> Error {
    match error.kind() {
        buntime_database::ErrorKind::Expectation => Refusal::read(error.detail()).unwrap_or_else(|| error.into()),
        _ => error.into(),
    }
}

/// Errors of ours inside the database's, which carries only a kind and words.
pub(super) struct Refusal;

impl Refusal {
    const MISMATCH: &'static str = "keyval type mismatch: ";
    const REFUSED: &'static str = "keyval refused: ";
    const RANGE: &'static str = "keyval sum out of range";
    const VALUE: &'static str = "keyval invalid value: ";
    const QUOTA: &'static str = "keyval quota: ";
    const UNIQUE: &'static str = "keyval unique: ";
    const LARGE: &'static str = "keyval value limit: ";
    const MANY: &'static str = "keyval entries limit: ";

    pub(super) fn write(error: Error) -> buntime_database::Error {
        let words = match error {
            Error::TypeMismatch(words) => format!("{}{words}", Self::MISMATCH),
            Error::Refused(words) => format!("{}{words}", Self::REFUSED),
            Error::InvalidValue(words) => format!("{}{words}", Self::VALUE),
            Error::Quota(words) => format!("{}{words}", Self::QUOTA),
            Error::Unique(words) => format!("{}{words}", Self::UNIQUE),
            Error::SumOutOfRange => Self::RANGE.to_owned(),
            Error::Limit(Exceeded { what: What::Value, most }) => format!("{}{most}", Self::LARGE),
            Error::Limit(Exceeded { what: What::Entries, most }) => format!("{}{most}", Self::MANY),
            other => return buntime_database::Error::new(buntime_database::ErrorKind::Other, other.to_string()),
        };
        buntime_database::Error::new(buntime_database::ErrorKind::Expectation, words)
    }

    fn read(words: &str) -> Option<Error> {
        let rest = |prefix| words.strip_prefix(prefix).map(|rest: &str| rest.to_owned().into());
        if words == Self::RANGE {
            return Some(Error::SumOutOfRange);
        }
        let limit = |prefix, what| words.strip_prefix(prefix)?.parse().ok().map(|most| Exceeded { what, most });
        if let Some(exceeded) = limit(Self::LARGE, What::Value).or_else(|| limit(Self::MANY, What::Entries)) {
            return Some(Error::Limit(exceeded));
        }
        rest(Self::MISMATCH)
            .map(Error::TypeMismatch)
            .or_else(|| rest(Self::REFUSED).map(Error::Refused))
            .or_else(|| rest(Self::VALUE).map(Error::InvalidValue))
            .or_else(|| rest(Self::QUOTA).map(Error::Quota))
            .or_else(|| rest(Self::UNIQUE).map(Error::Unique))
    }
}
