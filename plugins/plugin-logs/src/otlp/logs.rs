//! Log entries as OTLP log records. They are redacted already.

use std::sync::Arc;

use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message;
use serde_json::Value;

use crate::{
    entry::{Access, Entry, Level, What, millis},
    otlp::{TARGET, attribute, batch::Signal, nanos, number, scope, text},
    redact::Redactor,
};

/// What takes part in sending: their words about an export would be exported, which makes more of them.
const OURS: [&str; 6] = [TARGET, "h2", "hyper", "hyper_util", "rustls", "tower"];

pub(super) fn is_exported(entry: &Entry) -> bool {
    let source = entry.source();
    !OURS.iter().any(|ours| source.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

fn record(entry: &Entry) -> LogRecord {
    let mut attributes = vec![text("log.source", entry.source())];
    if let Some(plugin) = &entry.plugin {
        attributes.push(text("buntime.plugin", &**plugin));
    }
    if let Some(id) = &entry.request_id {
        attributes.push(text("buntime.request_id", &**id));
    }
    let mut record = LogRecord {
        time_unix_nano: nanos(entry.time),
        observed_time_unix_nano: nanos(entry.time),
        severity_number: severity(entry.level),
        severity_text: entry.level.as_str().to_ascii_uppercase(),
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(entry.message().into_owned())) }),
        ..LogRecord::default()
    };
    match &entry.what {
        What::Event { meta, .. } => attributes.extend(meta.iter().filter_map(|(key, value)| field(key, value))),
        What::Access(access) => {
            attributes.extend(fields(access));
            if let Some(trace) = access.trace {
                record.trace_id = trace.trace_id().to_be_bytes().to_vec();
                record.span_id = trace.span_id().to_be_bytes().to_vec();
                record.flags = u32::from(trace.is_sampled());
            }
        }
    }
    record.attributes = attributes;
    record
}

fn fields(access: &Access) -> Vec<KeyValue> {
    let mut list = vec![
        text("http.request.method", access.method.as_str()),
        text("url.path", &*access.path),
        number("http.response.status_code", access.status.into()),
        number("http.request.body.size", access.bytes_in),
        number("http.response.body.size", access.bytes_out),
        text("client.address", access.client_ip.to_string()),
        attribute("buntime.duration_ms", any_value::Value::DoubleValue(millis(access.duration))),
    ];
    let optional = [
        ("url.query", access.query.as_deref()),
        ("http.route", access.route.as_deref()),
        ("user_agent.original", access.user_agent.as_deref()),
        ("error.type", access.error.as_deref()),
    ];
    list.extend(optional.into_iter().filter_map(|(key, value)| Some(text(key, value?))));
    list
}

fn field(key: &str, value: &Value) -> Option<KeyValue> {
    Some(attribute(key, any(value)?))
}

fn any(value: &Value) -> Option<any_value::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => any_value::Value::BoolValue(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => any_value::Value::IntValue(number),
            None => any_value::Value::DoubleValue(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => any_value::Value::StringValue(text.clone()),
        Value::Array(list) => {
            let values = list.iter().map(|value| AnyValue { value: any(value) }).collect();
            any_value::Value::ArrayValue(ArrayValue { values })
        }
        Value::Object(map) => {
            let values = map.iter().filter_map(|(key, value)| field(key, value)).collect();
            any_value::Value::KvlistValue(KeyValueList { values })
        }
    })
}

/// `SeverityNumber` of OTLP.
fn severity(level: Level) -> i32 {
    match level {
        Level::Trace => 1,
        Level::Debug => 5,
        Level::Info => 9,
        Level::Warn => 13,
        Level::Error => 17,
    }
}

/// Logs.
pub(super) enum LogSignal {}

impl Signal for LogSignal {
    type Item = Arc<Entry>;
    type Request = ExportLogsServiceRequest;
    const NAME: &'static str = "logs";
    const PATH: &'static str = "/v1/logs";

    fn request(items: Vec<Arc<Entry>>, resource: Resource, _: &Redactor) -> Self::Request {
        let log_records = items.iter().map(|entry| record(entry)).collect();
        let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() }];
        ExportLogsServiceRequest { resource_logs }
    }

    fn rejected(answer: &[u8], json: bool) -> Option<(u64, String)> {
        let answer: ExportLogsServiceResponse =
            if json { serde_json::from_slice(answer).ok()? } else { Message::decode(answer).ok()? };
        let partial = answer.partial_success?;
        Some((u64::try_from(partial.rejected_log_records).unwrap_or(0), partial.error_message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(source: &'static str) -> Entry {
        let what = What::Event { source: source.into(), message: "x".into(), meta: serde_json::Map::new() };
        let time = std::time::SystemTime::UNIX_EPOCH;
        Entry { id: 1, time, level: Level::Warn, plugin: None, request_id: None, what }
    }

    #[test]
    fn an_export_makes_no_logs_to_export() {
        for source in [TARGET, "hyper", "hyper::proto::h1", "hyper_util::client::legacy", "h2::codec", "rustls::conn"] {
            assert!(!is_exported(&entry(source)), "{source}");
        }
        for source in ["plugin_logs::otlp_like", "hyperion", "buntime_http::upstream", "access"] {
            assert!(is_exported(&entry(source)), "{source}");
        }
    }

    #[test]
    fn fields_keep_their_types() {
        let mut entry = entry("test");
        let meta = serde_json::json!({ "n": 1, "f": 0.5, "b": true, "none": null, "list": ["a", { "k": "v" }] });
        entry.what =
            What::Event { source: "test".into(), message: "x".into(), meta: meta.as_object().unwrap().clone() };
        let record = record(&entry);
        let value = |key: &str| {
            record.attributes.iter().find(|a| a.key == key).map(|a| a.value.clone().unwrap().value.unwrap())
        };
        assert_eq!(value("n"), Some(any_value::Value::IntValue(1)));
        assert_eq!(value("f"), Some(any_value::Value::DoubleValue(0.5)));
        assert_eq!(value("b"), Some(any_value::Value::BoolValue(true)));
        assert_eq!(value("none"), None);
        assert!(matches!(value("list"), Some(any_value::Value::ArrayValue(list)) if list.values.len() == 2));
        assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "WARN"));
    }
}
