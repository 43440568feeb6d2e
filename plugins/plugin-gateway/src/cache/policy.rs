//! What RFC 9111 says of a message, for a shared cache: may it be stored, how long is it fresh, how old is it, may it be
//! given to this request. Pure: no clock, no store.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::control::{Control, seconds};
use crate::config::SetCookie;

/// A heuristic lifetime is no longer.
const LONGEST_HEURISTIC: Duration = Duration::from_secs(86_400);
/// An answer that names more fields in `Vary` is not stored.
const MOST_VARYING: usize = 16;

/// What the settings say of lifetimes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) ttl: Duration,
    pub(crate) heuristic: bool,
    pub(crate) set_cookie: SetCookie,
    pub(crate) request_directives: bool,
    pub(crate) surrogate: bool,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
}

/// What matters of the request an answer was given to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asker {
    /// Somebody in particular asked, and is not told apart by the key.
    pub(crate) authorized: bool,
    /// With cookies.
    pub(crate) cookie: bool,
    /// It said `no-store`, and that is heeded.
    pub(crate) no_store: bool,
}

/// How long a stored answer may be used, and for whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Life {
    /// How long it is fresh, from its making.
    pub(crate) lifetime: Duration,
    /// How old it was when it came.
    pub(crate) initial_age: Duration,
    /// It must be validated each time.
    pub(crate) no_cache: bool,
    /// It must not be served stale because a request says so.
    pub(crate) must_revalidate: bool,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    /// It may be given to who is signed in.
    pub(crate) for_authorized: bool,
    /// It said itself how long it lives.
    pub(crate) explicit: bool,
}

/// What comes of judging an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judged {
    pub(crate) life: Life,
    /// Fields that are not to be stored.
    pub(crate) without: Vec<HeaderName>,
}

impl Life {
    /// How old it is, so long after it came.
    pub(crate) fn age(&self, resident: Duration) -> Duration {
        self.initial_age + resident
    }

    /// May it be used as it is, that old?
    pub(crate) fn is_fresh(&self, age: Duration) -> bool {
        !self.no_cache && age < self.lifetime
    }

    /// May it be used while a new one is fetched?
    pub(crate) fn may_be_served_meanwhile(&self, age: Duration) -> bool {
        !self.no_cache && age < self.lifetime.saturating_add(self.stale_while_revalidate)
    }

    /// May it be used instead of an error?
    pub(crate) fn may_replace_an_error(&self, age: Duration) -> bool {
        !self.no_cache && age < self.lifetime.saturating_add(self.stale_if_error)
    }

    /// How long it is of any use without validation.
    pub(crate) fn longest(&self) -> Duration {
        self.lifetime.saturating_add(self.stale_while_revalidate.max(self.stale_if_error))
    }
}

/// Is that status cacheable though nothing is said (RFC 9110, 15.1)? Partial content is not for us.
fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Names that concern one connection, or are made anew for each answer.
fn is_never_stored(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "age"
            | "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "x-cache"
            | "x-request-id"
    )
}

