//! Spans: one for an exchange by the semantic conventions of HTTP servers, and one below it for each hook.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use buntime_core::{Completion, Cx, Ended, HookRecord, Http, Matched, stats::Outcome};
use buntime_http::trace_context::TraceContext;
use http::{HeaderValue, Method, Uri, Version, header};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::KeyValue,
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode},
};
use prost::Message;

use crate::{
    otlp::{batch::Signal, nanos, number, scope, text},
    redact::Redactor,
};

/// The W3C flag "sampled", and that the parent is known to be remote (`SPAN_FLAGS_CONTEXT_*` of OTLP).
const SAMPLED: u32 = 1;
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// A finished exchange whose trace is sent. Made into spans by the exporter.
pub(crate) struct SpanRecord {
    context: TraceContext,
    caller: Option<TraceContext>,
    state: Option<HeaderValue>,
    started: Instant,
    ended_at: SystemTime,
    end: Completion,
    hooks: Vec<HookRecord>,
    method: Method,
    uri: Uri,
    version: Version,
    scheme: &'static str,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    route: Option<Arc<Matched>>,
    client_ip: IpAddr,
    request_id: HeaderValue,
}

impl SpanRecord {
    pub(super) fn of(
        cx: &Cx<Http>,
        end: &Completion,
        context: TraceContext,
        caller: Option<TraceContext>,
        state: Option<HeaderValue>,
    ) -> Self {
        let (meta, head) = (cx.meta(), cx.request());
        Self {
            context,
            caller,
            state,
            started: meta.started,
            ended_at: SystemTime::now(),
            end: end.clone(),
            hooks: cx.logged_hooks().to_vec(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            scheme: meta.scheme,
            host: head.headers.get(header::HOST).cloned(),
            user_agent: head.headers.get(header::USER_AGENT).cloned(),
            route: meta.route.clone(),
            client_ip: meta.client_ip,
            request_id: meta.request_id.clone(),
        }
    }

    fn into_spans(self, redactor: &Redactor) -> impl Iterator<Item = Span> {
        let server = self.server(redactor);
        let (begin, started, context) = (server.start_time_unix_nano, self.started, self.context);
        let trace_id = server.trace_id.clone();
        let hooks = self.hooks.into_iter().map(move |hook| below(&hook, begin, started, &context, &trace_id));
        std::iter::once(server).chain(hooks)
    }

    fn server(&self, redactor: &Redactor) -> Span {
        let known = is_known(&self.method);
        let method = if known { self.method.as_str() } else { "_OTHER" };
        let name = if known { method } else { "HTTP" };
        let route = self.route.as_ref().map(|route| &*route.label);
        let caller = self.caller.map(|caller| caller.span_id().to_be_bytes().to_vec());
        Span {
            trace_id: self.context.trace_id().to_be_bytes().to_vec(),
            span_id: self.context.span_id().to_be_bytes().to_vec(),
            trace_state: self.state.as_ref().and_then(|state| state.to_str().ok()).unwrap_or_default().to_owned(),
            flags: SAMPLED | HAS_IS_REMOTE | if caller.is_some() { IS_REMOTE } else { 0 },
            parent_span_id: caller.unwrap_or_default(),
            name: route.map_or_else(|| name.to_owned(), |route| format!("{name} {route}")),
            kind: SpanKind::Server.into(),
            start_time_unix_nano: nanos(self.ended_at.checked_sub(self.end.total).unwrap_or(self.ended_at)),
            end_time_unix_nano: nanos(self.ended_at),
            attributes: self.attributes(method, redactor),
            status: self.status(),
            ..Span::default()
        }
    }

    fn attributes(&self, method: &str, redactor: &Redactor) -> Vec<KeyValue> {
        let shown = |value: &HeaderValue| redactor.text(&String::from_utf8_lossy(value.as_bytes())).into_owned();
        let mut list = vec![
            text("http.request.method", method),
            text("url.path", redactor.text(self.uri.path())),
            text("url.scheme", self.scheme),
            number("http.response.status_code", self.end.status.into()),
            number("http.request.body.size", self.end.request_bytes),
            number("http.response.body.size", self.end.response_bytes),
            text("network.protocol.name", "http"),
            text("network.protocol.version", version(self.version)),
            text("client.address", self.client_ip.to_string()),
            text("buntime.request_id", shown(&self.request_id)),
            text("buntime.ended", ended(self.end.ended)),
        ];
        if method == "_OTHER" {
            list.push(text("http.request.method_original", self.method.as_str()));
        }
        if let Some(route) = &self.route {
            list.push(text("http.route", &*route.label));
        }
        if let Some(host) = &self.host {
            list.push(text("server.address", shown(host)));
        }
        if let Some(agent) = &self.user_agent {
            list.push(text("user_agent.original", shown(agent)));
        }
        if let Some(error) = self.error() {
            list.push(text("error.type", error));
        }
        list
    }

    /// What went wrong on the server's side.
    fn error(&self) -> Option<String> {
        let broken = self.end.ended == Ended::Broken;
        let failed = self.end.status >= 500 || broken;
        let code = || self.end.error.map_or_else(|| self.end.status.to_string(), str::to_owned);
        failed.then(code)
    }

    fn status(&self) -> Option<Status> {
        self.error().map(|_| Status { code: StatusCode::Error.into(), ..Status::default() })
    }
}

/// The span of a hook.
fn below(hook: &HookRecord, begin: u64, started: Instant, context: &TraceContext, trace_id: &[u8]) -> Span {
    let after = u64::try_from(hook.began.saturating_duration_since(started).as_nanos()).unwrap_or(u64::MAX);
    let start = begin.saturating_add(after);
    let took = u64::try_from(hook.took.as_nanos()).unwrap_or(u64::MAX);
    let failed = matches!(hook.outcome, Outcome::Error | Outcome::Timeout | Outcome::Panic);
    let mut attributes = vec![
        text("buntime.plugin", &*hook.plugin),
        text("buntime.hook.set", &*hook.set),
        text("buntime.hook.stage", hook.stage.as_str()),
        text("buntime.hook.outcome", hook.outcome.as_str()),
    ];
    if failed {
        attributes.push(text("error.type", hook.outcome.as_str()));
    }
    Span {
        trace_id: trace_id.to_vec(),
        span_id: context.child().span_id().to_be_bytes().to_vec(),
        parent_span_id: context.span_id().to_be_bytes().to_vec(),
        flags: SAMPLED | HAS_IS_REMOTE,
        name: format!("{} {}", hook.plugin, hook.stage.as_str()),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(took),
        attributes,
        status: failed.then(|| Status { code: StatusCode::Error.into(), ..Status::default() }),
        ..Span::default()
    }
}

/// The methods of the conventions; others would let clients make up values.
fn is_known(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH" | "QUERY"
    )
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::Whole => "whole",
        Ended::ClientGone => "client_gone",
        Ended::Broken => "broken",
    }
}

/// Traces.
pub(super) enum SpanSignal {}

impl Signal for SpanSignal {
    type Item = SpanRecord;
    type Request = ExportTraceServiceRequest;
    const NAME: &'static str = "traces";
    const PATH: &'static str = "/v1/traces";

    fn request(items: Vec<SpanRecord>, resource: Resource, redactor: &Redactor) -> Self::Request {
        let spans = items.into_iter().flat_map(|item| item.into_spans(redactor)).collect();
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }
    }

    fn rejected(answer: &[u8], json: bool) -> Option<(u64, String)> {
        let answer: ExportTraceServiceResponse =
            if json { serde_json::from_slice(answer).ok()? } else { Message::decode(answer).ok()? };
        let partial = answer.partial_success?;
        Some((u64::try_from(partial.rejected_spans).unwrap_or(0), partial.error_message))
    }
}
