//! Addresses that the operator wrote in the configuration.

use std::fmt;

use crate::{refused::Refused, target::Target, url_text};

/// An origin (scheme, host, port) of the operator's own: calls to it are not judged, wherever it is, loopback included.
///
/// Never make one of what a request, a token, an answer or a redirect says. It vouches for the origin as written and
/// nothing else: a redirect from there to another origin is judged like any other.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustedOrigin(Target);

impl TrustedOrigin {
    /// The origin of a URL from the configuration; its path and query are not looked at.
    ///
    /// # Errors
    /// It is no http or https URL that every parser reads in the same way.
    pub fn new(url: &str) -> Result<Self, Refused> {
        let mut target = url_text::read(url)?;
        target.url.set_path("/");
        target.url.set_query(None);
        Ok(Self(target))
    }

    /// Does it vouch for that URL?
    pub(crate) fn covers(&self, target: &Target) -> bool {
        self.0.same_origin(target)
    }
}

impl fmt::Debug for TrustedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedOrigin({})", self.0.origin())
    }
}
