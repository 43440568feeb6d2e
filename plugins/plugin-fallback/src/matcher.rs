//! Which failures of which requests a rule or document is for.

use buntime_core::{Cx, Error, ErrorKind, Http, SettingsProblem};
use buntime_router::PathPattern;
use http::{Method, StatusCode};

use crate::{config::When, status::StatusPattern};

/// What went wrong, as far as matching goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure<'a> {
    /// An error of the gateway.
    Error(&'a Error),
    /// An upstream's answer.
    Answer(StatusCode),
}

/// See [`When`].
#[derive(Debug)]
pub(crate) struct Matcher {
    status: Vec<StatusPattern>,
    codes: Vec<String>,
    paths: Vec<PathPattern>,
    methods: Vec<Method>,
    /// The text, and whether more may follow.
    routes: Vec<(String, bool)>,
    answers: bool,
}

impl Matcher {
    /// What is wrong with it, added to the problems.
    pub(crate) fn check(when: &When, pointer: &str, problems: &mut Vec<SettingsProblem>) {
        if let Err(found) = Self::new(when, pointer) {
            problems.extend(found);
        }
    }

    /// Reads it; `pointer` is where it stands.
    ///
    /// # Errors
    /// Every part that is none.
    pub(crate) fn new(when: &When, pointer: &str) -> Result<Self, Vec<SettingsProblem>> {
        let (mut paths, mut methods, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (index, text) in when.paths.iter().enumerate() {
            match PathPattern::new(text) {
                Ok(pattern) => paths.push(pattern),
                Err(bad) => problems.push(SettingsProblem::new(format!("{pointer}/paths/{index}"), bad.to_string())),
            }
        }
        for (index, text) in when.methods.iter().enumerate() {
            match Method::from_bytes(text.as_bytes()) {
                Ok(method) if !text.bytes().any(|byte| byte.is_ascii_lowercase()) => methods.push(method),
                _ => problems.push(
                    SettingsProblem::new(format!("{pointer}/methods/{index}"), format!("`{text}` is no method"))
                        .with_help("write it in capitals, such as GET"),
                ),
            }
        }
        for (index, code) in when.codes.iter().enumerate() {
            if let Some(meant) = misspelt(code) {
                let problem = SettingsProblem::new(format!("{pointer}/codes/{index}"), format!("`{code}` is no code"));
                problems.push(problem.with_help(format!("did you mean `{meant}`?")));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let any = when.status.is_empty() && when.codes.is_empty();
        let status = if any { vec![StatusPattern::Class(5)] } else { when.status.clone() };
        let route = |text: &String| match text.strip_suffix('*') {
            Some(beginning) => (beginning.to_owned(), true),
            None => (text.clone(), false),
        };
        let routes = when.routes.iter().map(route).collect();
        Ok(Self { status, codes: when.codes.clone(), paths, methods, routes, answers: when.answers })
    }

    /// Is it for such requests?
    pub(crate) fn is_for(&self, cx: &Cx<Http>) -> bool {
        let head = cx.request();
        let label = cx.route().map(|route| &*route.label);
        let is_route = |label: &str| {
            self.routes.iter().any(|(text, more)| if *more { label.starts_with(text) } else { label == text })
        };
        (self.methods.is_empty() || self.methods.contains(&head.method))
            && (self.routes.is_empty() || label.is_some_and(is_route))
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.is_match(head.uri.path())))
    }

    /// Is it for such failures?
    pub(crate) fn takes(&self, failure: Failure<'_>) -> bool {
        let has = |status| self.status.iter().any(|pattern| pattern.has(status));
        match failure {
            Failure::Error(error) => has(error.status()) || self.codes.iter().any(|code| code == error.code()),
            Failure::Answer(status) => self.answers && has(status),
        }
    }

    /// Are answers failures too?
    pub(crate) fn has_answers(&self) -> bool {
        self.answers
    }
}

/// The codes of the gateway's own errors. Plugins may have more.
const KINDS: [ErrorKind; 26] = [
    ErrorKind::Malformed,
    ErrorKind::Unauthorized,
    ErrorKind::Forbidden,
    ErrorKind::NotFound,
    ErrorKind::MethodNotAllowed,
    ErrorKind::RequestTimeout,
    ErrorKind::Conflict,
    ErrorKind::PreconditionFailed,
    ErrorKind::PayloadTooLarge,
    ErrorKind::UriTooLong,
    ErrorKind::UnsupportedMediaType,
    ErrorKind::ExpectationFailed,
    ErrorKind::Misdirected,
    ErrorKind::Unprocessable,
    ErrorKind::RateLimited,
    ErrorKind::HeadersTooLarge,
    ErrorKind::Internal,
    ErrorKind::UpstreamUnreachable,
    ErrorKind::UpstreamProtocol,
    ErrorKind::UpstreamUnavailable,
    ErrorKind::OverCapacity,
    ErrorKind::PluginFailed,
    ErrorKind::ShuttingDown,
    ErrorKind::UpstreamTimeout,
    ErrorKind::InsufficientStorage,
    ErrorKind::ClientClosed,
];

/// The code that a text is nearly, and is not. A code that is like none may be a plugin's.
fn misspelt(text: &str) -> Option<&'static str> {
    let codes = KINDS.map(ErrorKind::code);
    if codes.contains(&text) {
        return None;
    }
    let plain = text.to_ascii_lowercase().replace('-', "_");
    let near = codes.into_iter().map(|code| (strsim::damerau_levenshtein(code, &plain), code)).min()?;
    (near.0 <= 3).then_some(near.1)
}
