//! The fields that indexes are of.

use std::sync::Arc;

use crate::{Error, Path, Result, structured::Structured};

/// The way to a field, and how it is written. Where there is a list and no number, it is the way to the same in each element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath {
    text: Arc<str>,
    path: Path,
}

/// Characters of a path.
const LONGEST: usize = 256;

impl FieldPath {
    /// # Errors
    /// [`Error::Invalid`] for what is no path, and for one with signs that nobody sees.
    pub(crate) fn new(text: &str) -> Result<Self> {
        if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            return Err(Error::Invalid(format!("A field is named by up to {LONGEST} visible characters").into()));
        }
        Ok(Self { text: text.into(), path: Path::parse(text)? })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Calls `found` with each value that is there: of a list at the end each element.
    pub(crate) fn visit<'a>(&self, value: &'a Structured, found: &mut impl FnMut(&'a Structured)) {
        self.path.each(value, found);
    }
}
