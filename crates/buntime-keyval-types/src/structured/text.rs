//! JavaScript's strings.

/// A string of UTF-16 units, as UTF-8 if it can be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Text {
    /// Whole characters.
    Utf8(String),
    /// With a lone surrogate at least.
    Utf16(Vec<u16>),
}

impl Text {
    /// Of these units.
    pub fn from_units(units: Vec<u16>) -> Self {
        match String::from_utf16(&units) {
            Ok(text) => Self::Utf8(text),
            Err(_) => Self::Utf16(units),
        }
    }

    /// If it is whole characters.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Utf8(text) => Some(text),
            Self::Utf16(_) => None,
        }
    }

    /// Its units.
    pub fn units(&self) -> Vec<u16> {
        match self {
            Self::Utf8(text) => text.encode_utf16().collect(),
            Self::Utf16(units) => units.clone(),
        }
    }

    /// The number it is as an array's index, if it is one in its only form.
    pub(super) fn index(&self) -> Option<u32> {
        self.as_str().and_then(index)
    }
}

/// As [`Text::index`].
pub(super) fn index(text: &str) -> Option<u32> {
    let canonical = text == "0" || text.starts_with(|c| matches!(c, '1'..='9'));
    if !canonical || text.len() > 10 {
        return None;
    }
    text.parse().ok().filter(|index| *index < u32::MAX)
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Utf8(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Utf8(text)
    }
}