/// Judges an answer to a GET: `None`, it must not be stored. `delay` is how long it took, `now` when it came.
pub(crate) fn judge(
    asker: Asker,
    status: StatusCode,
    headers: &HeaderMap,
    rules: &Rules,
    delay: Duration,
    now: SystemTime,
) -> Option<Judged> {
    let surrogate = if rules.surrogate { Control::of_surrogate(headers) } else { None };
    let targeted = surrogate.is_some();
    let control = surrogate.unwrap_or_else(|| Control::of(headers));
    let understood = status.canonical_reason().is_some();
    let no_store = control.no_store && !(control.must_understand && understood);
    if asker.no_store || no_store || control.private || (control.must_understand && !understood) {
        return None;
    }
    if status.is_informational() || matches!(status.as_u16(), 206 | 304) || varies_too_much(headers) {
        return None;
    }
    if headers.contains_key(header::SET_COOKIE) && rules.set_cookie == SetCookie::Refuse {
        return None;
    }
    let for_authorized = control.public || control.s_maxage.is_some() || control.must_revalidate;
    if asker.authorized && !for_authorized {
        return None;
    }
    let date = date_of(headers, header::DATE).unwrap_or(now);
    let explicit = explicit_lifetime(&control, targeted, headers, date);
    // What says nothing may be meant for whoever sent the cookie.
    if explicit.is_none() && asker.cookie {
        return None;
    }
    let may_guess = control.public || is_heuristic(status);
    if explicit.is_none() && !control.no_cache && !may_guess {
        return None;
    }
    let guessed = || if may_guess { guess(rules, headers, date) } else { Duration::ZERO };
    let lifetime = explicit.unwrap_or_else(guessed);
    let forbids_stale = control.must_revalidate || control.proxy_revalidate;
    // A configured grace is for those that say nothing of it, RFC 5861's own words are heeded beside `s-maxage`.
    let quiet = !forbids_stale && control.s_maxage.is_none();
    let grace = |said: Option<u64>, configured: Duration| match said {
        _ if forbids_stale => Duration::ZERO,
        Some(seconds) => Duration::from_secs(seconds),
        None if quiet => configured,
        None => Duration::ZERO,
    };
    let life = Life {
        lifetime,
        initial_age: initial_age(headers, date, delay, now).unwrap_or(lifetime),
        no_cache: control.no_cache,
        must_revalidate: forbids_stale || control.s_maxage.is_some(),
        stale_while_revalidate: grace(control.stale_while_revalidate, rules.stale_while_revalidate),
        stale_if_error: grace(control.stale_if_error, rules.stale_if_error),
        for_authorized,
        explicit: explicit.is_some(),
    };
    let validator = headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
    let is_of_use = !control.no_cache && life.initial_age < life.longest();
    (validator || is_of_use).then(|| Judged { life, without: without(&control, headers, rules) })
}

/// How long it says it lives.
fn explicit_lifetime(control: &Control, targeted: bool, headers: &HeaderMap, date: SystemTime) -> Option<Duration> {
    if let Some(seconds) = control.s_maxage.or(control.max_age) {
        return Some(Duration::from_secs(seconds));
    }
    // What a surrogate is told replaces the rest.
    if targeted || !headers.contains_key(header::EXPIRES) {
        return None;
    }
    // Not a date, or several: in the past (RFC 9111, 5.3).
    let expires = date_of(headers, header::EXPIRES);
    Some(expires.and_then(|at| at.duration_since(date).ok()).unwrap_or_default())
}

fn guess(rules: &Rules, headers: &HeaderMap, date: SystemTime) -> Duration {
    let modified = date_of(headers, header::LAST_MODIFIED).filter(|_| rules.heuristic);
    match modified.and_then(|modified| date.duration_since(modified).ok()) {
        Some(unchanged) => (unchanged / 10).min(LONGEST_HEURISTIC),
        None => rules.ttl,
    }
}

/// How old it was when it came (RFC 9111, 4.2.3); `None` if its age cannot be told.
fn initial_age(headers: &HeaderMap, date: SystemTime, delay: Duration, now: SystemTime) -> Option<Duration> {
    let apparent = now.duration_since(date).unwrap_or_default();
    // Dates have whole seconds: a part of one is no age.
    let apparent = Duration::from_secs(apparent.as_secs());
    Some(apparent.max(said_age(headers)? + delay))
}

/// The age it says; `None` if it is none. A list written in one piece is read as its first member. Lines or members that
/// somebody on the way has joined (`0, 0`) tell of caches that disagree: stale, to be safe.
fn said_age(headers: &HeaderMap) -> Option<Duration> {
    let mut lines = headers.get_all(header::AGE).iter();
    let Some(line) = lines.next() else { return Some(Duration::ZERO) };
    if lines.next().is_some() {
        return None;
    }
    let mut members = line.as_bytes().split(|byte| *byte == b',');
    let first = members.next().and_then(seconds)?;
    let joined = members.any(|member| member.first().is_none_or(u8::is_ascii_whitespace));
    (!joined).then(|| Duration::from_secs(first))
}

/// A date field that stands there once and is a date.
pub(crate) fn date_of(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let only = lines.next().filter(|_| lines.next().is_none())?;
    httpdate::parse_http_date(only.to_str().ok()?).ok()
}

fn varies_too_much(headers: &HeaderMap) -> bool {
    let mut count = 0;
    for line in headers.get_all(header::VARY) {
        for word in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if word == b"*" || (!word.is_empty() && HeaderName::from_bytes(word).is_err()) {
                return true;
            }
            count += 1;
        }
    }
    count > MOST_VARYING
}

