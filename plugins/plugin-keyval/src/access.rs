//! Who may use the store.

use std::{fmt, sync::Arc};

use buntime_http::client_address::DirectLocal;
use http::{Extensions, HeaderMap, header};
use subtle::{Choice, ConstantTimeEq};

/// What opens it.
#[derive(Clone)]
pub(crate) enum Access {
    /// One of these; without any, being on this machine does.
    Tokens(Arc<[String]>),
    /// Whoever comes was let in already.
    Judged,
}

/// Why somebody may not, in words for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoToken,
    WrongToken,
    NotLocal,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens(tokens) => f.debug_tuple("Tokens").field(&tokens.len()).finish(),
            Self::Judged => f.write_str("Judged"),
        }
    }
}

impl Refusal {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NoToken => "An access token is required: send it as Authorization: Bearer",
            Self::WrongToken => "This is not one of the access tokens",
            Self::NotLocal => {
                "No access tokens are configured, so only direct connections from the same machine are let in; \
                 set accessTokens of plugin-keyval"
            }
        }
    }
}

impl Access {
    pub(crate) fn new(tokens: Vec<String>) -> Self {
        Self::Tokens(tokens.into())
    }

    /// May they? The token they show, which may be any where none is configured.
    pub(crate) fn judge<'a>(&self, headers: &'a HeaderMap, extensions: &Extensions) -> Result<&'a str, Refusal> {
        let token = bearer(headers).ok_or(Refusal::NoToken)?;
        let Self::Tokens(tokens) = self else { return Ok(token) };
        if tokens.is_empty() {
            return if extensions.get::<DirectLocal>().is_some() { Ok(token) } else { Err(Refusal::NotLocal) };
        }
        // All of them, whichever it is: time tells nothing.
        let known = tokens.iter().fold(Choice::from(0), |known, one| known | one.as_bytes().ct_eq(token.as_bytes()));
        if known.into() { Ok(token) } else { Err(Refusal::WrongToken) }
    }

    /// May they, if nobody has to show a token where none is configured?
    pub(crate) fn admit(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<(), Refusal> {
        match self {
            Self::Judged => Ok(()),
            Self::Tokens(tokens) if !tokens.is_empty() => self.judge(headers, extensions).map(drop),
            Self::Tokens(_) if extensions.get::<DirectLocal>().is_some() => Ok(()),
            Self::Tokens(_) => Err(Refusal::NotLocal),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(tokens: &[&str], shown: Option<&'static str>, local: bool) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(shown) = shown {
            headers.insert(header::AUTHORIZATION, http::HeaderValue::from_static(shown));
        }
        let mut extensions = Extensions::new();
        if local {
            extensions.insert(DirectLocal);
        }
        let tokens = tokens.iter().map(ToString::to_string).collect();
        Access::new(tokens).judge(&headers, &extensions).map(drop)
    }

    #[test]
    fn with_tokens_one_of_them_without_being_here() {
        assert_eq!(judge(&["aaaa", "bbbb"], Some("Bearer bbbb"), false), Ok(()));
        assert_eq!(judge(&["aaaa", "bbbb"], Some("Bearer bbb"), true), Err(Refusal::WrongToken));
        assert_eq!(judge(&["aaaa"], None, true), Err(Refusal::NoToken));
        assert_eq!(judge(&[], Some("bearer anything"), true), Ok(()));
        assert_eq!(judge(&[], Some("Bearer anything"), false), Err(Refusal::NotLocal));
        assert_eq!(judge(&[], Some("Basic anything"), true), Err(Refusal::NoToken));
    }
}
