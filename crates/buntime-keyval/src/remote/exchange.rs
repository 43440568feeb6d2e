//! Sending requests, and sending them again.

use std::time::{Duration, Instant};

use axum::body::Body;
use buntime_core::error::Retry;
use buntime_http::{
    body::{BodyError, limited},
    upstream::{Upstream, UpstreamOptions},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::BodyExt;

use super::{Inner, RemoteOptions, answer, answer::Failed, metadata::Metadata};
use crate::{Error, Result};

/// What a request does, if it arrives and its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Reads,
    Writes,
}

/// A server, and what is sent along.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) upstream: Upstream,
    pub(super) path: String,
    pub(super) token: HeaderValue,
    max_answer: u64,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct To<'a> {
    pub(super) method: Method,
    pub(super) upstream: &'a Upstream,
    pub(super) path: String,
    pub(super) token: &'a HeaderValue,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

pub(super) fn bearer(token: &str) -> Result<HeaderValue> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| Error::Invalid("The token has characters that no header has".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Connections to the origin of a URL.
pub(super) fn connect(url: &Uri) -> Result<Upstream> {
    Upstream::new(&UpstreamOptions::new(url.clone())).map_err(|error| Error::Invalid(error.to_string().into()))
}

impl Exchange {
    pub(super) fn new(url: &str, token: &str, options: &RemoteOptions) -> Result<Self> {
        // Not quoted: it may hold a password, which is refused.
        let refuse = || Error::Invalid("This is not the URL of a store; write `http://host/p/keyval`".into());
        let uri: Uri = url.parse().map_err(|_| refuse())?;
        if uri.query().is_some() || uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(refuse());
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        let path = if path.is_empty() { "/".to_owned() } else { path };
        Ok(Self { upstream: connect(&uri)?, path, token: bearer(token)?, max_answer: options.max_answer })
    }

    /// Sends a request and returns the answer, if it is a 2xx, as soon as its head is there.
    pub(super) async fn open(&self, to: To<'_>, body: Vec<u8>, does: Does) -> Result<Response<Body>, Failed> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = to.method;
        *request.uri_mut() = to
            .path
            .parse()
            .map_err(|_| Failed::never(Error::Invalid("The path of the store's URL cannot be sent".into())))?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, to.token.clone());
        headers.insert(header::USER_AGENT, HeaderValue::from_static("buntime-keyval"));
        headers.extend(to.headers);
        let sent = to.upstream.send(request).await;
        let response = sent.map_err(|error| match error.retry() {
            Retry::Safe => Failed::harmless(error.to_string()),
            _ => Failed::unanswered(does, error.to_string()),
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let code = head.headers.get(Error::HEADER).and_then(|code| code.to_str().ok());
        let words = limited(body, 16 << 10).collect().await.map(http_body_util::Collected::to_bytes);
        let words = words.unwrap_or_default();
        Err(answer::refused(head.status, code, &String::from_utf8_lossy(&words), does))
    }

    /// The same, and its body whole.
    pub(super) async fn whole(&self, to: To<'_>, body: Vec<u8>, does: Does) -> Result<Bytes, Failed> {
        Ok(self.whole_with_headers(to, body, does).await?.1)
    }

    pub(super) async fn whole_with_headers(
        &self,
        to: To<'_>,
        body: Vec<u8>,
        does: Does,
    ) -> Result<(HeaderMap, Bytes), Failed> {
        let (head, body) = self.open(to, body, does).await?.into_parts();
        let body = limited(body, self.max_answer).collect().await.map_err(|error| match BodyError::find(&error) {
            Some(BodyError::TooLarge { .. }) if does == Does::Reads => {
                Failed::never(Error::Refused("The answer is larger than max_answer allows; ask for less".into()))
            }
            _ => Failed::unanswered(does, "the answer broke off"),
        })?;
        Ok((head.headers, body.to_bytes()))
    }
}

/// Whether and when to try again.
#[derive(Debug)]
pub(super) struct Tries {
    left: u32,
    pause: Duration,
    until: Instant,
}

impl Tries {
    pub(super) fn new(options: &RemoteOptions) -> Self {
        let until = Instant::now() + options.timeout.min(Duration::from_secs(365 * 24 * 60 * 60));
        Self { left: options.tries.max(1), pause: options.pause, until }
    }

    /// How long the next try may take.
    pub(super) fn time(&self, options: &RemoteOptions) -> Duration {
        self.until.saturating_duration_since(Instant::now()).min(options.attempt)
    }

    /// The error, if it is the last word.
    pub(super) async fn another(&mut self, failed: Failed) -> Result<()> {
        self.again(failed).await.map_err(|failed| failed.error)
    }

    /// The same, with all that is known of it.
    pub(super) async fn again(&mut self, failed: Failed) -> Result<(), Failed> {
        self.left = self.left.saturating_sub(1);
        // Not all who wait are to come back at once.
        let pause = self.pause.mul_f64(0.5 + fastrand::f64());
        if !failed.again || self.left == 0 || Instant::now() + pause >= self.until {
            return Err(failed);
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(5));
        Ok(())
    }
}

impl Inner {
    /// A request of the data path, again where that is safe.
    pub(super) async fn ask(&self, what: &str, body: Vec<u8>, does: Does) -> Result<Bytes> {
        let mut tries = Tries::new(&self.options);
        loop {
            let attempt = async {
                let metadata = self.known_metadata().await?;
                self.exchange.whole(metadata.to(what), body.clone(), does).await
            };
            let failed = match tokio::time::timeout(tries.time(&self.options), attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::unanswered(does, "the server takes too long"),
            };
            if failed.lost {
                self.forget_metadata().await;
            }
            tries.another(failed).await?;
        }
    }

    /// Where the data is, asked for until it is known.
    pub(super) async fn metadata(&self) -> Result<std::sync::Arc<Metadata>> {
        let mut tries = Tries::new(&self.options);
        loop {
            let failed = match tokio::time::timeout(tries.time(&self.options), self.known_metadata()).await {
                Ok(Ok(metadata)) => return Ok(metadata),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::harmless("the server takes too long"),
            };
            tries.another(failed).await?;
        }
    }
}