/// The fields `Vary` names, each once, in order of their names.
pub(crate) fn varying(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(header::VARY).iter().map(HeaderValue::as_bytes);
    let words = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut names: Vec<HeaderName> = words.filter_map(|word| HeaderName::from_bytes(word).ok()).collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

fn without(control: &Control, headers: &HeaderMap, rules: &Rules) -> Vec<HeaderName> {
    let mut names = control.fields.clone();
    if rules.set_cookie != SetCookie::Store {
        names.push(header::SET_COOKIE);
    }
    names.extend(headers.keys().filter(|name| is_never_stored(name)).cloned());
    names
}

/// Puts the fields of a 304 into what is stored (RFC 9111, 3.2). What describes the stored body stays.
pub(crate) fn freshen(stored: &mut HeaderMap, new: &HeaderMap) {
    let describes = [
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::ETAG,
        HeaderName::from_static("content-md5"),
    ];
    let updates = |name: &&HeaderName| !describes.contains(name) && !is_never_stored(name);
    for name in new.keys().filter(updates) {
        stored.remove(name);
        for value in new.get_all(name) {
            stored.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_000_000_000;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn at(delta: i64) -> String {
        httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.saturating_add_signed(delta)))
    }

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn life(asker: Asker, status: u16, fields: &[(&str, &str)], rules: &Rules) -> Option<Life> {
        let status = StatusCode::from_u16(status).unwrap();
        judge(asker, status, &map(fields), rules, Duration::ZERO, now()).map(|judged| judged.life)
    }

    fn lifetime(fields: &[(&str, &str)]) -> Option<u64> {
        life(Asker::default(), 200, fields, &Rules::default()).map(|life| life.lifetime.as_secs())
    }

    #[test]
    fn the_shared_lifetime_wins_then_max_age_then_expires() {
        let (date, expires) = (at(0), at(30));
        let all = [("date", &*date), ("expires", &*expires), ("cache-control", "max-age=20, s-maxage=10")];
        assert_eq!(lifetime(&all), Some(10));
        assert_eq!(lifetime(&[all[0], all[1], ("cache-control", "max-age=20")]), Some(20));
        assert_eq!(lifetime(&all[..2]), Some(30));
        assert_eq!(lifetime(&[("date", "foo"), ("expires", &expires)]), Some(30));
        assert_eq!(lifetime(&[("expires", "0"), ("etag", "x")]), Some(0));
        assert_eq!(lifetime(&[("expires", &expires), ("expires", &expires), ("etag", "x")]), Some(0));
    }

    #[test]
    fn what_must_not_be_stored_is_not() {
        let fresh = ("cache-control", "max-age=60");
        for fields in [
            &[("cache-control", "max-age=60, no-store")][..],
            &[("cache-control", "max-age=60, private")],
            &[fresh, ("vary", "accept, *")],
            &[fresh, ("vary", "a b")],
            &[fresh, ("set-cookie", "a=b")],
            &[("etag", "x"), ("cache-control", "private")],
            &[("cache-control", "no-cache")],
            &[],
        ] {
            assert_eq!(life(Asker::default(), 200, fields, &Rules::default()), None, "{fields:?}");
        }
        for status in [206, 304, 101] {
            assert_eq!(life(Asker::default(), status, &[fresh], &Rules::default()), None, "{status}");
        }
        let understand = [("cache-control", "max-age=60, no-store, must-understand")];
        assert!(life(Asker::default(), 200, &understand, &Rules::default()).is_some());
        assert!(life(Asker::default(), 599, &understand, &Rules::default()).is_none());
        assert!(life(Asker::default(), 599, &[fresh], &Rules::default()).is_some());
    }

    #[test]
    fn answers_to_somebody_are_stored_only_if_they_say_so() {
        let somebody = Asker { authorized: true, ..Asker::default() };
        for (control, stored) in [
            ("max-age=60", false),
            ("max-age=60, public", true),
            ("s-maxage=60", true),
            ("max-age=60, must-revalidate", true),
        ] {
            let life = life(somebody, 200, &[("cache-control", control)], &Rules::default());
            assert_eq!(life.is_some_and(|life| life.for_authorized), stored, "{control}");
        }
        let rules = Rules { ttl: Duration::from_secs(9), ..Rules::default() };
        let cookie = Asker { cookie: true, ..Asker::default() };
        assert!(life(Asker::default(), 200, &[], &rules).is_some());
        assert!(life(cookie, 200, &[], &rules).is_none());
        assert!(life(cookie, 200, &[("cache-control", "max-age=1")], &rules).is_some());
    }

    #[test]
    fn ages_are_read_once_and_strictly() {
        let age = |lines: &[&str]| {
            let fields: Vec<_> = lines.iter().map(|line| ("age", *line)).collect();
            said_age(&map(&fields)).map(|age| age.as_secs())
        };
        assert_eq!((age(&[]), age(&["7"]), age(&["0,7200"])), (Some(0), Some(7), Some(0)));
        for lines in [&["0", "0"][..], &["0", "7200"], &["0, 0"], &["x"], &["-1"], &["7.0"], &["7;a=b"], &[""]] {
            assert_eq!(age(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn a_lifetime_may_be_guessed_if_configured() {
        let modified = at(-1000);
        let fields = [("last-modified", &*modified)];
        let heuristic = Rules { heuristic: true, ..Rules::default() };
        let of = |status, rules: &Rules| life(Asker::default(), status, &fields, rules).map(|l| l.lifetime.as_secs());
        assert_eq!((of(200, &heuristic), of(404, &heuristic)), (Some(100), Some(100)));
        assert_eq!((of(201, &heuristic), of(503, &heuristic)), (None, None));
        assert_eq!(of(200, &Rules::default()), Some(0), "only to be validated");
    }

    #[test]
    fn stale_answers_are_for_those_that_allow_it() {
        let rules = Rules { stale_if_error: Duration::from_secs(60), ..Rules::default() };
        let sie = |control| {
            life(Asker::default(), 200, &[("cache-control", control)], &rules).unwrap().stale_if_error.as_secs()
        };
        assert_eq!((sie("max-age=1"), sie("max-age=1, stale-if-error=5"), sie("s-maxage=1")), (60, 5, 0));
        assert_eq!((sie("max-age=1, must-revalidate, stale-if-error=5"), sie("max-age=1, proxy-revalidate")), (0, 0));
    }

    #[test]
    fn a_304_updates_what_does_not_describe_the_body() {
        let mut stored = map(&[("etag", "a"), ("content-length", "3"), ("x", "1"), ("x", "2"), ("y", "1")]);
        freshen(&mut stored, &map(&[("etag", "b"), ("content-length", "0"), ("x", "3"), ("connection", "z")]));
        assert_eq!(stored, map(&[("etag", "a"), ("content-length", "3"), ("y", "1"), ("x", "3")]));
    }

    fn words() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec![
            "no-store",
            "private",
            "public",
            "max-age=9",
            "s-maxage=9",
            "no-cache",
            "must-revalidate",
            "max-age=x",
            "stale-if-error=9",
            "private=\"a\"",
            "must-understand",
            "x=\"no-store\"",
        ]);
        prop::collection::vec(words, 0..5).prop_map(|words| words.join(", "))
    }

    proptest! {
        #[test]
        fn nobodys_secrets_are_stored(
            control in words(), status in 100_u16..600, authorized: bool, cookie: bool, heuristic: bool, ttl in 0_u64..9,
            etag: bool, set_cookie: bool,
        ) {
            let mut fields = vec![("cache-control", control.as_str())];
            if etag { fields.push(("etag", "\"x\"")); }
            if set_cookie { fields.push(("set-cookie", "a=b")); }
            let rules = Rules { heuristic, ttl: Duration::from_secs(ttl), ..Rules::default() };
            let asker = Asker { authorized, cookie, no_store: false };
            if let Some(life) = life(asker, status, &fields, &rules) {
                let said = Control::of(&map(&fields));
                prop_assert!(!said.private && !set_cookie);
                prop_assert!(!said.no_store || said.must_understand);
                prop_assert!(!authorized || said.public || said.s_maxage.is_some() || said.must_revalidate);
                prop_assert!(!cookie || life.explicit);
                prop_assert!(status >= 200 && status != 206 && status != 304);
                prop_assert!(!said.no_cache || etag);
            }
        }

        #[test]
        fn fresh_things_only_become_stale(lifetime in 0_u64..100, initial in 0_u64..100, first in 0_u64..100, more in 0_u64..100) {
            let life = Life {
                lifetime: Duration::from_secs(lifetime), initial_age: Duration::from_secs(initial), ..Life::default()
            };
            let is_fresh = |resident| life.is_fresh(life.age(Duration::from_secs(resident)));
            prop_assert!(is_fresh(first) || !is_fresh(first + more));
        }
    }
}
