//! What somebody asks for: from when until when, in what steps, of what.

use buntime_core::{Error, ErrorKind};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    ledger::Kept,
    schema::{HOUR, MINUTE, SIX_HOURS, TEN_MINUTES},
};

/// Steps of a series, in seconds.
const STEPS: [i64; 5] = [MINUTE, TEN_MINUTES, HOUR, SIX_HOURS, 24 * HOUR];
/// A series has no more points, unless its steps are days.
const MOST_POINTS: i64 = 200;
/// In seconds.
const LONGEST: i64 = 400 * 24 * HOUR;
/// Rows of each list unless said.
const ROWS: usize = 20;
const MOST_ROWS: usize = 500;

/// The query.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Query {
    window: Option<Length>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    route: Option<String>,
    consumer: Option<String>,
    service: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Length {
    Hour,
    Day,
    Month,
}

impl Length {
    fn seconds(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
            Self::Month => 30 * 24 * HOUR,
        }
    }
}

/// The same, understood. Times are seconds since 1970, whole steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) since: i64,
    /// The first moment that is not of it.
    pub(super) until: i64,
    /// Of the series.
    pub(super) step: i64,
    /// Of the rows that are read.
    pub(super) rows: i64,
    pub(super) limit: usize,
    pub(super) only: Only,
}

/// Of what, if not of everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Only {
    pub(super) route: Option<String>,
    /// Empty: of requests without one.
    pub(super) consumer: Option<String>,
    pub(super) service: Option<String>,
}

impl Window {
    /// # Errors
    /// What is wrong with the query.
    pub(super) fn of(query: Query, now: i64, kept: Kept) -> Result<Self, Error> {
        let limit = query.limit.unwrap_or(ROWS);
        if !(1..=MOST_ROWS).contains(&limit) {
            return Err(malformed(format!("`limit` is a number from 1 to {MOST_ROWS}")));
        }
        let until = query.until.as_deref().map(|text| moment("until", text)).transpose()?;
        // The moment itself is of the window.
        let end = until.unwrap_or(now + 1);
        let length = match (query.window, query.since.as_deref()) {
            (Some(_), Some(_)) => return Err(malformed("say `window` or `since`, not both")),
            (length, None) => length.unwrap_or(Length::Hour).seconds(),
            (None, Some(since)) => end - moment("since", since)?,
        };
        if length <= 0 {
            return Err(malformed("`since` must be before `until`"));
        }
        if length > LONGEST {
            return Err(malformed("at most 400 days are answered at once"));
        }
        let (step, rows) = steps(end - length, length, now, kept);
        let until = end + (step - end.rem_euclid(step)) % step;
        // Without a part of a step at its beginning where only the length was said.
        let since = if query.since.is_some() { end - length - (end - length).rem_euclid(step) } else { until - length };
        let since = since - since.rem_euclid(step);
        let only = Only { route: query.route, consumer: query.consumer, service: query.service };
        Ok(Self { since, until, step, rows, limit, only })
    }

    /// How many points its series has.
    pub(super) fn points(&self) -> usize {
        usize::try_from((self.until - self.since) / self.step).unwrap_or(0)
    }

    /// `since`, as RFC 3339; likewise any moment of it.
    pub(super) fn written(moment: i64) -> String {
        OffsetDateTime::from_unix_timestamp(moment).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
    }
}

/// The finest steps that still reach back so far and do not draw too many points.
fn steps(since: i64, length: i64, now: i64, kept: Kept) -> (i64, i64) {
    let age = now - since;
    // The window's first moment may be a step before what is kept.
    let reaches = |kept: i64, step: i64| age <= kept + step;
    let finest = if reaches(kept.minutes, MINUTE) {
        MINUTE
    } else if reaches(kept.ten_minutes, TEN_MINUTES) {
        TEN_MINUTES
    } else if reaches(kept.hours, HOUR) {
        HOUR
    } else {
        SIX_HOURS
    };
    let fits = |step: &i64| *step >= finest && length / *step <= MOST_POINTS;
    let step = STEPS.into_iter().find(fits).unwrap_or(24 * HOUR);
    (step, [SIX_HOURS, HOUR, TEN_MINUTES, MINUTE].into_iter().find(|rows| *rows <= step).unwrap_or(MINUTE))
}

/// RFC 3339, or seconds since 1970.
fn moment(name: &str, text: &str) -> Result<i64, Error> {
    // A `+` of an offset arrives as a blank where it was not escaped.
    let mended = text.replace(' ', "+");
    let read = mended
        .parse()
        .ok()
        .or_else(|| OffsetDateTime::parse(&mended, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp));
    read.filter(|at| (0..=253_402_300_799).contains(at))
        .ok_or_else(|| malformed(format!("`{name}` is a time such as 2026-01-31T12:00:00Z, or seconds since 1970")))
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Malformed).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// 2026-05-06T07:08:09Z.
    const NOW: i64 = 1_778_051_289;

    fn kept() -> Kept {
        Kept::of(Duration::from_secs(30 * 86_400))
    }

    fn window(query: &str) -> Result<Window, String> {
        let uri: http::Uri = format!("/?{query}").parse().unwrap();
        let query = axum::extract::Query::try_from_uri(&uri).map_err(|error| error.body_text())?;
        Window::of(query.0, NOW, kept()).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn windows_end_now_and_have_steps_of_their_own() {
        for (length, step, rows, points) in
            [("hour", 60, 60, 60), ("day", 600, 600, 144), ("month", 21_600, 21_600, 120)]
        {
            let window = window(&format!("window={length}")).unwrap();
            assert_eq!((window.step, window.rows, window.points()), (step, rows, points), "{length}");
            assert!(window.until > NOW && window.until <= NOW + step, "{length}");
        }
        assert_eq!(window("").unwrap(), window("window=hour").unwrap());
    }

    #[test]
    fn what_is_long_ago_is_answered_in_coarser_steps() {
        let at = |since: i64, until: i64| {
            let window = window(&format!("since={}&until={}", NOW - since, NOW - until)).unwrap();
            (window.step, window.rows)
        };
        assert_eq!(at(HOUR, 0), (MINUTE, MINUTE));
        assert_eq!(at(10 * HOUR, 9 * HOUR), (TEN_MINUTES, TEN_MINUTES));
        assert_eq!(at(200 * HOUR, 199 * HOUR), (HOUR, HOUR));
        assert_eq!(at(400 * HOUR, 399 * HOUR), (SIX_HOURS, SIX_HOURS));
        assert_eq!(at(400 * 24 * HOUR, 0), (24 * HOUR, SIX_HOURS));
    }

    #[test]
    fn moments_are_rounded_outwards() {
        let window = window("since=2026-05-06T06:30:30Z&until=2026-05-06T09:00:30%2B02:00").unwrap();
        let written = (Window::written(window.since), Window::written(window.until));
        assert_eq!(written, ("2026-05-06T06:30:00Z".to_owned(), "2026-05-06T07:01:00Z".to_owned()));
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        for (query, told) in [
            ("window=year", "window"),
            ("limit=0", "`limit` is a number"),
            ("limit=501", "`limit` is a number"),
            ("window=day&since=5", "not both"),
            ("since=yesterday", "`since` is a time"),
            ("until=-5", "`until` is a time"),
            ("since=99999999999999999999", "`since` is a time"),
            ("since=2000&until=1000", "must be before"),
            ("since=0", "at most 400 days"),
            ("of=x", "unknown field"),
        ] {
            let error = window(query).unwrap_err();
            assert!(error.contains(told), "{query}: {error}");
        }
    }
}
