//! Traces and logs at a collector: what it gets, in both encodings, and what happens when it is away.
#![cfg(feature = "otlp")]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use buntime_testing::eventually;
use common::Fixture;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value as Any},
    logs::v1::LogRecord,
    trace::v1::Span,
};
use prost::Message;
use serde_json::{Value, json};

/// A collector on a port of its own that decodes what it gets.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    logs: Arc<Mutex<Vec<LogRecord>>>,
    services: Arc<Mutex<Vec<String>>>,
    headers: Arc<Mutex<HeaderMap>>,
    /// Requests that are refused before one is taken.
    refusals: Arc<AtomicUsize>,
}

impl Collector {
    async fn start(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(collect).with_state(self);
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}/otlp/")
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    fn logs(&self) -> Vec<LogRecord> {
        self.logs.lock().unwrap().clone()
    }
}

async fn collect(State(collector): State<Collector>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if collector.refusals.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let json = headers["content-type"] == "application/json";
    assert!(json || headers["content-type"] == "application/x-protobuf");
    *collector.headers.lock().unwrap() = headers;
    match uri.path() {
        "/otlp/v1/traces" => {
            let request: ExportTraceServiceRequest =
                if json { serde_json::from_slice(&body).unwrap() } else { Message::decode(body).unwrap() };
            for resource in request.resource_spans {
                let service = attribute(&resource.resource.unwrap().attributes, "service.name");
                collector.services.lock().unwrap().push(service);
                let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                collector.spans.lock().unwrap().extend(spans);
            }
        }
        "/otlp/v1/logs" => {
            let request: ExportLogsServiceRequest =
                if json { serde_json::from_slice(&body).unwrap() } else { Message::decode(body).unwrap() };
            let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
            collector.logs.lock().unwrap().extend(scopes.flat_map(|scope| scope.log_records));
        }
        other => panic!("{other}"),
    }
    if json { "{}".into_response() } else { ().into_response() }
}

fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    }
}

fn settings(endpoint: &str, more: &Value) -> Value {
    let mut otlp = json!({ "endpoint": endpoint, "interval": "10ms", "serviceName": "gate" });
    otlp.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "otlp": otlp })
}

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

async fn echoed(fixture: &Fixture, headers: &[(&str, &str)]) -> String {
    let mut request = Request::get("/echo?token=hunter2").header("user-agent", "test token=hunter2");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    common::text(fixture.send(request.body(Body::empty()).unwrap()).await).await.1
}

