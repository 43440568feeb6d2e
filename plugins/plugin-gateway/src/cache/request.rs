//! What a request says that concerns a cache, found in one walk over its fields.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{control::Control, policy::Life};
use std::time::Duration;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// It carries credentials.
    pub(crate) credentials: bool,
    pub(crate) cookie: bool,
    pub(crate) range: bool,
    /// It asks only for what has changed.
    pub(crate) conditional: bool,
    /// It says `Cache-Control`.
    pub(crate) controls: bool,
    /// It is not for a cache: it says something of what it will change, asks for another protocol, brings a body, or has
    /// a field that some upstreams take for another method or path.
    pub(crate) passes: bool,
}

impl Asked {
    /// Looks at a request's fields.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut asked = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "authorization" | "x-api-key" => asked.credentials = true,
                "cookie" => asked.cookie = true,
                "range" => asked.range = true,
                "if-none-match" | "if-modified-since" => asked.conditional = true,
                "cache-control" => asked.controls = true,
                "content-length" => asked.passes |= value.as_bytes() != b"0",
                "if-match"
                | "if-unmodified-since"
                | "upgrade"
                | "transfer-encoding"
                | "expect"
                | "x-http-method-override"
                | "x-http-method"
                | "x-method-override"
                | "x-original-url"
                | "x-rewrite-url" => asked.passes = true,
                _ => {}
            }
        }
        asked
    }
}

/// May a request with these directives be given that, so old?
pub(crate) fn accepts(control: &Control, life: &Life, age: Duration) -> bool {
    let seconds = Duration::from_secs;
    let too_old = |most: u64| most == 0 || age > seconds(most);
    if control.no_cache || control.max_age.is_some_and(too_old) {
        return false;
    }
    if control.min_fresh.is_some_and(|least| life.lifetime.saturating_sub(age) < seconds(least)) {
        return false;
    }
    life.is_fresh(age) || (tolerates_stale(control, life, age) && !life.no_cache)
}

fn tolerates_stale(control: &Control, life: &Life, age: Duration) -> bool {
    let most = control.max_stale.filter(|_| !life.must_revalidate);
    most.is_some_and(|most| most == u64::MAX || age.saturating_sub(life.lifetime) <= Duration::from_secs(most))
}

/// Conditions that are taken off a request when others take their place.
const CONDITIONS: [HeaderName; 4] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE, header::RANGE];

/// Takes the client's conditions off and asks whether what is stored has changed. What was there.
pub(crate) fn ask_for_changes(asked: &mut HeaderMap, stored: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let mut before = Vec::new();
    for name in CONDITIONS {
        before.extend(asked.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
        asked.remove(&name);
    }
    if let Some(etag) = stored.get(header::ETAG) {
        asked.insert(header::IF_NONE_MATCH, etag.clone());
    }
    if let Some(modified) = stored.get(header::LAST_MODIFIED) {
        asked.insert(header::IF_MODIFIED_SINCE, modified.clone());
    }
    before
}

/// Puts the client's conditions back.
pub(crate) fn restore(asked: &mut HeaderMap, before: Vec<(HeaderName, HeaderValue)>) {
    for name in CONDITIONS {
        asked.remove(name);
    }
    for (name, value) in before {
        asked.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_what_they_take() {
        let seconds = Duration::from_secs;
        let life = Life { lifetime: seconds(10), ..Life::default() };
        let of = |text: &'static str| {
            Control::of(&HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(text))]))
        };
        for (text, age, takes) in [
            ("", 5, true),
            ("", 15, false),
            ("no-cache", 5, false),
            ("max-age=0", 0, false),
            ("max-age=4", 5, false),
            ("max-age=5", 5, true),
            ("min-fresh=5", 5, true),
            ("min-fresh=6", 5, false),
            ("max-stale", 500, true),
            ("max-stale=5", 15, true),
            ("max-stale=5", 16, false),
        ] {
            assert_eq!(accepts(&of(text), &life, seconds(age)), takes, "{text} {age}");
        }
        let strict = Life { must_revalidate: true, ..life };
        assert!(!accepts(&of("max-stale"), &strict, seconds(15)));
        assert!(!accepts(&of("max-stale"), &Life { no_cache: true, ..strict }, seconds(5)));
    }

    #[test]
    fn fields_that_change_what_is_asked_for_pass_by() {
        for (name, passes) in [("x-original-url", true), ("x-http-method-override", true), ("accept", false)] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("/admin"))]);
            assert_eq!(Asked::of(&headers).passes, passes, "{name}");
        }
    }
}
