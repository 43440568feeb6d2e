//! The hook set: one access line for each exchange and, where traces are sent, its spans.
//!
//! On the way of a request bytes are copied to where the worker writes, and nothing is allocated; text is made when
//! somebody reads it.

use buntime_core::{Completion, Cx, Hooks, Http, Pre, Stages, Step};
use buntime_http::trace_context::TRACEPARENT;
use http::{HeaderValue, header};

#[cfg(feature = "otlp")]
use crate::otlp::Tracer;
use crate::{
    bus::LogBus,
    entry::{Access, Level},
    line::Line,
};

/// What of an exchange is logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) query: bool,
    pub(crate) user_agent: bool,
    pub(crate) stdout: bool,
}

pub(crate) struct AccessHooks {
    pub(crate) bus: LogBus,
    /// `None`: no access lines.
    pub(crate) wanted: Option<Wanted>,
    #[cfg(feature = "otlp")]
    pub(crate) tracer: Option<Tracer>,
}

impl Hooks<Http> for AccessHooks {
    fn stages(&self) -> Stages {
        #[cfg(feature = "otlp")]
        if self.tracer.is_some() {
            return Stages::PRE | Stages::COMPLETE;
        }
        Stages::COMPLETE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        #[cfg(feature = "otlp")]
        if let Some(tracer) = &self.tracer {
            tracer.begin(cx);
        }
        let _ = cx;
        Step::ready(Pre::Continue)
    }

    fn complete(&self, cx: &mut Cx<Http>, end: &Completion) -> Step<'static, ()> {
        if let Some(wanted) = self.wanted {
            self.line(cx, end, wanted);
        }
        #[cfg(feature = "otlp")]
        if let Some(tracer) = &self.tracer {
            tracer.end(cx, end);
        }
        Step::ready(())
    }
}

impl AccessHooks {
    fn line(&self, cx: &Cx<Http>, end: &Completion, wanted: Wanted) {
        let (meta, head) = (cx.meta(), cx.request());
        let query = head.uri.query().filter(|_| wanted.query);
        let user_agent = head.headers.get(header::USER_AGENT).filter(|_| wanted.user_agent);
        let route = meta.route.as_deref();
        self.bus.line(&Line {
            time: self.bus.moment(meta.started + end.total),
            status: end.status,
            ended: end.ended,
            stdout: wanted.stdout && self.bus.writes() && is_enabled(Access::level(end.status, end.ended)),
            client_ip: meta.client_ip,
            duration: end.total,
            to_head: end.to_head,
            bytes_in: end.request_bytes,
            bytes_out: end.response_bytes,
            request_id: meta.request_id.as_bytes(),
            method: head.method.as_str().as_bytes(),
            path: head.uri.path().as_bytes(),
            query: query.map(str::as_bytes),
            route: route.map(|route| route.label.as_bytes()),
            plugin: route.and_then(|route| route.plugin.as_deref()).map(str::as_bytes),
            user_agent: user_agent.map(HeaderValue::as_bytes),
            trace: head.headers.get(TRACEPARENT).map(HeaderValue::as_bytes),
            error: end.error.map(str::as_bytes),
        });
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
