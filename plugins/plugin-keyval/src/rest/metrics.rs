//! What is measured, as JSON in the original's shape and for Prometheus, in seconds.

use axum::response::{IntoResponse, Response};
use buntime_core::measure::{Family, Figure, Type};
use buntime_keyval::{Limits, Namespace, engine::DEFAULT_NAMESPACE, rest::totals_to_json};
use buntime_measure::{Text, text};
use http::header;
use serde_json::{Map, Value as Json, json};

use super::{Refused, caller::Caller, show};
use crate::face::Face;

/// What a namespace holds now.
struct Holds {
    queue: Json,
    entries: u64,
    bytes: u64,
}

impl Holds {
    async fn read(face: &Face, kv: &Namespace) -> buntime_keyval::Result<Self> {
        let queue = totals_to_json(&kv.queues().await?);
        let (entries, bytes) = face.usage.of(kv).await?;
        Ok(Self { queue, entries, bytes })
    }

    fn families(&self, families: &mut Vec<Family>) {
        let mut gauge = |name, help, value| {
            families.push(Family::new(name, Type::Gauge, help).with([], Figure::Count(value)));
        };
        let of = |name: &str| self.queue[name].as_u64().unwrap_or_default();
        gauge("keyval_queue_pending", "Messages that wait.", of("pending"));
        gauge("keyval_queue_processing", "Messages that a consumer has.", of("processing"));
        gauge("keyval_queue_dlq", "Dead letters.", of("dlq"));
        gauge("keyval_queue_total", "Messages and dead letters.", of("total"));
        gauge("keyval_entries_total", "Entries.", self.entries);
        gauge("keyval_storage_bytes", "Bytes of all keys and values.", self.bytes);
    }
}

pub(super) async fn json(caller: Caller) -> Result<Response, Refused> {
    let holds = Holds::read(&caller.rest.face, &caller.kv).await?;
    let (mut each, mut all, mut errors) = (Map::new(), 0, 0);
    for of in caller.ops().read().filter(|of| of.took.count() > 0) {
        let count = of.took.count();
        let average = of.took.mean().map(|seconds| (seconds * 1e6).round() / 1e3);
        each.insert(of.op.name().to_owned(), json!({ "avgLatencyMs": average, "count": count, "errors": of.errors }));
        all += count;
        errors += of.errors;
    }
    Ok(show::answer(json!({
        "operations": { "operations": each, "totals": { "errors": errors, "operations": all } },
        "queue": holds.queue,
        "storage": { "entries": holds.entries, "sizeBytes": holds.bytes },
    })))
}

pub(super) async fn prometheus(caller: Caller) -> Result<Response, Refused> {
    let mut families = operations(&caller.rest.face);
    Holds::read(&caller.rest.face, &caller.kv).await?.families(&mut families);
    let mut written = Text::new();
    families.iter().for_each(|family| written.render(family));
    let headers = [(header::CONTENT_TYPE, text::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, written.finish()).into_response())
}

/// What the whole plugin contributes to the metrics of the runtime: its operations, and what the default namespace holds.
pub(crate) async fn families(face: Face) -> Vec<Family> {
    let mut families = operations(&face);
    let holds = async { Holds::read(&face, &face.engine.namespace(DEFAULT_NAMESPACE, Limits::DENO).await?).await };
    match holds.await {
        Ok(holds) => holds.families(&mut families),
        Err(error) => tracing::warn!(%error, "what the store holds could not be counted"),
    }
    families
}

fn operations(face: &Face) -> Vec<Family> {
    let mut counts =
        Family::new("keyval_operations_total", Type::Counter, "Operations, by kind; also those that failed.");
    let mut errors = Family::new("keyval_errors_total", Type::Counter, "Operations that failed, or were refused.");
    let took = "How long operations took.";
    let mut durations = Family::new("keyval_operation_duration_seconds", Type::Histogram, took);
    for of in face.ops.read() {
        let labels = [("operation", of.op.name())];
        counts = counts.with(labels, Figure::Count(of.took.count()));
        errors = errors.with(labels, Figure::Count(of.errors));
        if of.took.count() > 0 {
            durations = durations.with(labels, of.took.figure(face.ops.bounds()));
        }
    }
    vec![counts, errors, durations]
}
