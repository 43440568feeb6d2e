//! The span of an exchange: begun in the first hook, so that upstreams get it as their parent, and ended in the last.

use buntime_core::{Completion, Cx, Http};
use buntime_http::trace_context::{TRACEPARENT, TRACESTATE, TraceContext, tracestate};
use uuid::Uuid;

use crate::otlp::{Running, batch::Feed, spans::SpanRecord};

/// Begins and ends spans. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tracer {
    /// `None`: no traces are sent, exchanges are only counted.
    spans: Option<Feed<SpanRecord>>,
    ratio: f64,
    running: Running,
}

/// A span that was begun; kept with the exchange.
#[derive(Default)]
struct Begun(Option<Span>);

struct Span {
    context: TraceContext,
    caller: Option<TraceContext>,
}

impl Tracer {
    pub(super) fn new(spans: Option<Feed<SpanRecord>>, ratio: f64, running: Running) -> Self {
        Self { spans, ratio, running }
    }

    /// Honours the caller's `traceparent`, or begins a trace, and puts our own span in its place.
    pub(crate) fn begin(&self, cx: &mut Cx<Http>) {
        self.running.begin();
        if self.spans.is_none() {
            return;
        }
        let caller = TraceContext::of(&cx.request().headers);
        let context = match caller {
            // Not ours to record, and not ours to change.
            Some(caller) if !caller.is_sampled() => return,
            Some(caller) => caller.child(),
            None => TraceContext::new_root(self.samples()),
        };
        let headers = &mut cx.request_mut().headers;
        headers.insert(TRACEPARENT, context.to_header());
        if caller.is_none() {
            headers.remove(TRACESTATE);
        }
        if context.is_sampled() {
            cx.log_hooks();
            cx.slot::<Begun>().0 = Some(Span { context, caller });
        }
    }

    pub(crate) fn end(&self, cx: &mut Cx<Http>, end: &Completion) {
        self.running.end();
        let Some(spans) = &self.spans else { return };
        let Some(Span { context, caller }) = cx.slot::<Begun>().0.take() else { return };
        let state = caller.and_then(|_| tracestate(&cx.request().headers));
        spans.offer(SpanRecord::of(cx, end, context, caller, state));
    }

    /// Is a trace that begins here sent?
    fn samples(&self) -> bool {
        // The low half of a new UUID is random.
        let random =
            (Uuid::new_v7(uuid::Timestamp::now(uuid::NoContext)).as_u128() as u32) as f64 / f64::from(u32::MAX);
        self.ratio >= 1.0 || random < self.ratio
    }
}
