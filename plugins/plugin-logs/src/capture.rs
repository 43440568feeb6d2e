//! The `tracing` layer: turns every event into a record and offers it to the bus. Never blocks.
//!
//! The plugin and the request come from the event's own fields `plugin` and `request_id`, else from those of the
//! innermost span that has them.

use std::{
    fmt::{self, Write},
    sync::Arc,
    time::SystemTime,
};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record as SpanRecord},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use crate::{bus::LogBus, record::Record};

/// Most fields of one event, and of one span.
const MOST_FIELDS: usize = 32;

/// Captures every event of `tracing`. Made by [`LogBus::layer`].
#[derive(Clone, Debug)]
pub struct LogsLayer {
    bus: LogBus,
}

impl LogsLayer {
    pub(crate) fn new(bus: LogBus) -> Self {
        Self { bus }
    }
}

/// What is known in a span.
#[derive(Debug, Default)]
struct Known {
    plugin: Option<Arc<str>>,
    request_id: Option<Box<str>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogsLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut words = Words::new(self.bus.longest());
        attributes.record(&mut words);
        if let Some(span) = context.span(id).filter(|_| words.knows()) {
            span.extensions_mut().insert(Known { plugin: words.plugin, request_id: words.request_id });
        }
    }

    fn on_record(&self, id: &Id, values: &SpanRecord<'_>, context: Context<'_, S>) {
        let mut words = Words::new(self.bus.longest());
        values.record(&mut words);
        let Some(span) = context.span(id).filter(|_| words.knows()) else { return };
        let mut extensions = span.extensions_mut();
        let before = extensions.remove::<Known>().unwrap_or_default();
        let plugin = words.plugin.or(before.plugin);
        extensions.insert(Known { plugin, request_id: words.request_id.or(before.request_id) });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut words = Words::new(self.bus.longest());
        event.record(&mut words);
        for span in context.event_scope(event).into_iter().flatten() {
            if words.plugin.is_some() && words.request_id.is_some() {
                break;
            }
            if let Some(known) = span.extensions().get::<Known>() {
                words.plugin = words.plugin.take().or_else(|| known.plugin.clone());
                words.request_id = words.request_id.take().or_else(|| known.request_id.clone());
            }
        }
        // What is lost is counted by the bus.
        let _ = self.bus.add(Record {
            time: SystemTime::now(),
            level: (*event.metadata().level()).into(),
            plugin: words.plugin,
            request_id: words.request_id,
            source: event.metadata().target().into(),
            message: words.message,
            meta: words.fields,
        });
    }
}

/// Collects fields, each cut to what is left of the longest message.
struct Words {
    plugin: Option<Arc<str>>,
    request_id: Option<Box<str>>,
    message: String,
    fields: Map<String, Value>,
    longest: usize,
    /// Bytes left for the fields together.
    left: usize,
}

impl Words {
    fn new(longest: usize) -> Self {
        let (plugin, request_id) = (None, None);
        Self { plugin, request_id, message: String::new(), fields: Map::new(), longest, left: longest }
    }

    fn knows(&self) -> bool {
        self.plugin.is_some() || self.request_id.is_some()
    }

    fn text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let limit = if field.name() == "message" { self.longest } else { self.left };
        let mut bounded = Bounded { text: String::new(), limit };
        // It only fails when a value's own formatting does; what came before that is kept.
        let _ = bounded.write_fmt(text);
        match field.name() {
            "message" => self.message = bounded.text,
            "plugin" => self.plugin = Some(bounded.text.into()),
            "request_id" => self.request_id = Some(bounded.text.into()),
            _ => {
                self.left -= bounded.text.len();
                self.put(field, Value::String(bounded.text));
            }
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        if self.fields.len() < MOST_FIELDS {
            self.fields.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// Text that ends with `…` at its limit.
struct Bounded {
    text: String,
    limit: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let left = self.limit.saturating_sub(self.text.len());
        if more.len() <= left {
            self.text.push_str(more);
            return Ok(());
        }
        // An error ends the formatting of what nobody would see.
        if let Some(room) = left.checked_sub('…'.len_utf8()) {
            self.text.push_str(&more[..more.floor_char_boundary(room)]);
            self.text.push('…');
        }
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{entry::What, query::Filter};
    use tracing_subscriber::layer::SubscriberExt;

    #[tokio::test]
    async fn fields_and_spans_say_whose_it_is() {
        let bus = LogBus::new();
        let subscriber = tracing_subscriber::registry().with(LogsLayer::new(bus.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let plugin = tracing::info_span!("plugin", plugin = "proxy");
            let exchange = tracing::info_span!(parent: &plugin, "exchange", request_id = "r-1");
            exchange.in_scope(|| tracing::warn!(tries = 3, "upstream {} is down", "users"));
            plugin.in_scope(|| tracing::info!(plugin = "authn", request_id = "r-2", "hello"));
            tracing::debug!(password = "hunter2", "alone");
        });
        bus.flush().await;
        let entries = bus.query(&Filter::default());
        let shown =
            entries.iter().map(|e| (e.level.as_str(), e.plugin.as_deref(), e.request_id.as_deref(), e.message()));
        let expected = [
            ("debug", None, None, "alone".into()),
            ("info", Some("authn"), Some("r-2"), "hello".into()),
            ("warn", Some("proxy"), Some("r-1"), "upstream users is down".into()),
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        let What::Event { meta, .. } = &entries[0].what else { panic!("not an event") };
        assert_eq!(meta["password"], "***");
        let What::Event { meta, source, .. } = &entries[2].what else { panic!("not an event") };
        assert_eq!((&meta["tries"], &**source), (&Value::from(3), module_path!()));
    }

    #[tokio::test]
    async fn what_is_long_is_cut() {
        let bus = LogBus::new();
        bus.configure(10, 1 << 20, 100, std::sync::Arc::default());
        let subscriber = tracing_subscriber::registry().with(LogsLayer::new(bus.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(a = "é".repeat(99), b = "x".repeat(99), "{}", "ü".repeat(1000));
        });
        bus.flush().await;
        let entries = bus.query(&Filter::default());
        assert!(entries[0].message().len() <= 100 && entries[0].message().ends_with('…'));
        let What::Event { meta, .. } = &entries[0].what else { panic!("not an event") };
        assert!(meta["a"].as_str().unwrap().len() + meta["b"].as_str().unwrap().len() <= 100);
    }
}
