//! `If-Match` and `If-None-Match`: entity tags are versionstamps.

use axum::extract::FromRequestParts;
use buntime_core::ErrorKind;
use buntime_keyval::Versionstamp;
use http::{HeaderMap, HeaderName, header, request::Parts};

use super::Refused;

/// What a request says must be so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Preconditions {
    matches: Option<Tags>,
    none_matches: Option<Tags>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<Versionstamp>),
}

impl Tags {
    fn has(&self, there: Option<Versionstamp>) -> bool {
        match self {
            Self::Any => there.is_some(),
            Self::These(these) => there.is_some_and(|there| these.contains(&there)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Self::of(&parts.headers)
    }
}

impl Preconditions {
    fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        Ok(Self { matches: tags(headers, &header::IF_MATCH)?, none_matches: tags(headers, &header::IF_NONE_MATCH)? })
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does `If-Match` hold?
    pub(super) fn matches(&self, there: Option<Versionstamp>) -> bool {
        self.matches.as_ref().is_none_or(|tags| tags.has(there))
    }

    /// Does `If-None-Match` hold?
    pub(super) fn none_matches(&self, there: Option<Versionstamp>) -> bool {
        self.none_matches.as_ref().is_none_or(|tags| !tags.has(there))
    }

    /// Do both hold?
    pub(super) fn hold(&self, there: Option<Versionstamp>) -> bool {
        self.matches(there) && self.none_matches(there)
    }

    /// What is said when one does not.
    pub(super) fn failed() -> Refused {
        Refused::new(ErrorKind::PreconditionFailed, "The entry is not the one that If-Match or If-None-Match means")
    }
}

/// Every tag of a header; one that is no versionstamp is that of no entry.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Refused> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let mut these = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| Refused::malformed(format!("{name} is not a list of entity tags")))?;
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if tag == "*" {
                return Ok(Some(Tags::Any));
            }
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            these.extend(tag.trim_matches('"').parse::<Versionstamp>().ok());
        }
    }
    Ok(Some(Tags::These(these)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_versionstamps() {
        let (one, two) = (Versionstamp::new(1), Versionstamp::new(2));
        let of = |name, value: &str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
            Preconditions::of(&headers).unwrap()
        };
        let listed = of(header::IF_MATCH, &format!("\"{one}\", \"x\", W/\"{two}\""));
        assert!(listed.hold(Some(one)) && listed.hold(Some(two)));
        assert!(!listed.hold(Some(Versionstamp::new(3))) && !listed.hold(None));
        let any = of(header::IF_MATCH, "*");
        assert!(any.hold(Some(one)) && !any.hold(None));
        let new = of(header::IF_NONE_MATCH, "*");
        assert!(new.hold(None) && !new.hold(Some(one)));
        // A tag that is nobody's matches nothing.
        assert!(!of(header::IF_MATCH, "\"other\"").hold(Some(one)));
        assert!(of(header::IF_NONE_MATCH, "\"other\"").hold(Some(one)));
        assert!(Preconditions::of(&HeaderMap::new()).unwrap().is_empty());
    }
}
