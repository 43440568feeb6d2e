//! Who may administer: by token, by session, or by being on this machine. And what browsers may be made to do.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use buntime_core::{Error, ErrorKind};
use buntime_http::client_address::ClientAddress;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, uri::Scheme};

use super::{
    attempts::Attempts,
    sessions::{self, Sessions},
    token::TokenHash,
};
use crate::settings::Settings;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No credentials, or an ended session.
    NoToken,
    /// Another token.
    WrongToken,
    /// Too many wrong ones; how many seconds to wait.
    Wait(u64),
    /// No token is configured, and this is not a direct connection from this machine.
    NotLocal,
    /// A browser was told by another site's page to do this.
    CrossOrigin,
}

impl Refusal {
    pub(crate) fn to_error(self) -> Error {
        match self {
            Self::NoToken => Error::new(ErrorKind::Unauthorized)
                .with_detail("The admin token is required: send it as Authorization: Bearer or as X-API-Key"),
            Self::WrongToken => Error::new(ErrorKind::Unauthorized).with_detail("This is not the admin token"),
            Self::Wait(seconds) => Error::new(ErrorKind::RateLimited)
                .with_detail("Too many wrong tokens came from this address; wait before the next")
                .with_retry_after(seconds),
            Self::NotLocal => Error::new(ErrorKind::Forbidden).with_detail(
                "No admin token is configured, so only direct connections from the same machine may administer",
            ),
            Self::CrossOrigin => Error::new(ErrorKind::Forbidden)
                .with_detail("Requests that change something must come from a page of this server"),
        }
    }
}

/// Sessions, wrong tokens, and the judgement.
#[derive(Default)]
pub(crate) struct Guard {
    pub(crate) sessions: Sessions,
    attempts: Attempts,
    told: AtomicBool,
}

impl Guard {
    /// May this request administer?
    pub(crate) fn judge(
        &self,
        settings: &Settings,
        client: &ClientAddress,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let Some(expected) = settings.admin else { return self.judge_local(client, headers) };
        let now = Instant::now();
        if let Some(given) = token_of(headers) {
            return self.judge_token(given, expected, client.ip, now);
        }
        match sessions::id_of(headers) {
            Some(id) if self.sessions.is_open(id, expected, now) => Ok(()),
            _ => Err(Refusal::NoToken),
        }
    }

    /// Is this the token?
    pub(crate) fn judge_token(
        &self,
        given: &str,
        expected: TokenHash,
        client: IpAddr,
        now: Instant,
    ) -> Result<(), Refusal> {
        if let Err(wait) = self.attempts.admit(client, now) {
            return Err(Refusal::Wait(wait.as_secs() + 1));
        }
        if TokenHash::of(given) == expected {
            self.attempts.succeeded(client);
            return Ok(());
        }
        self.attempts.failed(client, now);
        Err(Refusal::WrongToken)
    }

    fn judge_local(&self, client: &ClientAddress, headers: &HeaderMap) -> Result<(), Refusal> {
        if client.is_direct_local(headers) {
            return Ok(());
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                client = %client.ip,
                "somebody was refused the admin API, because no admin token is set and only direct connections from \
                 this machine are let in; to open it, set BUNTIME_ADMIN_TOKEN or `admin.token` to a long random text"
            );
        }
        Err(Refusal::NotLocal)
    }
}

/// May a request that changes something do so? A browser says where a request comes from; what says nothing and has no
/// session is no browser.
pub(crate) fn check_origin(method: &Method, client: &ClientAddress, headers: &HeaderMap) -> Result<(), Refusal> {
    if method.is_safe() {
        return Ok(());
    }
    let allowed = match (headers.get(SEC_FETCH_SITE), headers.get(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => is_own_origin(origin, client),
        (None, None) => sessions::id_of(headers).is_none(),
    };
    if allowed { Ok(()) } else { Err(Refusal::CrossOrigin) }
}

fn is_own_origin(origin: &HeaderValue, client: &ClientAddress) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), client.host.as_ref().map(HeaderValue::to_str)) else {
        return false;
    };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = if client.scheme == Scheme::HTTPS { ":443" } else { ":80" };
    let bare = |authority: &str| authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase();
    scheme.eq_ignore_ascii_case(client.scheme.as_str()) && bare(authority) == bare(host)
}

