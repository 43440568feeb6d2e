//! One request to the collector.

use std::time::Duration;

use axum::body::{Body, Bytes};
use buntime_core::BoxError;
use buntime_http::upstream::{Upstream, UpstreamOptions};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};

use crate::config::{OtlpSettings, Protocol};

/// More of an answer is not read.
const LARGEST_ANSWER: usize = 64 << 10;
/// A collector cannot ask for a longer pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Posts to one collector. Cheap to clone; clones share connections.
#[derive(Clone)]
pub(super) struct Client {
    upstream: Upstream,
    /// The endpoint's path, without a slash at its end.
    base: String,
    headers: HeaderMap,
    protocol: Protocol,
    timeout: Duration,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    /// For the log.
    pub(super) why: String,
    /// Whether it may be tried again, and after what the collector asks for.
    pub(super) retry: Option<Duration>,
}

impl Refusal {
    fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry: Some(Duration::ZERO) }
    }
}

impl Client {
    /// Connects when the first batch is sent.
    pub(super) fn new(settings: &OtlpSettings) -> Result<Self, BoxError> {
        let origin: Uri = settings.endpoint.parse()?;
        let base = origin.path().trim_end_matches('/').to_owned();
        let mut options = UpstreamOptions::new(origin);
        options.connect_timeout = *settings.timeout;
        let content_type = match settings.protocol {
            Protocol::Protobuf => "application/x-protobuf",
            Protocol::Json => "application/json",
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("buntime/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in &settings.headers {
            let mut value = HeaderValue::try_from(value)?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name)?, value);
        }
        let upstream = Upstream::new(&options)?;
        Ok(Self { upstream, base, headers, protocol: settings.protocol, timeout: *settings.timeout })
    }

    pub(super) fn is_json(&self) -> bool {
        self.protocol == Protocol::Json
    }

    pub(super) fn encode(&self, message: &(impl prost::Message + serde::Serialize)) -> Bytes {
        match self.protocol {
            Protocol::Protobuf => message.encode_to_vec().into(),
            Protocol::Json => serde_json::to_vec(message).unwrap_or_default().into(),
        }
    }

    /// Sends a body; the answer's body when it was taken.
    pub(super) async fn post(&self, path: &str, body: Bytes) -> Result<Bytes, Refusal> {
        let sending = self.send(path, body);
        match tokio::time::timeout(self.timeout, sending).await {
            Ok(result) => result,
            Err(_) => Err(Refusal::passing(format!("no answer within {:?}", self.timeout))),
        }
    }

    async fn send(&self, path: &str, body: Bytes) -> Result<Bytes, Refusal> {
        let length = HeaderValue::from(body.len());
        let mut request = Request::post(format!("{}{path}", self.base))
            .body(Body::from(body))
            .map_err(|error| Refusal { why: format!("the endpoint's path cannot be used: {error}"), retry: None })?;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::CONTENT_LENGTH, length);
        let response = self.upstream.send(request).await.map_err(|error| Refusal::passing(error.to_string()))?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(status, response.headers()));
        }
        // An answer that cannot be read says nothing against the batch.
        Ok(axum::body::to_bytes(response.into_body(), LARGEST_ANSWER).await.unwrap_or_default())
    }
}

/// What OTLP says may be tried again: 429, 502, 503 and 504.
fn refused(status: StatusCode, headers: &HeaderMap) -> Refusal {
    let passing = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = Duration::from_secs(after.unwrap_or(0)).min(LONGEST_PAUSE);
    Refusal { why: format!("the collector answered {status}"), retry: passing.then_some(after) }
}
