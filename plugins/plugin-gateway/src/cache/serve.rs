//! Answers from what is stored: whole, a range of it, its head, or only that it has not changed.

use std::{
    borrow::Cow,
    time::{Instant, SystemTime},
};

use axum::body::Body;
use buntime_core::HttpResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::{entry::Stored, policy::date_of};

pub(crate) const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What an answer from the cache is called.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Of `X-Cache`.
    pub(crate) word: &'static str,
    /// Of `Cache-Status`; `None` is a plain hit.
    pub(crate) status: Option<Cow<'static, str>>,
}

impl Told {
    /// A hit.
    pub(crate) const HIT: Self = Self { word: "HIT", status: None };
}

/// Fields of a 304 (RFC 9110, 15.4.5).
const OF_304: [HeaderName; 8] = [
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
    header::VIA,
];

/// The answer to a request of that method with these fields.
pub(crate) fn answer(stored: &Stored, method: &Method, asked: &HeaderMap, now: Instant, told: &Told) -> HttpResponse {
    let is_whole = stored.status == StatusCode::OK;
    if is_whole && is_unchanged(stored, asked) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        for name in &OF_304 {
            for value in stored.headers.get_all(name) {
                response.headers_mut().append(name, value.clone());
            }
        }
        return finish(response, stored, now, told);
    }
    let range = asked.get(header::RANGE).filter(|_| is_whole && *method == Method::GET);
    if let Some(range) = range.filter(|_| range_is_meant(stored, asked)) {
        match range_of(range, stored.body.len()) {
            Some(Ok((first, last))) => return part(stored, first, last, now, told),
            Some(Err(())) => return unsatisfiable(stored, now, told),
            None => {}
        }
    }
    let body = if *method == Method::HEAD { Bytes::new() } else { stored.body.clone() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = stored.status;
    response.headers_mut().clone_from(&stored.headers);
    finish(response, stored, now, told)
}

/// Adds what is made anew for each answer.
fn finish(mut response: Response<Body>, stored: &Stored, now: Instant, told: &Told) -> HttpResponse {
    let headers = response.headers_mut();
    let moment = stored.moment(stored.age(now));
    if let Some(moment) = &*moment {
        headers.insert(header::AGE, moment.age.clone());
        let status = told.status.as_ref().map(|told| stored.status(told));
        headers.insert(CACHE_STATUS, status.unwrap_or_else(|| moment.hit.clone()));
    }
    headers.insert(X_CACHE, HeaderValue::from_static(told.word));
    response.into()
}

fn part(stored: &Stored, first: usize, last: usize, now: Instant, told: &Told) -> HttpResponse {
    let body = stored.body.slice(first..=last);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response.headers_mut().clone_from(&stored.headers);
    let range = HeaderValue::try_from(format!("bytes {first}-{last}/{}", stored.body.len()));
    if let Ok(range) = range {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
    finish(response, stored, now, told)
}

fn unsatisfiable(stored: &Stored, now: Instant, told: &Told) -> HttpResponse {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    if let Ok(range) = HeaderValue::try_from(format!("bytes */{}", stored.body.len())) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    finish(response, stored, now, told)
}

/// Has who asks the same already (RFC 9110, 13.2.2)?
fn is_unchanged(stored: &Stored, asked: &HeaderMap) -> bool {
    if asked.contains_key(header::IF_NONE_MATCH) {
        let etag = stored.headers.get(header::ETAG).map(|etag| strong(etag.as_bytes()));
        let lines = asked.get_all(header::IF_NONE_MATCH).iter().map(HeaderValue::as_bytes);
        return lines.flat_map(members).any(|member| member == b"*" || Some(strong(member)) == etag);
    }
    let Some(since) = date_of(asked, header::IF_MODIFIED_SINCE) else { return false };
    modified(stored).is_some_and(|modified| modified <= since)
}

fn modified(stored: &Stored) -> Option<SystemTime> {
    date_of(&stored.headers, header::LAST_MODIFIED).or_else(|| {
        // Where it does not say, it is as new as when it was made.
        date_of(&stored.headers, header::DATE)
    })
}

/// An entity tag as weak comparison sees it.
fn strong(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

/// The members of a list; commas within quotes are none between members.
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let split = line.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    });
    split.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Does `If-Range` allow a range (RFC 9110, 13.1.5)? Only a strong validator tells that parts belong together.
fn range_is_meant(stored: &Stored, asked: &HeaderMap) -> bool {
    let Some(validator) = asked.get(header::IF_RANGE) else { return true };
    if validator.as_bytes().contains(&b'"') {
        return !validator.as_bytes().starts_with(b"W/") && stored.headers.get(header::ETAG) == Some(validator);
    }
    let date = date_of(asked, header::IF_RANGE);
    date.is_some() && date == date_of(&stored.headers, header::LAST_MODIFIED)
}

/// The first and last byte that are asked for. `Some(Err)`: there are none of them; `None`: all of it is to be sent, since
/// it is no range, or several.
fn range_of(value: &HeaderValue, length: usize) -> Option<Result<(usize, usize), ()>> {
    let spec = value.to_str().ok()?;
    let (unit, spec) = spec.split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<usize>().unwrap_or(usize::MAX))
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let end = length.checked_sub(1);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => None,
        (Some(first), last) if last.is_some() || spec.trim().ends_with('-') => match end {
            Some(end) if first <= end => Some(Ok((first, last.unwrap_or(end).min(end)))),
            _ => Some(Err(())),
        },
        (None, Some(suffix)) if first.is_empty() => match end {
            Some(end) if suffix > 0 => Some(Ok((length.saturating_sub(suffix), end))),
            _ => Some(Err(())),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str, length: usize) -> Option<Result<(usize, usize), ()>> {
        range_of(&HeaderValue::from_str(text).unwrap(), length)
    }

    #[test]
    fn ranges_are_read_strictly() {
        for (text, expected) in [
            ("bytes=0-1", Some(Ok((0, 1)))),
            ("Bytes=1-", Some(Ok((1, 9)))),
            ("bytes=-3", Some(Ok((7, 9)))),
            ("bytes=-30", Some(Ok((0, 9)))),
            ("bytes=5-99999999999999999999999", Some(Ok((5, 9)))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=3-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=a-b", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
        assert_eq!((range("bytes=0-", 0), range("bytes=-1", 0)), (Some(Err(())), Some(Err(()))));
    }

    #[test]
    fn lists_of_tags_are_read_by_their_quotes() {
        let all: Vec<_> = members(b" \"a,b\" , W/\"c\",, x").collect();
        assert_eq!(all, [&b"\"a,b\""[..], b"W/\"c\"", b"x"]);
    }

    proptest! {
        #[test]
        fn a_range_is_within_the_body(text in "bytes=[0-9]{0,3}-[0-9]{0,3}(,1-2)?", length in 0_usize..200) {
            if let Some(Ok((first, last))) = range(&text, length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
