//! Limits that every request keeps: sizes and counts of its head.

use buntime_core::{Error, ErrorKind, Violation};
use http::{header, request};

use crate::{config::RequestValidatorSettings, plan::CODE, query};

/// See the module.
#[derive(Debug)]
pub(crate) struct Limits {
    url: usize,
    headers: usize,
    header: usize,
    parameters: usize,
    cookies: usize,
}

impl Limits {
    pub(crate) fn new(settings: &RequestValidatorSettings) -> Self {
        let of = |limit: Option<u32>| limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self {
            url: of(settings.max_url_length),
            headers: of(settings.max_headers),
            header: settings.max_header_size.map_or(usize::MAX, buntime_core::units::Size::as_usize),
            parameters: of(settings.max_query_parameters),
            cookies: of(settings.max_cookies),
        }
    }

    /// The error of a head that is over one of them. Allocates nothing otherwise.
    pub(crate) fn over(&self, head: &request::Parts) -> Option<Error> {
        let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
        if target > self.url {
            let detail = format!("The target takes at most {} bytes", self.url);
            return Some(Error::new(ErrorKind::UriTooLong).with_detail(detail));
        }
        let too_large = |part, at: &str, detail: String| {
            let violations = vec![Violation { part, at: at.to_owned(), detail: detail.clone() }];
            Some(Error::new(ErrorKind::HeadersTooLarge).with_detail(detail).with_violations(violations))
        };
        if head.headers.len() > self.headers {
            return too_large("header", "", format!("A request has at most {} header lines", self.headers));
        }
        if self.header != usize::MAX {
            let long = head.headers.iter().find(|(name, value)| name.as_str().len() + value.len() > self.header);
            if let Some((name, _)) = long {
                return too_large(
                    "header",
                    &crate::schema::short(name.as_str()),
                    format!("A header takes at most {} bytes", self.header),
                );
            }
        }
        if self.cookies != usize::MAX && cookies(head) > self.cookies {
            return too_large("cookie", "", format!("A request has at most {} cookies", self.cookies));
        }
        if self.parameters != usize::MAX && head.uri.query().map_or(0, query::count) > self.parameters {
            let detail = format!("A query has at most {} parameters", self.parameters);
            let violations = vec![Violation { part: "query", at: String::new(), detail: detail.clone() }];
            let error = Error::new(ErrorKind::Malformed).with_code(CODE).with_detail(detail);
            return Some(error.with_violations(violations));
        }
        None
    }
}

fn cookies(head: &request::Parts) -> usize {
    let lines = head.headers.get_all(header::COOKIE).iter();
    lines
        .map(|line| line.as_bytes().split(|byte| *byte == b';').filter(|pair| !pair.trim_ascii().is_empty()).count())
        .sum()
}