/// The token a request presents, in either header.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| headers.get(X_API_KEY).and_then(|value| value.to_str().ok()).map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_http::client_address::TrustedProxies;
    use std::time::Duration;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn client(peer: &str, headers: &HeaderMap) -> ClientAddress {
        ClientAddress::of(peer.parse().unwrap(), false, headers, &TrustedProxies::default())
    }

    fn settings(token: Option<&str>) -> Settings {
        Settings {
            max_requests: None,
            trusted: TrustedProxies::default(),
            request_timeout: Duration::from_secs(1),
            admin: token.map(TokenHash::of),
        }
    }

    fn judge(token: Option<&str>, peer: &str, pairs: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let headers = headers(pairs);
        Guard::default().judge(&settings(token), &client(peer, &headers), &headers)
    }

    #[test]
    fn a_token_in_either_header() {
        for pairs in [("authorization", "Bearer t0ken"), ("authorization", "bearer  t0ken"), ("x-api-key", "t0ken")] {
            assert_eq!(judge(Some("t0ken"), "192.0.2.1:1", &[pairs]), Ok(()), "{pairs:?}");
        }
        assert_eq!(judge(Some("t0ken"), "192.0.2.1:1", &[("x-api-key", "t0kem")]), Err(Refusal::WrongToken));
        assert_eq!(judge(Some("t0ken"), "127.0.0.1:1", &[("host", "localhost")]), Err(Refusal::NoToken));
        assert_eq!(judge(Some("t0ken"), "127.0.0.1:1", &[("authorization", "Basic t0ken")]), Err(Refusal::NoToken));
    }

    #[test]
    fn without_a_token_only_this_machine() {
        let local = |peer, pairs: &[_]| judge(None, peer, pairs);
        for host in ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST.", "a.localhost"] {
            assert_eq!(local("127.0.0.1:1", &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(local("[::1]:1", &[("host", "[::1]")]), Ok(()));
        for host in
            ["example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "[::2]", "notlocalhost"]
        {
            assert_eq!(local("127.0.0.1:1", &[("host", host)]), Err(Refusal::NotLocal), "{host}");
        }
        assert_eq!(local("192.0.2.1:1", &[("host", "localhost")]), Err(Refusal::NotLocal));
        for name in ["forwarded", "x-forwarded-for", "x-real-ip", "via", "x-forwarded-host"] {
            assert_eq!(local("127.0.0.1:1", &[("host", "localhost"), (name, "x")]), Err(Refusal::NotLocal), "{name}");
        }
    }

    #[test]
    fn guessing_is_slowed_down_for_the_right_token_too() {
        let (guard, settings) = (Guard::default(), settings(Some("right")));
        let (wrong, right) = (headers(&[("x-api-key", "wrong")]), headers(&[("x-api-key", "right")]));
        let client = client("192.0.2.1:1", &wrong);
        for _ in 0..10 {
            assert_eq!(guard.judge(&settings, &client, &wrong), Err(Refusal::WrongToken));
        }
        assert!(matches!(guard.judge(&settings, &client, &right), Err(Refusal::Wait(1..=2))));
    }

    #[test]
    fn browsers_change_things_from_their_own_pages_only() {
        let check = |method: Method, pairs: &[(&'static str, &'static str)]| {
            let headers = headers(pairs);
            check_origin(&method, &client("192.0.2.1:1", &headers), &headers)
        };
        let host = ("host", "gate.example:8000");
        assert_eq!(check(Method::POST, &[host]), Ok(()), "no browser");
        assert_eq!(check(Method::GET, &[host, ("origin", "http://evil.example")]), Ok(()));
        assert_eq!(check(Method::POST, &[host, ("origin", "http://gate.example:8000")]), Ok(()));
        assert_eq!(check(Method::POST, &[("host", "a"), ("origin", "http://A:80")]), Ok(()));
        assert_eq!(check(Method::POST, &[host, ("sec-fetch-site", "same-origin")]), Ok(()));
        for bad in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "https://gate.example:8000"),
            ("origin", "http://gate.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("cookie", "buntime_session=x"),
        ] {
            assert_eq!(check(Method::DELETE, &[host, bad]), Err(Refusal::CrossOrigin), "{bad:?}");
        }
        let both =
            [host, ("origin", "http://gate.example:8000"), ("x-api-key", "right"), ("sec-fetch-site", "cross-site")];
        assert_eq!(check(Method::PUT, &both), Err(Refusal::CrossOrigin));
    }
}
