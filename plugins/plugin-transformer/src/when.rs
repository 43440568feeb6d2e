//! For which exchanges a rule is.

use std::ops::RangeInclusive;

use buntime_core::{Cx, Http, SettingsProblem};
use buntime_http::media::{self, MediaPattern};
use buntime_router::PathPattern;
use buntime_template::status;
use http::{HeaderMap, Method, StatusCode};

use crate::config::WhenSettings;

/// Conditions, ready.
#[derive(Debug)]
pub(crate) struct When {
    methods: Vec<Method>,
    paths: Vec<PathPattern>,
    consumers: Vec<String>,
    content_types: Vec<MediaPattern>,
    statuses: Vec<RangeInclusive<u16>>,
}

impl When {
    /// Reads them; `at` is where they stand.
    pub(crate) fn new(settings: &WhenSettings, at: &str, problems: &mut Vec<SettingsProblem>) -> Self {
        let method = |text: &String| {
            let capital = !text.bytes().any(|byte| byte.is_ascii_lowercase());
            let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| capital);
            method.ok_or_else(|| format!("`{text}` is no method; write them in capitals: POST"))
        };
        let path = |text: &String| PathPattern::new(text).map_err(|bad| bad.to_string());
        let kind = |text: &String| {
            let why = || format!("`{text}` is no content type; write application/json, text/*, *+json or */*");
            MediaPattern::new(text).ok_or_else(why)
        };
        let one = |text: &String| {
            status::range(text).ok_or_else(|| format!("`{text}` is no status; write 404, 5xx or 400-499"))
        };
        let mut list = Lists { at, problems };
        Self {
            methods: list.read("methods", &settings.methods, method),
            paths: list.read("paths", &settings.paths, path),
            consumers: settings.consumers.clone(),
            content_types: list.read("contentTypes", &settings.content_types, kind),
            statuses: list.read("statuses", &settings.statuses, one),
        }
    }

    /// Is it for exchanges with such a request?
    pub(crate) fn is_for(&self, cx: &Cx<Http>) -> bool {
        let head = cx.request();
        (self.methods.is_empty() || self.methods.contains(&head.method))
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.is_match(head.uri.path())))
            && (self.consumers.is_empty()
                || cx
                    .consumer()
                    .is_some_and(|name| self.consumers.iter().any(|known| known == "*" || **name == **known)))
    }

    /// Is it for a message with those headers?
    pub(crate) fn takes(&self, headers: &HeaderMap) -> bool {
        self.content_types.is_empty()
            || media::content_type(headers)
                .is_some_and(|kind| self.content_types.iter().any(|known| known.is_match(kind)))
    }

    /// Is it for a response with that status?
    pub(crate) fn takes_status(&self, status: StatusCode) -> bool {
        self.statuses.is_empty() || self.statuses.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// Reads lists, and says of what is none where it stands.
struct Lists<'p> {
    at: &'p str,
    problems: &'p mut Vec<SettingsProblem>,
}

impl Lists<'_> {
    fn read<T>(&mut self, key: &str, list: &[String], read: impl Fn(&String) -> Result<T, String>) -> Vec<T> {
        let mut all = Vec::with_capacity(list.len());
        for (index, text) in list.iter().enumerate() {
            match read(text) {
                Ok(value) => all.push(value),
                Err(why) => self.problems.push(SettingsProblem::new(format!("{}/{key}/{index}", self.at), why)),
            }
        }
        all
    }
}
