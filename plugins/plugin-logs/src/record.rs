//! What producers offer: compact, not yet redacted, not yet text. It is seen by the collector alone.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Duration, time::SystemTime};

use buntime_core::{Completion, Cx, Ended, Http, Matched};
use buntime_http::trace_context::{TRACEPARENT, TraceContext};
use http::{HeaderValue, Method, Uri, header};
use serde_json::{Map, Value};

use crate::{
    entry::{Access, Entry, Level, What},
    redact::Redactor,
};

/// A path, query or user agent is cut after that many bytes.
const LONGEST_PART: usize = 2048;

/// Something to be logged: an event of the runtime or a plugin, or what the API adds.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it happened.
    pub time: SystemTime,
    /// How important it is.
    pub level: Level,
    /// The plugin it came from, in the short form.
    pub plugin: Option<Arc<str>>,
    /// The request it belongs to.
    pub request_id: Option<Box<str>>,
    /// The module or part that says it.
    pub source: Cow<'static, str>,
    /// The words.
    pub message: String,
    /// Its fields.
    pub meta: Map<String, Value>,
}

impl Record {
    pub(crate) fn into_entry(mut self, id: u64, redactor: &Redactor) -> Entry {
        redactor.map(&mut self.meta);
        let message = match redactor.text(&self.message) {
            Cow::Borrowed(_) => self.message.into(),
            Cow::Owned(redacted) => redacted.into(),
        };
        // A module's path is never a secret; what the API is given may be.
        let source = match self.source {
            Cow::Borrowed(module) => Cow::Borrowed(module),
            Cow::Owned(given) => Cow::Owned(redactor.text(&given).into_owned()),
        };
        let what = What::Event { source, message, meta: self.meta };
        Entry { id, time: self.time, level: self.level, plugin: self.plugin, request_id: self.request_id, what }
    }
}

/// A finished exchange. Shares the head's buffers until the collector has copied what it keeps of them.
#[derive(Debug)]
pub(crate) struct Exchange {
    time: SystemTime,
    request_id: HeaderValue,
    method: Method,
    uri: Uri,
    route: Option<Arc<Matched>>,
    status: u16,
    duration: Duration,
    to_head: Duration,
    bytes_in: u64,
    bytes_out: u64,
    client_ip: IpAddr,
    user_agent: Option<HeaderValue>,
    trace: Option<HeaderValue>,
    ended: Ended,
    error: Option<&'static str>,
    query: bool,
    /// Goes to stdout too.
    pub(crate) stdout: bool,
}

/// What of an exchange is logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) query: bool,
    pub(crate) user_agent: bool,
    pub(crate) stdout: bool,
}

impl Exchange {
    pub(crate) fn of(cx: &Cx<Http>, end: &Completion, wanted: Wanted) -> Self {
        let (meta, head) = (cx.meta(), cx.request());
        Self {
            time: SystemTime::now(),
            request_id: meta.request_id.clone(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            route: meta.route.clone(),
            status: end.status,
            duration: end.total,
            to_head: end.to_head,
            bytes_in: end.request_bytes,
            bytes_out: end.response_bytes,
            client_ip: meta.client_ip,
            user_agent: head.headers.get(header::USER_AGENT).filter(|_| wanted.user_agent).cloned(),
            trace: head.headers.get(TRACEPARENT).cloned(),
            ended: end.ended,
            error: end.error,
            query: wanted.query,
            stdout: wanted.stdout && is_enabled(Access::level(end.status, end.ended)),
        }
    }

    pub(crate) fn into_entry(self, id: u64, redactor: &Redactor) -> Entry {
        let part = |text: &str| -> Box<str> { cut(&redactor.text(cut(text, LONGEST_PART)), LONGEST_PART).into() };
        let query = self.uri.query().filter(|_| self.query);
        let access = Access {
            path: part(self.uri.path()),
            query: query.map(|query| cut(&redactor.query(cut(query, LONGEST_PART)), LONGEST_PART).into()),
            route: self.route.as_ref().map(|route| route.label.clone()),
            status: self.status,
            duration: self.duration,
            to_head: self.to_head,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            client_ip: self.client_ip,
            user_agent: self.user_agent.map(|agent| part(&String::from_utf8_lossy(agent.as_bytes()))),
            ended: self.ended,
            error: self.error,
            trace: self.trace.and_then(|value| TraceContext::parse(value.as_bytes())),
            method: self.method,
        };
        Entry {
            id,
            time: self.time,
            level: Access::level(self.status, self.ended),
            plugin: self.route.and_then(|route| route.plugin.clone()),
            request_id: self.request_id.to_str().ok().map(Into::into),
            what: What::Access(Box::new(access)),
        }
    }
}

/// Does the process log lines of that level, of the target `access`? Without logging of its own, it does.
fn is_enabled(level: Level) -> bool {
    let enabled = match level {
        Level::Error => tracing::enabled!(target: "access", tracing::Level::ERROR),
        Level::Warn => tracing::enabled!(target: "access", tracing::Level::WARN),
        _ => tracing::enabled!(target: "access", tracing::Level::INFO),
    };
    enabled || !tracing::dispatcher::has_been_set()
}

/// At most that many bytes, at a character's boundary.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
