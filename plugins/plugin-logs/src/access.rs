//! The hook set: one access line for each exchange and, where traces are sent, its spans.
//!
//! On the way of a request it copies handles and numbers; text is made by the collector and the exporter.

use buntime_core::{Completion, Cx, Hooks, Http, Pre, Stages, Step};

#[cfg(feature = "otlp")]
use crate::otlp::Tracer;
use crate::{
    bus::LogBus,
    record::{Exchange, Wanted},
};

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
            self.bus.exchange(Exchange::of(cx, end, wanted));
        }
        #[cfg(feature = "otlp")]
        if let Some(tracer) = &self.tracer {
            tracer.end(cx, end);
        }
        Step::ready(())
    }
}
