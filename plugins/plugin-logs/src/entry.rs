//! One entry of the log, as every sink sees it: redacted, bounded, with an id that only grows.
//!
//! Access lines stay in their compact form; their text is made when somebody reads it.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc, time::Duration, time::SystemTime};

use buntime_core::Ended;
use buntime_http::trace_context::TraceContext;
use http::Method;
use schemars::JsonSchema;
use serde::{
    Deserialize, Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::redact::Redactor;

const RFC3339: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// How important an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything.
    Trace,
    /// How it happened.
    Debug,
    /// What happened.
    Info,
    /// What may become a problem.
    Warn,
    /// What needs somebody.
    Error,
}

impl Level {
    /// Every level, least important first.
    pub const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level of that name, in either case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(word))
    }
}

impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::TRACE => Self::Trace,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::INFO => Self::Info,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::ERROR => Self::Error,
        }
    }
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place: later entries have higher ids, also after a restart of the process.
    pub id: u64,
    /// When it happened.
    pub time: SystemTime,
    /// How important it is.
    pub level: Level,
    /// The plugin it came from or, for an access line, that answered; in the short form.
    pub plugin: Option<Arc<str>>,
    /// The request it belongs to.
    pub request_id: Option<Box<str>>,
    /// What it says.
    pub what: What,
}

/// What an entry says.
#[derive(Clone, Debug)]
pub enum What {
    /// An event of the runtime or a plugin, or an entry that was added by the API.
    Event {
        /// The module or part that said it.
        source: Cow<'static, str>,
        /// The words.
        message: Box<str>,
        /// Its fields.
        meta: Map<String, Value>,
    },
    /// One finished exchange.
    Access(Box<Access>),
}

/// An access line.
#[derive(Clone, Debug)]
pub struct Access {
    /// The method.
    pub method: Method,
    /// The path, without its query.
    pub path: Box<str>,
    /// The query, when it is logged.
    pub query: Option<Box<str>>,
    /// The label of what was matched.
    pub route: Option<Arc<str>>,
    /// The status that was answered; 499 when the client left before.
    pub status: u16,
    /// From the beginning to the end.
    pub duration: Duration,
    /// From the beginning to the response's head.
    pub to_head: Duration,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// Who asked.
    pub client_ip: IpAddr,
    /// What the client calls itself, when it is logged.
    pub user_agent: Option<Box<str>>,
    /// How it ended.
    pub ended: Ended,
    /// The code of the error that was answered, or that broke the answer.
    pub error: Option<Box<str>>,
    /// Its place in a trace: our own span where traces are sent, else the caller's.
    pub trace: Option<TraceContext>,
}

impl Access {
    /// Server errors are errors, broken answers warnings, everything else is information.
    pub(crate) fn level(status: u16, ended: Ended) -> Level {
        match (status, ended) {
            (500.., _) => Level::Error,
            (_, Ended::Broken) => Level::Warn,
            _ => Level::Info,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        write!(f, " {} {}ms", self.status, millis(self.duration))?;
        match self.ended {
            Ended::Whole => Ok(()),
            Ended::ClientGone => f.write_str(" (client gone)"),
            Ended::Broken => f.write_str(" (broken)"),
        }
    }
}

impl Entry {
    /// The words.
    pub fn message(&self) -> Cow<'_, str> {
        match &self.what {
            What::Event { message, .. } => Cow::Borrowed(message),
            What::Access(access) => Cow::Owned(access.to_string()),
        }
    }

    /// The part that said it: a module, `access`, or what was given with an added entry.
    pub fn source(&self) -> &str {
        match &self.what {
            What::Event { source, .. } => source,
            What::Access(_) => "access",
        }
    }

    /// The status of an access line.
    pub fn status(&self) -> Option<u16> {
        match &self.what {
            What::Event { .. } => None,
            What::Access(access) => Some(access.status),
        }
    }

    /// When it happened, as RFC 3339 in UTC with milliseconds.
    pub fn timestamp(&self) -> String {
        timestamp(self.time)
    }

    /// Takes secrets out of an access line once more, by other settings.
    pub(crate) fn redact(&mut self, redactor: &Redactor) {
        fn again(text: &mut Box<str>, redact: impl FnOnce(&str) -> Cow<'_, str>) {
            if let Cow::Owned(redacted) = redact(text) {
                *text = redacted.into();
            }
        }
        if let What::Access(access) = &mut self.what {
            again(&mut access.path, |text| redactor.text(text));
            if let Some(query) = &mut access.query {
                again(query, |text| redactor.query(text));
            }
            if let Some(agent) = &mut access.user_agent {
                again(agent, |text| redactor.text(text));
            }
        }
    }

    /// About how much memory an event takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        let own = size_of::<Self>() + self.request_id.as_deref().map_or(0, str::len);
        match &self.what {
            What::Event { source, message, meta } => own + source.len() + message.len() + meta_size(meta),
            // The ring keeps these in their compact form.
            What::Access(_) => own + size_of::<Access>(),
        }
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn timestamp(time: SystemTime) -> String {
    OffsetDateTime::from(time).format(RFC3339).unwrap_or_default()
}

/// About how much memory fields take, in bytes.
pub(crate) fn meta_size(meta: &Map<String, Value>) -> usize {
    meta.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let inside = match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(value_size).sum(),
        Value::Object(map) => map.iter().map(|(k, v)| k.len() + value_size(v)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + inside
}

/// Milliseconds to the microsecond.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Entry", 9)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("timestamp", &self.timestamp())?;
        out.serialize_field("level", &self.level)?;
        out.serialize_field("source", self.source())?;
        if let Some(plugin) = &self.plugin {
            out.serialize_field("plugin", plugin)?;
        }
        if let Some(request_id) = &self.request_id {
            out.serialize_field("requestId", request_id)?;
        }
        out.serialize_field("message", &self.message())?;
        match &self.what {
            What::Event { meta, .. } if meta.is_empty() => {}
            What::Event { meta, .. } => out.serialize_field("meta", meta)?,
            What::Access(access) => {
                out.serialize_field("status", &access.status)?;
                out.serialize_field("meta", &**access)?;
            }
        }
        out.end()
    }
}

impl Serialize for Access {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("method", self.method.as_str())?;
        out.serialize_entry("path", &self.path)?;
        if let Some(query) = &self.query {
            out.serialize_entry("query", query)?;
        }
        if let Some(route) = &self.route {
            out.serialize_entry("route", route)?;
        }
        out.serialize_entry("durationMs", &millis(self.duration))?;
        out.serialize_entry("toHeadMs", &millis(self.to_head))?;
        out.serialize_entry("bytesIn", &self.bytes_in)?;
        out.serialize_entry("bytesOut", &self.bytes_out)?;
        out.serialize_entry("clientIp", &self.client_ip)?;
        if let Some(agent) = &self.user_agent {
            out.serialize_entry("userAgent", agent)?;
        }
        out.serialize_entry("ended", &self.ended)?;
        if let Some(error) = &self.error {
            out.serialize_entry("error", error)?;
        }
        if let Some(trace) = &self.trace {
            out.serialize_entry("traceId", &format_args!("{:032x}", trace.trace_id()))?;
        }
        out.end()
    }
}