async fn exchange_is_exported(protocol: &str) {
    let collector = Collector::default();
    let endpoint = collector.clone().start().await;
    let more = json!({ "protocol": protocol, "headers": { "api-key": "k-1" } });
    let fixture = Fixture::start(settings(&endpoint, &more)).await;
    let seen = echoed(&fixture, &[("traceparent", CALLER), ("tracestate", "a=1"), ("x-request-id", "r-1")]).await;
    eventually("spans and logs arrive", || async { collector.spans().len() >= 2 && !collector.logs().is_empty() })
        .await;
    let spans = collector.spans();
    let server = spans.iter().find(|span| span.kind == 2).unwrap();
    let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes();
    assert_eq!(server.trace_id, trace);
    assert_eq!(server.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!((server.name.as_str(), server.trace_state.as_str()), ("GET", "a=1"));
    assert!(server.end_time_unix_nano > server.start_time_unix_nano);
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("url.path", "/echo"),
        ("http.response.status_code", "200"),
        ("buntime.request_id", "r-1"),
    ] {
        assert_eq!(attribute(&server.attributes, key), expected);
    }
    let hook = spans.iter().find(|span| span.kind == 1).unwrap();
    assert_eq!(
        (hook.name.as_str(), &hook.parent_span_id, &hook.trace_id),
        ("logs pre", &server.span_id, &server.trace_id)
    );
    assert_eq!(attribute(&hook.attributes, "buntime.hook.outcome"), "continue");
    assert!(hook.start_time_unix_nano >= server.start_time_unix_nano);
    let ours: String = server.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(seen.contains(&format!("00-0af7651916cd43dd8448eb211c80319c-{ours}-01")), "{seen}");
    let logs = collector.logs();
    assert_eq!((&logs[0].trace_id[..], &logs[0].span_id), (&trace[..], &server.span_id));
    assert_eq!(
        (logs[0].severity_number, attribute(&logs[0].attributes, "http.response.status_code")),
        (9, "200".to_owned())
    );
    assert_eq!(attribute(&logs[0].attributes, "user_agent.original"), "test token=***");
    assert_eq!(collector.services.lock().unwrap()[0], "gate");
    assert_eq!(collector.headers.lock().unwrap()["api-key"], "k-1");
    assert!(!format!("{spans:?}{logs:?}").contains("hunter2"));
    fixture.host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_exchange_is_exported_as_protocol_buffers() {
    exchange_is_exported("http/protobuf").await;
}

#[tokio::test]
async fn an_exchange_is_exported_as_json() {
    exchange_is_exported("http/json").await;
}

#[tokio::test]
async fn what_the_caller_decided_stands() {
    let collector = Collector::default();
    let endpoint = collector.clone().start().await;
    let fixture = Fixture::start(settings(&endpoint, &json!({ "logs": false }))).await;
    let seen = echoed(&fixture, &[("traceparent", UNSAMPLED), ("tracestate", "a=1")]).await;
    assert!(seen.contains(UNSAMPLED) && seen.contains("a=1"), "{seen}");
    let seen = echoed(&fixture, &[("traceparent", "rubbish"), ("tracestate", "a=1")]).await;
    assert!(!seen.contains("rubbish") && !seen.contains("a=1") && seen.contains("-01"), "{seen}");
    fixture.host.stop(Duration::from_secs(5)).await;
    let servers = collector.spans().into_iter().filter(|span| span.kind == 2).count();
    assert_eq!(servers, 1, "stopping has sent the one that was sampled, and nothing else");
    assert!(collector.logs().is_empty());
}

#[tokio::test]
async fn nothing_is_sampled_at_zero_but_a_trace_is_passed_on() {
    let collector = Collector::default();
    let endpoint = collector.clone().start().await;
    let fixture = Fixture::start(settings(&endpoint, &json!({ "sampleRatio": 0 }))).await;
    let seen = echoed(&fixture, &[]).await;
    assert!(seen.contains("traceparent") && seen.contains("-00"), "{seen}");
    fixture.host.stop(Duration::from_secs(5)).await;
    assert!(collector.spans().is_empty());
    assert_eq!(collector.logs().len(), 1, "logs are not sampled");
}

#[tokio::test]
async fn without_otlp_a_trace_passes_through_unchanged() {
    let fixture = Fixture::start(json!({})).await;
    let seen = echoed(&fixture, &[("traceparent", CALLER)]).await;
    assert!(seen.contains(CALLER), "{seen}");
    let answer = fixture.json("/p/logs/api").await;
    assert_eq!(answer["logs"][0]["meta"]["traceId"], "0af7651916cd43dd8448eb211c80319c");
}

#[tokio::test]
async fn a_collector_that_is_busy_gets_it_later() {
    let collector = Collector::default();
    collector.refusals.store(1, SeqCst);
    let endpoint = collector.clone().start().await;
    let fixture = Fixture::start(settings(&endpoint, &json!({ "traces": false }))).await;
    fixture.add("error", "it burns").await;
    fixture.add("debug", "less important").await;
    eventually("the second attempt succeeds", || async { !collector.logs().is_empty() }).await;
    fixture.host.stop(Duration::from_secs(5)).await;
    let bodies = collector.logs().into_iter().map(|log| log.body.unwrap().value.unwrap());
    assert_eq!(bodies.collect::<Vec<_>>(), [Any::StringValue("it burns".to_owned())]);
}

#[tokio::test]
async fn a_collector_that_is_away_costs_nothing_but_what_is_lost() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let more = json!({ "queue": 4, "timeout": "200ms", "interval": "10ms" });
    let fixture = Fixture::start(settings(&endpoint, &more)).await;
    for _ in 0..50 {
        assert_eq!(fixture.get("/fine").await.0, 200);
    }
    eventually("what does not fit is counted", || async {
        let stats = fixture.json("/p/logs/api/stats").await;
        stats["otlp"]["logs"]["dropped"].as_u64() > Some(0) && stats["otlp"]["traces"]["dropped"].as_u64() > Some(0)
    })
    .await;
    let stopping = fixture.host.stop(Duration::from_secs(5));
    tokio::time::timeout(Duration::from_secs(10), stopping).await.expect("stopping waits for no collector");
}
