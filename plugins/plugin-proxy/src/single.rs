//! A rule's one target.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use buntime_core::{Error, ErrorKind};
use buntime_http::upstream::{Protocol, SetupError, Upstream, UpstreamError};
use buntime_upstream::{Destination, Outgoing};
use http::{Response, Uri, header, uri::PathAndQuery};

use crate::{config::RuleSettings, draft::Draft, health::Attempts, target::Target};

#[derive(Debug)]
pub(crate) struct Single {
    target: Target,
    upstream: Upstream,
    sockets: Upstream,
    timeout: Option<Duration>,
    pub(crate) attempts: Arc<Attempts>,
}

impl Single {
    pub(crate) fn open(settings: &RuleSettings, draft: &Draft) -> Result<Self, SetupError> {
        let mut options = draft.upstream(settings);
        let upstream = Upstream::new(&options)?;
        let speaks_http1 =
            options.protocol == Protocol::Http1 || (options.protocol == Protocol::Auto && !draft.target.is_https);
        let sockets = if speaks_http1 || !settings.ws {
            upstream.clone()
        } else {
            options.protocol = Protocol::Http1;
            Upstream::new(&options)?
        };
        let timeout = settings.timeout.map(Duration::from);
        Ok(Self { target: draft.target.clone(), upstream, sockets, timeout, attempts: Arc::default() })
    }
}

impl Destination for Single {
    async fn send(&self, outgoing: Outgoing) -> Result<Response<Body>, Error> {
        let Outgoing { mut request, target_host, target_origin, upgrade, .. } = outgoing;
        if target_host {
            request.headers_mut().insert(header::HOST, self.target.host.clone());
        }
        if target_origin && request.headers().contains_key(header::ORIGIN) {
            request.headers_mut().insert(header::ORIGIN, self.target.origin_header.clone());
        }
        if !self.target.prefix.is_empty() {
            let path = [&*self.target.prefix, request.uri().path_and_query().map_or("/", PathAndQuery::as_str)];
            let path = PathAndQuery::try_from(path.concat()).map_err(|_| Error::new(ErrorKind::Malformed))?;
            *request.uri_mut() = Uri::from(path);
        }
        let sending = if upgrade { &self.sockets } else { &self.upstream }.send(request);
        let sent = match self.timeout {
            Some(limit) => tokio::time::timeout(limit, sending).await.unwrap_or(Err(UpstreamError::Timeout)),
            None => sending.await,
        };
        self.attempts.note(&sent);
        sent.map_err(Error::from)
    }

    fn keeps_time(&self) -> bool {
        self.timeout.is_some()
    }
}
