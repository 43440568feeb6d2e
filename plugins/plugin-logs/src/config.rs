//! The settings of this plugin.

use std::collections::BTreeMap;

use buntime_core::{
    Settings, SettingsProblem,
    units::{Size, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::entry::Level;

/// What is kept, shown and sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogsSettings {
    /// Entries that the ring keeps, 1 to 1000000. Default 10000.
    pub max_entries: usize,
    /// Memory that the ring may take, 64kb to 1gb. Default 16mb.
    pub max_bytes: Size,
    /// A longer message is cut, and so are its fields together; 64b to 1mb. Default 8kb.
    pub max_message: Size,
    /// Names of headers, parameters and fields whose values are secret, beside the built-in ones. Default
    /// `authorization`, `cookie`.
    pub redact: Vec<String>,
    /// Is there a line for every exchange? Default true.
    pub access: bool,
    /// Do access lines go to stdout too, where the program writes its logs there? Default true.
    pub stdout: bool,
    /// Do access lines have the query, with secrets redacted? Default false.
    pub query: bool,
    /// Do access lines say what the client calls itself? Default true.
    pub user_agent: bool,
    /// Live streams at the same time, 1 to 1024. Default 16.
    pub max_streams: usize,
    /// A stream on which nothing happens gets a comment that often, 1s to 1h. Default 15s.
    pub keep_alive: Span,
    /// Sends traces and logs by OTLP over HTTP. Default: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpSettings>,
}

/// Where traces and logs are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtlpSettings {
    /// The collector: `http://127.0.0.1:4318`. `/v1/traces` and `/v1/logs` are put behind it.
    pub endpoint: String,
    /// Headers of each request, for collectors that want a key.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How it is encoded. Default `http/protobuf`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Are traces sent? Default true.
    #[serde(default = "yes")]
    pub traces: bool,
    /// Are logs sent? Default true.
    #[serde(default = "yes")]
    pub logs: bool,
    /// Logs that are less important are not sent. Default `info`.
    #[serde(default = "info")]
    pub level: Level,
    /// The share of traces begun here that is sent, 0 to 1. What a caller decided in `traceparent` stands. Default 1.
    #[serde(default = "one")]
    pub sample_ratio: f64,
    /// `service.name`. Default `buntime`.
    #[serde(default = "buntime")]
    pub service_name: String,
    /// How long one request may take, and the last ones when the plugin stops; 100ms to 60s. Default 10s.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
    /// What has gathered is sent that often, 10ms to 60s. Default 1s.
    #[serde(default = "one_second")]
    pub interval: Span,
    /// Spans, and log entries, that may wait to be sent, 1 to 100000; what comes then is lost and counted. Default
    /// 2048.
    #[serde(default = "queue")]
    pub queue: usize,
}

/// How OTLP is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// Protocol buffers.
    #[default]
    #[serde(rename = "http/protobuf")]
    Protobuf,
    /// JSON.
    #[serde(rename = "http/json")]
    Json,
}

fn yes() -> bool {
    true
}

fn info() -> Level {
    Level::Info
}

fn one() -> f64 {
    1.0
}

fn buntime() -> String {
    "buntime".to_owned()
}

fn ten_seconds() -> Span {
    Span::secs(10)
}

fn one_second() -> Span {
    Span::secs(1)
}

fn queue() -> usize {
    2048
}

impl Default for LogsSettings {
    fn default() -> Self {
        Self {
            max_entries: 10_000,
            max_bytes: Size(16 << 20),
            max_message: Size(8 << 10),
            redact: vec!["authorization".to_owned(), "cookie".to_owned()],
            access: true,
            stdout: true,
            query: false,
            user_agent: true,
            max_streams: 16,
            keep_alive: Span::secs(15),
            otlp: None,
        }
    }
}

/// Gathers problems, each with its place.
struct Problems(Vec<SettingsProblem>);

impl Problems {
    fn within<T: PartialOrd + Copy>(
        &mut self,
        pointer: &str,
        value: T,
        range: std::ops::RangeInclusive<T>,
        words: &str,
    ) {
        if !range.contains(&value) {
            self.0.push(SettingsProblem::new(pointer, "out of range").with_help(format!("write {words}")));
        }
    }

    fn add(&mut self, pointer: String, message: &str, help: &str) {
        self.0.push(SettingsProblem::new(pointer, message).with_help(help));
    }
}

