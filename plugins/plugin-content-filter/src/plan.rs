//! The settings of a scope, ready.

use std::{sync::Arc, time::Duration};

use buntime_core::{BoxError, Error, ErrorKind, PluginContext, Scope};
use buntime_http::media::{self, MediaPattern};
use http::{HeaderMap, StatusCode, header};

use crate::{
    config::{ContentFilterSettings, Encoded, On, Ranges},
    desk::{Figures, RuleFigures},
    engine::Rules,
    rule::Rule,
};

/// The code of what is blocked.
pub(crate) const CODE: &str = "content_blocked";

/// What is text unless the settings say it.
const TEXT: [&str; 10] = [
    "text/*",
    "application/json",
    "*+json",
    "application/x-ndjson",
    "application/xml",
    "*+xml",
    "application/javascript",
    "application/graphql",
    "application/x-www-form-urlencoded",
    "application/yaml",
];

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scope: Scope,
    pub(crate) figures: Arc<Figures>,
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) requests: Arc<Rules>,
    pub(crate) responses: Arc<Rules>,
    pub(crate) encoded: Encoded,
    pub(crate) ranges: Ranges,
    pub(crate) max_request: u64,
    pub(crate) max_response: u64,
    pub(crate) body_timeout: Duration,
    status: StatusCode,
    text: Vec<MediaPattern>,
}

/// What a body is, by what its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody's business.
    Binary,
    /// Text.
    Text,
    /// Text that is packed, or in characters that are not those of ASCII.
    Encoded,
}

impl Plan {
    /// Reads settings that have been checked.
    ///
    /// # Errors
    /// In words, if a rule cannot be compiled.
    pub(crate) fn new(settings: &ContentFilterSettings, context: &PluginContext) -> Result<Self, BoxError> {
        let figures_of = |name: &str| context.keep(&format!("rule/{name}"), RuleFigures::default);
        let rules =
            settings.rules.iter().enumerate().map(|(index, rule)| Rule::new(rule, index, figures_of).map(Arc::new));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let of = |direction: On| {
            let all = rules.iter().filter(|rule| rule.on == direction || rule.on == On::Both).cloned().collect();
            Arc::new(Rules { all, window: settings.window() })
        };
        let written = settings.content_types.iter().map(String::as_str);
        let text: Vec<&str> = if settings.content_types.is_empty() { TEXT.to_vec() } else { written.collect() };
        Ok(Self {
            scope: context.scope().clone(),
            figures: context.keep("figures", Figures::default),
            requests: of(On::Request),
            responses: of(On::Response),
            rules,
            encoded: settings.encoded.unwrap_or_default(),
            ranges: settings.ranges.unwrap_or_default(),
            max_request: settings.max_request_body.map_or(1 << 20, |size| size.0),
            max_response: settings.max_held_response.map_or(64 << 10, |size| size.0),
            body_timeout: settings.body_timeout.map_or(Duration::from_secs(4), Duration::from),
            status: settings
                .status
                .and_then(|status| StatusCode::from_u16(status).ok())
                .unwrap_or(StatusCode::FORBIDDEN),
            text: text.into_iter().filter_map(MediaPattern::new).collect(),
        })
    }

    /// What a body is.
    pub(crate) fn kind(&self, headers: &HeaderMap) -> Kind {
        // Who says several things may be believed any of them: one that is text is enough.
        let lines = headers.get_all(header::CONTENT_TYPE).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        let (mut is_text, mut is_wide) = (false, false);
        for line in lines {
            for said in line.split(',') {
                let (kind, parameters) = said.split_once(';').unwrap_or((said, ""));
                is_text |= self.text.iter().any(|pattern| pattern.is_match(kind.trim()));
                is_wide |= wide(parameters);
            }
        }
        if !is_text {
            return Kind::Binary;
        }
        if is_wide || media::is_encoded(headers) { Kind::Encoded } else { Kind::Text }
    }

    /// What a request is refused with. Says nothing of what was found.
    pub(crate) fn refusal(&self) -> Error {
        let error = Error::new(ErrorKind::Forbidden).with_status(self.status).with_code(CODE);
        error.with_detail("The request has content that is not allowed")
    }
}

/// Does the `charset` among these parameters write the letters of ASCII in other bytes?
fn wide(parameters: &str) -> bool {
    let charset = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut charset = charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.any(|(_, value)| {
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        ["utf-16", "utf16", "utf-32", "utf32", "utf-7", "ucs-", "iso-10646", "unicode", "ibm037", "cp037", "ebcdic"]
            .iter()
            .any(|wide| value.starts_with(wide))
    })
}

/// What takes the place of a response.
pub(crate) fn withheld() -> Error {
    let error = Error::new(ErrorKind::UpstreamProtocol).with_code(CODE);
    error.with_detail("The answer has content that is not allowed").with_allow_fallbacks(false)
}
