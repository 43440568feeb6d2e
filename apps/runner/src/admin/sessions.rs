//! Sign-in sessions of browsers. In memory only: a restart, or another admin token, ends them all.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, header};

use super::token::{TokenHash, random};

/// How long a session lasts.
pub(crate) const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// The cookie's name.
pub(crate) const COOKIE: &str = "buntime_session";
/// Past it the oldest session ends.
const MOST: usize = 256;

struct Session {
    id: TokenHash,
    /// The token it was opened with.
    token: TokenHash,
    ends: Instant,
}

/// Every open session, the oldest first.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Vec<Session>>);

impl Sessions {
    /// Opens one; returns its secret id.
    pub(crate) fn open(&self, token: TokenHash, now: Instant) -> Option<String> {
        let id = random()?;
        let mut open = self.lock();
        open.retain(|session| session.ends > now);
        if open.len() >= MOST {
            open.remove(0);
        }
        open.push(Session { id: TokenHash::of(&id), token, ends: now + LIFETIME });
        Some(id)
    }

    /// Is there such a session, opened with that token?
    pub(crate) fn is_open(&self, id: &str, token: TokenHash, now: Instant) -> bool {
        let id = TokenHash::of(id);
        self.lock().iter().any(|session| session.id == id && session.token == token && session.ends > now)
    }

    /// Ends one.
    pub(crate) fn end(&self, id: &str) {
        let id = TokenHash::of(id);
        self.lock().retain(|session| session.id != id);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session id a request carries.
pub(crate) fn id_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

/// Takes the session cookie off a request that goes elsewhere: services must not see it.
pub(crate) fn hide(headers: &mut HeaderMap) {
    if id_of(headers).is_none() {
        return;
    }
    let is_ours = |pair: &str| pair.trim().split_once('=').is_some_and(|(name, _)| name == COOKIE);
    let lines: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| {
            let Ok(line) = value.to_str() else { return Some(value.clone()) };
            let kept: Vec<&str> = line.split(';').filter(|pair| !is_ours(pair)).map(str::trim).collect();
            kept.join("; ").try_into().ok().filter(|_| !kept.is_empty())
        })
        .collect();
    headers.remove(header::COOKIE);
    for line in lines {
        headers.append(header::COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn sessions_end_by_time_by_hand_and_with_their_token() {
        let (sessions, now, token) = (Sessions::default(), Instant::now(), TokenHash::of("t"));
        let id = sessions.open(token, now).unwrap();
        assert!(sessions.is_open(&id, token, now));
        assert!(!sessions.is_open(&id, TokenHash::of("other"), now));
        assert!(!sessions.is_open(&id, token, now + LIFETIME));
        assert!(!sessions.is_open("guess", token, now));
        sessions.end(&id);
        assert!(!sessions.is_open(&id, token, now));
    }

    #[test]
    fn their_number_is_bounded() {
        let (sessions, now, token) = (Sessions::default(), Instant::now(), TokenHash::of("t"));
        let first = sessions.open(token, now).unwrap();
        let last = (0..MOST).filter_map(|_| sessions.open(token, now)).last().unwrap();
        assert!(!sessions.is_open(&first, token, now) && sessions.is_open(&last, token, now));
    }

    #[test]
    fn the_cookie_is_found_and_hidden() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; buntime_session=secret; b=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("buntime_session=other"));
        assert_eq!(id_of(&headers), Some("secret"));
        hide(&mut headers);
        let left: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(left, ["a=1; b=2"]);
    }
}
