//! The one error type of an exchange: what went wrong, whose fault it is, what a client may be told.
//!
//! External words (`detail`) and internal words (`internal`, `cause`) are different fields. Only [`crate::problem`]
//! turns an error into an HTTP answer, and it never reads the internal ones.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::problem::Violation;

/// Any error, boxed. What hooks, startups and shutdowns fail with.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// What went wrong. Each kind has one status and one stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be understood.
    Malformed,
    /// No or wrong credentials.
    Unauthorized,
    /// Known, and not allowed.
    Forbidden,
    /// Nothing answers here.
    NotFound,
    /// Something answers here, with other methods.
    MethodNotAllowed,
    /// The client was too slow to send its request.
    RequestTimeout,
    /// The state of the resource forbids it.
    Conflict,
    /// A precondition (`If-Match`) does not hold.
    PreconditionFailed,
    /// A body over its limit.
    PayloadTooLarge,
    /// A target over its limit.
    UriTooLong,
    /// A content type nobody here reads.
    UnsupportedMediaType,
    /// An `Expect` this server cannot meet.
    ExpectationFailed,
    /// Sent to a server that does not answer for that authority.
    Misdirected,
    /// Understood, and wrong in what it says.
    Unprocessable,
    /// Too many requests.
    RateLimited,
    /// Header fields over their limits.
    HeadersTooLarge,
    /// The client went away before it was answered (never sent to anybody; a status for logs).
    ClientClosed,
    /// A defect of this server.
    Internal,
    /// No connection to the upstream could be made, or it broke before it answered.
    UpstreamUnreachable,
    /// The upstream answered something that is not HTTP, or not what it announced.
    UpstreamProtocol,
    /// No healthy upstream is left.
    UpstreamUnavailable,
    /// A queue or connection limit is full.
    OverCapacity,
    /// A plugin's hook failed and its `onError` says so.
    PluginFailed,
    /// The server is stopping.
    ShuttingDown,
    /// The upstream, or everything together, took too long.
    UpstreamTimeout,
    /// The disk is full.
    InsufficientStorage,
}

impl ErrorKind {
    /// The HTTP status of this kind. Total, without a wildcard: a new kind must choose.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ClientClosed => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UpstreamUnreachable | Self::UpstreamProtocol => StatusCode::BAD_GATEWAY,
            Self::UpstreamUnavailable | Self::OverCapacity | Self::PluginFailed | Self::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::InsufficientStorage => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// The stable word clients may compare.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::ExpectationFailed => "expectation_failed",
            Self::Misdirected => "misdirected_request",
            Self::Unprocessable => "unprocessable",
            Self::RateLimited => "rate_limited",
            Self::HeadersTooLarge => "headers_too_large",
            Self::ClientClosed => "client_closed",
            Self::Internal => "internal_error",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamProtocol => "upstream_protocol_error",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::OverCapacity => "over_capacity",
            Self::PluginFailed => "plugin_failed",
            Self::ShuttingDown => "shutting_down",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::InsufficientStorage => "insufficient_storage",
        }
    }

    /// The short sentence a client is told when nobody wrote a better one.
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request is malformed",
            Self::Unauthorized => "Authentication is required",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::RequestTimeout => "The request took too long to arrive",
            Self::Conflict => "Conflict",
            Self::PreconditionFailed => "A precondition failed",
            Self::PayloadTooLarge => "The request body is too large",
            Self::UriTooLong => "The request target is too long",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::ExpectationFailed => "The expectation cannot be met",
            Self::Misdirected => "Misdirected request",
            Self::Unprocessable => "The request is not valid",
            Self::RateLimited => "Too many requests",
            Self::HeadersTooLarge => "The request header fields are too large",
            Self::ClientClosed => "The client closed the connection",
            Self::Internal => "Internal error",
            Self::UpstreamUnreachable => "The upstream cannot be reached",
            Self::UpstreamProtocol => "The upstream gave an invalid answer",
            Self::UpstreamUnavailable => "No upstream is available",
            Self::OverCapacity => "Over capacity",
            Self::PluginFailed => "A plugin failed",
            Self::ShuttingDown => "The server is shutting down",
            Self::UpstreamTimeout => "The upstream took too long to answer",
            Self::InsufficientStorage => "Storage is full",
        }
    }
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Who sent the request.
    Client,
    /// Who was asked to answer it.
    Upstream,
    /// A plugin.
    Plugin,
    /// This server.
    Internal,
}

/// May the same thing be tried again?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No.
    #[default]
    Never,
    /// Yes, whatever the method: nothing of the request was processed (connect error, refused stream).
    Safe,
    /// Yes, if the method is idempotent.
    Idempotent,
}

/// One failed attempt among several, as listed in the error that is returned in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptReport {
    /// Which target was tried.
    pub target: Arc<str>,
    /// What it failed with.
    pub code: &'static str,
    /// The words for the client.
    pub detail: String,
}