impl Settings for LogsSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Problems(Vec::new());
        problems.within("/maxEntries", self.max_entries, 1..=1_000_000, "a number from 1 to 1000000");
        problems.within("/maxBytes", self.max_bytes, Size(64 << 10)..=Size(1 << 30), "a size from 64kb to 1gb");
        problems.within("/maxMessage", self.max_message, Size(64)..=Size(1 << 20), "a size from 64b to 1mb");
        problems.within("/maxStreams", self.max_streams, 1..=1024, "a number from 1 to 1024");
        problems.within("/keepAlive", self.keep_alive, Span::secs(1)..=Span::secs(3600), "a duration from 1s to 1h");
        for (index, name) in self.redact.iter().enumerate() {
            if !name.chars().any(char::is_alphanumeric) {
                let help = "write the name of a header, parameter or field";
                problems.add(format!("/redact/{index}"), "this is no name", help);
            }
        }
        if let Some(otlp) = &self.otlp {
            otlp.problems(&mut problems);
        }
        problems.0
    }
}

impl OtlpSettings {
    fn problems(&self, problems: &mut Problems) {
        if cfg!(not(feature = "otlp")) {
            let help = "leave it out, or build plugin-logs with its feature `otlp`";
            problems.add("/otlp".to_owned(), "this program was built without OTLP", help);
        }
        self.endpoint_problems(problems);
        for (name, value) in &self.headers {
            let pointer = format!("/otlp/headers/{}", name.replace('~', "~0").replace('/', "~1"));
            if http::HeaderName::try_from(name.as_str()).is_err() {
                problems.add(pointer.clone(), "this is no name of a header", "write one such as `api-key`");
            }
            if http::HeaderValue::try_from(value.as_str()).is_err() {
                problems.add(pointer, "this value cannot stand in a header", "take control characters out of it");
            }
        }
        problems.within("/otlp/sampleRatio", self.sample_ratio, 0.0..=1.0, "a number from 0 to 1");
        let minute = Span::secs(60);
        problems.within("/otlp/timeout", self.timeout, Span::millis(100)..=minute, "a duration from 100ms to 60s");
        problems.within("/otlp/interval", self.interval, Span::millis(10)..=minute, "a duration from 10ms to 60s");
        problems.within("/otlp/queue", self.queue, 1..=100_000, "a number from 1 to 100000");
        if self.service_name.trim().is_empty() {
            problems.add("/otlp/serviceName".to_owned(), "it is empty", "write a name or leave it out");
        }
    }

    fn endpoint_problems(&self, problems: &mut Problems) {
        let pointer = || "/otlp/endpoint".to_owned();
        let help = "write one such as http://127.0.0.1:4318";
        match url::Url::parse(&self.endpoint) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
                problems.add(pointer(), "it is no http or https URL", help);
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                problems.add(pointer(), "it has a user name or password in it", "put them in `headers`");
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                problems.add(pointer(), "it has a query or fragment", help);
            }
            Ok(_) => {}
            Err(_) => problems.add(pointer(), "it is no URL", help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_core::SettingsSpec;
    use serde_json::json;

    #[test]
    fn nothing_given_is_the_default() {
        let settings: LogsSettings = serde_json::from_value(json!({})).unwrap();
        assert_eq!(settings, LogsSettings::default());
        assert_eq!(settings.problems(), []);
    }

    #[test]
    fn every_problem_has_its_place() {
        let problems = SettingsSpec::of::<LogsSettings>().check(&json!({
            "maxEntries": 0, "maxBytes": 1, "maxMessage": "2mb", "maxStreams": 0, "keepAlive": 0, "redact": ["x", " "],
            "otlp": { "endpoint": "http://a:b@c", "headers": { "a b": "c\n" }, "sampleRatio": 2, "timeout": "1h",
                      "interval": 0, "queue": 0, "serviceName": "" }
        }));
        let places: Vec<&str> = problems.iter().map(|problem| &*problem.pointer).collect();
        let expected = [
            "/maxEntries",
            "/maxBytes",
            "/maxMessage",
            "/maxStreams",
            "/keepAlive",
            "/redact/1",
            "/otlp/endpoint",
            "/otlp/headers/a b",
            "/otlp/headers/a b",
            "/otlp/sampleRatio",
            "/otlp/timeout",
            "/otlp/interval",
            "/otlp/queue",
            "/otlp/serviceName",
        ];
        assert_eq!(places, expected);
        assert!(!problems.iter().any(|problem| problem.to_string().contains("a:b")), "no secrets in problems");
    }
}
