//! The settings of a scope, ready: what is said to a head, and to a body.

use std::{sync::Arc, time::Duration};

use buntime_content::json;
use buntime_core::{Cx, Error, ErrorKind, Http, Scope, SettingsProblem, Violation};
use bytes::Bytes;
use http::{Method, header};
use http_body::Body as _;

use crate::{
    config::{ModeName, RequestValidatorSettings},
    desk::Figures,
    limits::Limits,
    rule::Rule,
};

/// The code of a request whose `errors` say what is wrong with it.
pub(crate) const CODE: &str = "validation_failed";

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scope: Scope,
    pub(crate) mode: ModeName,
    pub(crate) rules: Vec<Rule>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) body_timeout: Duration,
    limits: Limits,
    max_body: Option<u64>,
    depth: u8,
    most: usize,
}

/// What is left to do with a body once the head is fine.
#[derive(Debug)]
pub(crate) enum Ahead {
    /// Nothing.
    Nothing,
    /// It must not be longer than this.
    Limit(u64),
    /// It must be read and judged.
    Judge(Judging),
}

/// Which rules judge a body, and what is wrong already.
#[derive(Debug)]
pub(crate) struct Judging {
    pub(crate) limit: u64,
    rules: Vec<usize>,
    found: Vec<Violation>,
}

impl Plan {
    /// Reads settings.
    ///
    /// # Errors
    /// What is wrong with its rules.
    pub(crate) fn new(
        settings: &RequestValidatorSettings,
        scope: Scope,
        figures: Arc<Figures>,
    ) -> Result<Self, Vec<SettingsProblem>> {
        let rules = settings.rules.iter().enumerate().map(|(index, rule)| Rule::new(rule, &format!("/rules/{index}")));
        Ok(Self {
            scope,
            mode: settings.mode.unwrap_or_default(),
            rules: rules.collect::<Result<_, _>>()?,
            figures,
            body_timeout: settings.body_timeout.map_or(Duration::from_secs(4), Duration::from),
            limits: Limits::new(settings),
            max_body: settings.max_body_size.map(|size| size.0),
            depth: settings.max_depth.unwrap_or(64),
            most: usize::from(settings.max_errors.unwrap_or(20)),
        })
    }

    /// Looks at the head.
    ///
    /// # Errors
    /// What the request is refused with.
    pub(crate) fn head(&self, cx: &mut Cx<Http>) -> Result<Ahead, Error> {
        if let Some(error) = self.limits.over(cx.request()) {
            return Err(error);
        }
        if self.rules.is_empty() && self.max_body.is_none() {
            return Ok(Ahead::Nothing);
        }
        let upgrades = cx.request().method == Method::CONNECT || cx.request().headers.contains_key(header::UPGRADE);
        let length = if upgrades { None } else { length(cx) };
        let (mut limit, mut found, mut judges) = (self.max_body, Vec::new(), Vec::new());
        for (index, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.is_for(cx)) {
            let head = cx.request();
            if length.is_some() {
                if rule.takes(&head.headers)? {
                    judges.push(index);
                }
                limit = limit.into_iter().chain(rule.max_body).min();
            } else if rule.body_required {
                found.push(Violation { part: "body", at: String::new(), detail: "it is required".to_owned() });
            }
            rule.head(head, self.most, &mut found);
        }
        let (Some(limit), Some(length)) = (limit, length) else {
            return if found.is_empty() { Ok(Ahead::Nothing) } else { Err(refusal(found)) };
        };
        if length > limit {
            return Err(too_large(limit));
        }
        match (judges.is_empty(), found.is_empty()) {
            (false, _) => Ok(Ahead::Judge(Judging { limit, rules: judges, found })),
            (true, false) => Err(refusal(found)),
            (true, true) => Ok(Ahead::Limit(limit)),
        }
    }

    /// Judges a body.
    ///
    /// # Errors
    /// What the request is refused with.
    pub(crate) fn body(&self, text: &Bytes, judging: Judging) -> Result<(), Error> {
        let Judging { rules, mut found, .. } = judging;
        match json::read(text, self.depth) {
            Err(detail) => found.push(Violation { part: "body", at: String::new(), detail }),
            Ok(value) => {
                let schemas = rules.iter().filter_map(|index| self.rules.get(*index)?.body_schema.as_ref());
                for schema in schemas {
                    schema.judge("body", &value, self.most, &mut found);
                }
            }
        }
        found.truncate(self.most);
        if found.is_empty() { Ok(()) } else { Err(refusal(found)) }
    }
}

/// How long the body is at least; `None` when there is none.
fn length(cx: &mut Cx<Http>) -> Option<u64> {
    let body = &cx.whole_request_mut().body;
    (!body.is_end_stream()).then(|| body.size_hint().lower())
}

pub(crate) fn too_large(limit: u64) -> Error {
    Error::new(ErrorKind::PayloadTooLarge).with_detail(format!("A body takes at most {limit} bytes here"))
}

fn refusal(found: Vec<Violation>) -> Error {
    let detail = match found.as_slice() {
        [one] if one.at.is_empty() => format!("The request is not valid: {}: {}", one.part, one.detail),
        [one] => format!("The request is not valid: {} `{}`: {}", one.part, one.at, one.detail),
        several => format!("The request is not valid: {} things are wrong, see `errors`", several.len()),
    };
    Error::new(ErrorKind::Malformed).with_code(CODE).with_detail(detail).with_violations(found)
}
