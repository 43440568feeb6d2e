//! One server: how it is asked.

use std::time::{Duration, Instant};

use axum::body::Body;
use buntime_http::{
    body::limited,
    upstream::{Upstream, UpstreamOptions},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;

use super::{
    errors::{self, Failed},
    wire::{Answer, Reply, Sent},
};
use crate::{Error, ErrorKind, Result};

/// A server's address, and what is sent along.
#[derive(Clone, Debug)]
pub(super) struct Server {
    upstream: Upstream,
    path: String,
    host: HeaderValue,
    token: Option<HeaderValue>,
    timeout: Duration,
    max_bytes: u64,
}

/// What a pipeline came to.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) baton: Option<String>,
    /// See [`Reply::index`].
    pub(super) index: Option<u64>,
    /// See [`Reply::oldest_index`].
    pub(super) oldest_index: Option<u64>,
    pub(super) each: std::vec::IntoIter<Result<Answer, Failed>>,
}

impl Server {
    /// `http://`, `https://` or `libsql://` (which is https). `tenant` is the namespace, the first label of the host
    /// that is asked for.
    pub(super) fn new(
        url: &str,
        tenant: Option<&str>,
        token: Option<&str>,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Self> {
        let refuse = |why: &str| {
            let what = format!("this is not the URL of a libSQL server: {why}; write `http://host:port`");
            Error::new(ErrorKind::Open, what)
        };
        let url = url.strip_prefix("libsql://").map_or_else(|| url.to_owned(), |rest| format!("https://{rest}"));
        let uri: http::Uri = url.parse().map_err(|_| refuse("it cannot be read"))?;
        if uri.query().is_some() {
            return Err(refuse("it has parameters"));
        }
        // Quoted nowhere: it may hold a password.
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(refuse("it names a user; set `authToken`, and write no user and no password into it"));
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        let upstream = Upstream::new(&UpstreamOptions::new(uri)).map_err(|error| refuse(&error.to_string()))?;
        let authority = upstream.authority();
        let is_ip = authority.host().trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        // Of an address the server would take the first number for a namespace.
        let host = match tenant.or(is_ip.then_some("default")) {
            Some(name) => format!("{name}.{authority}"),
            None => authority.to_string(),
        };
        let host = HeaderValue::try_from(host).map_err(|_| refuse("its host cannot be sent"))?;
        let bearer = |token: &str| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
                Error::new(ErrorKind::Open, "the token of the libSQL server has characters that no header has")
            })?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        let token = token.filter(|token| !token.is_empty()).map(bearer).transpose()?;
        Ok(Self { upstream, path, host, token, timeout, max_bytes: max_bytes as u64 })
    }

    /// Where it is.
    pub(super) fn location(&self) -> String {
        format!("{}://{}{}", self.upstream.scheme(), self.upstream.authority(), self.path)
    }

    /// Sends a pipeline, on a stream if there is a baton. `harmless`: it changes nothing that lasts, so that it does no
    /// harm if it arrives and the answer is lost.
    pub(super) async fn ask(&self, baton: Option<&str>, sent: &[Sent<'_>], harmless: bool) -> Result<Answers, Failed> {
        let requests: Vec<_> = sent.iter().map(Sent::json).collect();
        let body = json!({ "baton": baton, "requests": requests }).to_string();
        let (status, text) = self.exchange(Method::POST, "/v3/pipeline", body, harmless).await?;
        if status != StatusCode::OK {
            return Err(errors::status(status, &String::from_utf8_lossy(&text), baton.is_some(), harmless));
        }
        let reply: Reply = serde_json::from_slice(&text)
            .map_err(|error| errors::lost(&format!("its answer is not Hrana 3: {error}"), harmless))?;
        let (baton, index, oldest_index) = (reply.baton.clone(), reply.index(), reply.oldest_index());
        let each: Vec<_> = reply.answers(sent).collect();
        Ok(Answers { baton, index, oldest_index, each: each.into_iter() })
    }

    /// One exchange within the time limit; the answer whole.
    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: String,
        harmless: bool,
    ) -> Result<(StatusCode, Bytes), Failed> {
        let until = tokio::time::Instant::from_std(Instant::now() + self.timeout);
        let exchange = async {
            let request = self.request(method, path, body)?;
            let response = self.upstream.send(request).await.map_err(|error| errors::exchange(&error, harmless))?;
            let status = response.status();
            // JSON takes more room than what it says.
            let body = limited(response.into_body(), self.max_bytes.saturating_mul(2));
            let bytes = body.collect().await.map_err(|error| match buntime_http::body::BodyError::find(&error) {
                Some(buntime_http::body::BodyError::TooLarge { .. }) => {
                    let most = self.max_bytes;
                    Failed::never(Error::new(
                        ErrorKind::TooBig,
                        format!("the rows take more than {most} bytes; ask for fewer (LIMIT)"),
                    ))
                }
                _ => errors::lost("its answer broke off", harmless),
            })?;
            Ok((status, bytes.to_bytes()))
        };
        tokio::time::timeout_at(until, exchange).await.unwrap_or_else(|_| {
            let error = Error::new(ErrorKind::Timeout, "the libSQL server took longer than it may");
            Err(if harmless { Failed::never(error) } else { errors::lost("it took longer than it may", false) })
        })
    }

    fn request(&self, method: Method, path: &str, body: String) -> Result<Request<Body>, Failed> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.path)
            .parse()
            .map_err(|_| Failed::never(Error::new(ErrorKind::Open, "the path of the libSQL server cannot be sent")))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("buntime"));
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.clone());
        }
        Ok(request)
    }
}
