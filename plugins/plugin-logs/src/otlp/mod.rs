//! Traces and logs by OTLP over HTTP, as protocol buffers or JSON.
//!
//! Each signal has a bounded queue and one task that sends what has gathered. Nothing waits for a collector: what does
//! not fit in the queue, and what it refuses or cannot be given in a few attempts, is lost and counted.

mod batch;
mod client;
mod logs;
mod spans;
mod tracer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use buntime_core::{BoxError, Finding, PluginContext};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    bus::LogBus,
    config::OtlpSettings,
    entry::Entry,
    otlp::{
        batch::{Batches, Feed, Progress},
        client::Client,
        logs::LogSignal,
        spans::SpanSignal,
    },
    redact::Redactor,
};

pub(crate) use tracer::Tracer;

/// What this module logs is not exported.
pub(crate) const TARGET: &str = "plugin_logs::otlp";
/// How long stopping waits for exchanges that still run, so that their spans are sent too.
const HOLD: Duration = Duration::from_secs(5);

/// The exporters of one instance. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Otlp {
    traces: Option<Arc<Progress>>,
    logs: Option<Arc<Progress>>,
    tracer: Tracer,
}

impl Otlp {
    /// Starts a task for each signal that is sent.
    pub(crate) fn start(
        context: &PluginContext,
        bus: &LogBus,
        settings: &OtlpSettings,
        redactor: Arc<Redactor>,
    ) -> Result<Self, BoxError> {
        let (interval, limit) = (*settings.interval, *settings.timeout);
        let (client, running, over) = (Client::new(settings)?, Running::default(), CancellationToken::new());
        let batches = Batches { client, resource: resource(settings), redactor, interval, limit };
        context.spawn_until_done(end(context.clone(), bus.clone(), running.clone(), over.clone()));
        let spans = settings.traces.then(|| {
            let (feed, queue) = Feed::new(settings.queue);
            context.spawn_until_done(batches.clone().run::<SpanSignal>(queue, feed.progress(), over.clone()));
            feed
        });
        let logs = settings.logs.then(|| {
            let (feed, queue) = Feed::new(settings.queue);
            let progress = feed.progress();
            let sending = Box::pin(batches.run::<LogSignal>(queue, progress.clone(), over));
            let offer = move |entry: &Arc<Entry>| {
                if logs::is_exported(entry) {
                    feed.offer(entry.clone());
                }
            };
            let tapped = bus.tap(settings.level, Arc::new(offer));
            context.spawn_until_done(async move {
                sending.await;
                drop(tapped);
            });
            progress
        });
        let traces = spans.as_ref().map(Feed::progress);
        Ok(Self { traces, logs, tracer: Tracer::new(spans, settings.sample_ratio, running) })
    }

    /// Begins and ends the spans of exchanges.
    pub(crate) fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// What was sent and lost.
    pub(crate) fn figures(&self) -> Value {
        let of = |progress: &Option<Arc<Progress>>| progress.as_ref().map(|progress| progress.figures());
        json!({ "traces": of(&self.traces), "logs": of(&self.logs) })
    }

    /// Degraded while a collector cannot be reached.
    pub(crate) fn health(&self) -> Finding {
        let failing = self.traces.iter().chain(&self.logs).find_map(|progress| progress.failing());
        let finding =
            failing.map_or_else(Finding::healthy, |why| Finding::degraded(format!("OTLP export fails: {why}")));
        finding.with_details(self.figures())
    }
}

/// How many exchanges are under way.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    fn end(&self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Says that it is over once the instance ends and its exchanges are done, or have been waited for long enough.
async fn end(context: PluginContext, bus: LogBus, running: Running, over: CancellationToken) {
    context.cancelled().cancelled().await;
    let until = Instant::now() + HOLD;
    while running.0.load(SeqCst) > 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bus.flush().await;
    over.cancel();
}

fn resource(settings: &OtlpSettings) -> Resource {
    let attributes = vec![
        text("service.name", settings.service_name.as_str()),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", uuid::Uuid::now_v7().to_string()),
        text("telemetry.sdk.language", "rust"),
        text("telemetry.sdk.name", "buntime"),
        text("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    Resource { attributes, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

fn number(key: &str, value: u64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Nanoseconds since 1970.
fn nanos(time: std::time::SystemTime) -> u64 {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
