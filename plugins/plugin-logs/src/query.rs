//! What to show: the filter of queries and of the live stream, read from a query string with every problem at once.

use std::{ops::RangeInclusive, time::SystemTime};

use buntime_core::{PluginName, units::Span};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::entry::{Entry, Level, What};

/// The parameters there are.
const KNOWN: &str = "level, search, plugin, requestId, status, since, until, limit";
/// Entries of one answer, unless asked otherwise.
const DEFAULT_LIMIT: usize = 100;
/// Most entries of one answer.
pub(crate) const MOST: usize = 10_000;
/// The longest text to search for, in bytes.
const LONGEST_SEARCH: usize = 256;

/// Which entries to show. The default lets everything through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// This important or more.
    pub level: Option<Level>,
    /// In the message, source, plugin, route or fields; in lower case, case does not matter.
    pub search: Option<String>,
    /// From that plugin, or answered by it.
    pub plugin: Option<PluginName>,
    /// Of that request.
    pub request_id: Option<String>,
    /// Access lines with such a status.
    pub status: Option<RangeInclusive<u16>>,
    /// Not older.
    pub since: Option<SystemTime>,
    /// Not newer.
    pub until: Option<SystemTime>,
    /// At most that many; 100 unless asked otherwise.
    pub limit: Option<usize>,
}

impl Filter {
    /// Reads a query string. `now` is what relative times count from. Parameters without a value are as if absent.
    ///
    /// # Errors
    /// Every problem, in one text that says what is allowed.
    pub fn parse(query: &str, now: SystemTime) -> Result<Self, String> {
        let mut filter = Self::default();
        let mut problems = Vec::new();
        let mut seen = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if seen.contains(&name) {
                problems.push(format!("`{name}` is given twice; give it once"));
            } else if let Err(problem) = filter.set(&name, value.trim(), now) {
                problems.push(problem);
            }
            seen.push(name);
        }
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && since > until
        {
            problems.push("`since` is later than `until`; swap them".to_owned());
        }
        if problems.is_empty() { Ok(filter) } else { Err(problems.join(". ")) }
    }

    fn set(&mut self, name: &str, value: &str, now: SystemTime) -> Result<(), String> {
        match name {
            _ if value.is_empty() && KNOWN.split(", ").any(|known| known == name) => {}
            "level" => self.level = Some(level(value)?),
            "search" if value.len() > LONGEST_SEARCH => {
                return Err(format!("`search` takes at most {LONGEST_SEARCH} bytes"));
            }
            "search" => self.search = Some(value.to_lowercase()),
            "plugin" => self.plugin = Some(PluginName::new(value)),
            "requestId" => self.request_id = Some(value.to_owned()),
            "status" => self.status = Some(status(value)?),
            "since" => self.since = Some(moment(name, value, now)?),
            "until" => self.until = Some(moment(name, value, now)?),
            "limit" => self.limit = Some(limit(value)?),
            _ => return Err(format!("`{}` is no parameter here; there are: {KNOWN}", shown(name))),
        }
        Ok(())
    }

    /// How many entries to show.
    pub fn most(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }

    /// Does it let that entry through? The limit is not its business.
    pub fn matches(&self, entry: &Entry) -> bool {
        let facts = Facts {
            level: entry.level,
            time: entry.time,
            status: entry.status(),
            request_id: entry.request_id.as_deref(),
            plugin: entry.plugin.as_deref(),
        };
        self.admits(&facts) && self.search.as_deref().is_none_or(|text| found(entry, text))
    }

    /// Does it let such an entry through, its text aside?
    pub(crate) fn admits(&self, facts: &Facts<'_>) -> bool {
        self.level.is_none_or(|level| facts.level >= level)
            && self.since.is_none_or(|since| facts.time >= since)
            && self.until.is_none_or(|until| facts.time <= until)
            && self.status.as_ref().is_none_or(|range| facts.status.is_some_and(|status| range.contains(&status)))
            && self.request_id.as_deref().is_none_or(|id| facts.request_id == Some(id))
            && self.plugin.as_ref().is_none_or(|plugin| facts.plugin == Some(plugin.as_str()))
    }
}

/// What is known of an entry without its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) level: Level,
    pub(crate) time: SystemTime,
    pub(crate) status: Option<u16>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) plugin: Option<&'a str>,
}

fn found(entry: &Entry, text: &str) -> bool {
    let has = |place: &str| place.to_lowercase().contains(text);
    let shared = has(&entry.message()) || has(entry.source()) || entry.plugin.as_deref().is_some_and(has);
    shared
        || match &entry.what {
            What::Event { meta, .. } => meta.iter().any(|(name, value)| {
                // As it is shown: text without quotes, everything else as JSON.
                has(name) || value.as_str().map_or_else(|| has(&value.to_string()), has)
            }),
            What::Access(access) => {
                let texts = [access.user_agent.as_deref(), access.route.as_deref(), access.error.as_deref()];
                texts.into_iter().flatten().any(has)
                    || has(&access.client_ip.to_string())
                    || access.trace.is_some_and(|trace| has(&format!("{:032x}", trace.trace_id())))
            }
        }
}