/// An error of an exchange. One pointer wide; a test pins that.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    source: Source,
    retry: Retry,
    allow_fallbacks: Option<bool>,
    code: Option<&'static str>,
    status: Option<StatusCode>,
    detail: Option<Cow<'static, str>>,
    internal: Option<Cow<'static, str>>,
    plugin: Option<Arc<str>>,
    headers: HeaderMap,
    attempts: Vec<AttemptReport>,
    violations: Vec<Violation>,
    cause: Option<BoxError>,
}

impl Error {
    /// An error of that kind, with the source its kind suggests.
    pub fn new(kind: ErrorKind) -> Self {
        let source = match kind {
            ErrorKind::UpstreamUnreachable
            | ErrorKind::UpstreamProtocol
            | ErrorKind::UpstreamUnavailable
            | ErrorKind::UpstreamTimeout => Source::Upstream,
            ErrorKind::PluginFailed => Source::Plugin,
            ErrorKind::Internal
            | ErrorKind::OverCapacity
            | ErrorKind::ShuttingDown
            | ErrorKind::InsufficientStorage => Source::Internal,
            _ => Source::Client,
        };
        Self(Box::new(Inner {
            kind,
            source,
            retry: Retry::Never,
            allow_fallbacks: None,
            code: None,
            status: None,
            detail: None,
            internal: None,
            plugin: None,
            headers: HeaderMap::new(),
            attempts: Vec::new(),
            violations: Vec::new(),
            cause: None,
        }))
    }

    /// A defect of this server; the cause goes to the log only.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::new(ErrorKind::Internal).with_cause(cause)
    }

    /// Words for the client. Must say nothing internal: no address, path, SQL or panic text.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Words for the log only.
    #[must_use]
    pub fn with_internal(mut self, internal: impl Into<Cow<'static, str>>) -> Self {
        self.0.internal = Some(internal.into());
        self
    }

    /// What caused it; for the log only.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<BoxError>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// A header the answer must carry (`Retry-After`, `WWW-Authenticate`, `Allow`).
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Headers the answer must carry too.
    pub fn add_headers(&mut self, headers: HeaderMap) {
        let mut last = None;
        for (name, value) in headers {
            // A name stands only with the first of its values.
            last = name.or(last);
            if let Some(name) = &last {
                self.0.headers.append(name.clone(), value);
            }
        }
    }

    /// `Retry-After` in whole seconds, at least one.
    #[must_use]
    pub fn with_retry_after(self, seconds: u64) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Another code than the kind's.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Another status than the kind's.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// May it be tried again?
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// May fallbacks be tried? Unset, the kind of exchange decides.
    #[must_use]
    pub fn with_allow_fallbacks(mut self, allow: bool) -> Self {
        self.0.allow_fallbacks = Some(allow);
        self
    }

    /// The plugin it came from.
    #[must_use]
    pub fn with_plugin(mut self, plugin: impl Into<Arc<str>>) -> Self {
        self.0.plugin = Some(plugin.into());
        self
    }

    /// Lists what is wrong with the request, one by one: `errors` in the answer.
    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// Lists the attempts that failed before this error was given up on.
    pub fn set_attempts(&mut self, attempts: Vec<AttemptReport>) {
        self.0.attempts = attempts;
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whose fault it is.
    pub fn source_of(&self) -> Source {
        self.0.source
    }

    /// May it be tried again?
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// May fallbacks be tried?
    pub fn allow_fallbacks(&self) -> Option<bool> {
        self.0.allow_fallbacks
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status.unwrap_or_else(|| self.0.kind.status())
    }

    /// The stable word clients may compare.
    pub fn code(&self) -> &'static str {
        self.0.code.unwrap_or_else(|| self.0.kind.code())
    }

    /// The words for the client.
    pub fn detail(&self) -> &str {
        self.0.detail.as_deref().unwrap_or_else(|| self.0.kind.title())
    }

    /// The plugin it came from.
    pub fn plugin(&self) -> Option<&Arc<str>> {
        self.0.plugin.as_ref()
    }

    /// Headers the answer must carry.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The attempts that failed before.
    pub fn attempts(&self) -> &[AttemptReport] {
        &self.0.attempts
    }

    /// What is wrong with the request, one by one.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// Everything, on one line, for the log: kind, detail, internal words and the chain of causes.
    pub fn report(&self) -> String {
        use fmt::Write;
        let mut text = format!("{}: {}", self.code(), self.detail());
        if let Some(internal) = &self.0.internal {
            let _ = write!(text, " ({internal})");
        }
        let mut cause = self.0.cause.as_deref().map(|c| c as &dyn StdError);
        while let Some(c) = cause {
            let _ = write!(text, ": {c}");
            cause = c.source();
        }
        text
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.code())
            .field("source", &self.0.source)
            .field("report", &self.report())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|c| c as &(dyn StdError + 'static))
    }
}

impl AsRef<Error> for Error {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsMut<Error> for Error {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_and_crosses_threads() {
        fn crosses<T: Send + Sync>() {}
        crosses::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_report_has_what_the_display_hides() {
        let error = Error::internal(std::io::Error::other("disk on fire")).with_internal("while writing");
        assert_eq!(error.to_string(), "Internal error");
        assert_eq!(error.report(), "internal_error: Internal error (while writing): disk on fire");
    }
}
