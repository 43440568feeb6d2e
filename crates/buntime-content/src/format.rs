//! The formats a body can be read and written in.

use buntime_http::media;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::{form, json, xml};

/// A format of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json` and `*+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/xml`, `text/xml` and `*+xml`.
    Xml,
}

impl Format {
    /// The format of a body with those headers; `None` when it says nothing, or something else.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = media::content_type(headers)?;
        if media::is_json(kind) {
            Some(Self::Json)
        } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Some(Self::Form)
        } else {
            is_xml(kind).then_some(Self::Xml)
        }
    }

    /// Reads a whole body; `depth` is how many levels may be in one another, 100 at the most.
    ///
    /// # Errors
    /// What is wrong and where, in words that repeat nothing of the body.
    pub fn read(self, body: &[u8], depth: u8) -> Result<Value, String> {
        match self {
            Self::Json => json::read(body, depth),
            Self::Form => form::read(body),
            Self::Xml => xml::read(body, depth),
        }
    }

    /// Writes a document. `root` is the name of the root element for XML, where the document does not have one.
    ///
    /// # Errors
    /// What the format cannot say, with its place as a JSON Pointer.
    pub fn write(self, document: &Value, root: Option<&str>) -> Result<Vec<u8>, String> {
        match self {
            Self::Json => Ok(document.to_string().into_bytes()),
            Self::Form => form::write(document).map(String::into_bytes),
            Self::Xml => xml::write(document, root).map(String::into_bytes),
        }
    }

    /// What a body in this format is called.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Xml => "application/xml; charset=utf-8",
        })
    }
}

/// Is it `application/xml`, `text/xml`, or `*+xml`?
fn is_xml(kind: &str) -> bool {
    let sub = kind.split_once('/').map_or("", |(_, sub)| sub);
    let end = sub.len().checked_sub(4).and_then(|from| sub.get(from..));
    sub.eq_ignore_ascii_case("xml") || end.is_some_and(|end| end.eq_ignore_ascii_case("+xml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    #[test]
    fn formats_are_told_by_their_types() {
        for (kind, format) in [
            ("application/json", Some(Format::Json)),
            ("application/problem+JSON; charset=utf-8", Some(Format::Json)),
            ("application/x-www-form-urlencoded;charset=UTF-8", Some(Format::Form)),
            ("text/xml", Some(Format::Xml)),
            ("application/soap+xml", Some(Format::Xml)),
            ("text/event-stream", None),
            ("multipart/form-data; boundary=x", None),
            ("xml", None),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(Format::of(&headers), format, "{kind}");
        }
        assert_eq!(Format::of(&HeaderMap::new()), None);
    }
}