fn level(value: &str) -> Result<Level, String> {
    let words = Level::ALL.map(Level::as_str).join(", ");
    Level::parse(value).ok_or_else(|| format!("`level` is one of {words}, not `{}`", shown(value)))
}

/// `404`, `5xx`, `400-499`.
fn status(value: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong = || format!("`status` is a status (404), a class (5xx) or a range (400-499), not `{}`", shown(value));
    let one = |text: &str| text.parse::<u16>().ok().filter(|s| (100..1000).contains(s) && text.len() == 3);
    let class = value.len() == 3 && value.is_char_boundary(1) && value[1..].eq_ignore_ascii_case("xx");
    if class {
        let first = value[..1].parse::<u16>().ok().filter(|d| (1..=9).contains(d)).ok_or_else(wrong)? * 100;
        return Ok(first..=first + 99);
    }
    let (from, to) = value.split_once('-').unwrap_or((value, value));
    match (one(from), one(to)) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        _ => Err(wrong()),
    }
}

/// RFC 3339, seconds or milliseconds since 1970, or a duration that counts back from now.
fn moment(name: &str, value: &str, now: SystemTime) -> Result<SystemTime, String> {
    let wrong = || {
        format!(
            "`{name}` is a time (2026-01-31T12:00:00Z), seconds or milliseconds since 1970, or how long ago (15m), \
             not `{}`",
            shown(value)
        )
    };
    if let Ok(number) = value.parse::<u64>() {
        let since = match number {
            0..100_000_000_000 => std::time::Duration::from_secs(number),
            _ => std::time::Duration::from_millis(number),
        };
        return SystemTime::UNIX_EPOCH.checked_add(since).ok_or_else(wrong);
    }
    if let Ok(ago) = value.parse::<Span>() {
        return now.checked_sub(*ago).ok_or_else(wrong);
    }
    // A `+` of an offset that was not encoded has become a space.
    OffsetDateTime::parse(&value.replace(' ', "+"), &Rfc3339).map(SystemTime::from).map_err(|_| wrong())
}

fn limit(value: &str) -> Result<usize, String> {
    let number = value.parse::<usize>().ok().filter(|limit| (1..=MOST).contains(limit));
    number.ok_or_else(|| format!("`limit` is a number from 1 to {MOST}, not `{}`", shown(value)))
}

/// As much of what came as a message may repeat.
fn shown(value: &str) -> &str {
    crate::record::cut(value, 40)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn parse(query: &str) -> Result<Filter, String> {
        Filter::parse(query, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000))
    }

    #[test]
    fn every_parameter_is_read() {
        let filter = parse(
            "level=WARN&search=Time%20out&plugin=%40buntime%2Fplugin-proxy&requestId=a&status=5xx&since=15m&until=&limit=7",
        );
        let expected = Filter {
            level: Some(Level::Warn),
            search: Some("time out".to_owned()),
            plugin: Some(PluginName::new("proxy")),
            request_id: Some("a".to_owned()),
            status: Some(500..=599),
            since: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - 900)),
            until: None,
            limit: Some(7),
        };
        assert_eq!(filter, Ok(expected));
    }

    #[test]
    fn times_and_statuses_have_several_spellings() {
        let at = |query: &str| parse(query).unwrap().since.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(at("since=1700000000").as_secs(), 1_700_000_000);
        assert_eq!(at("since=1700000000123").as_millis(), 1_700_000_000_123);
        assert_eq!(at("since=2023-11-14T22:13:20Z").as_secs(), 1_700_000_000);
        assert_eq!(at("since=2023-11-15T00:13:20+02:00").as_secs(), 1_700_000_000);
        for (text, range) in [("404", 404..=404), ("4XX", 400..=499), ("400-499", 400..=499)] {
            assert_eq!(status(text), Ok(range));
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let error = parse("level=loud&status=9-1&limit=0&sinec=1&since=later&plugin=a&plugin=b").unwrap_err();
        for words in ["trace, debug", "(5xx)", "1 to 10000", "`sinec`", "requestId", "15m", "twice"] {
            assert!(error.contains(words), "{words} in {error}");
        }
        assert!(parse("since=2h&until=3h").unwrap_err().contains("swap"));
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(query in ".{0,200}", name in "level|status|since|until|limit", value in ".{0,12}") {
            let _ = parse(&query);
            let _ = parse(&format!("{name}={value}"));
        }
    }
}
