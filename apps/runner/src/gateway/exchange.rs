//! What is known of a request once it has been looked at, before anything answers it.

use std::sync::{Arc, atomic::AtomicU64};

use arc_swap::Guard as Loaded;
use axum::body::Body;
use buntime_core::{Error, Handler, Http, HttpRequest, Matched, Meta};
use buntime_http::{
    body::counted, client_address::ClientAddress, hygiene, path::normalize_uri, request_id, server::ConnectionInfo,
};
use http::{Request, Response, header, uri::Scheme};
use http_body::Body as _;

use super::{
    frozen::{Claimed, Frozen},
    in_flight::{Counted, Full},
};
use crate::settings::Settings;

/// What one look at a request tells: who sent it, under which id.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) client: ClientAddress,
    pub(crate) meta: Meta,
}

/// One exchange: everything it began with stays the same for it, whatever is reloaded meanwhile.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) frozen: Arc<Frozen>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) client: ClientAddress,
    pub(crate) meta: Meta,
}

impl Seen {
    /// Looks at a request: who sent it, under which id, for which path. Takes away what nobody outside may say.
    ///
    /// # Errors
    /// With what was seen, a path that is none.
    pub(crate) fn look(
        request: &mut Request<Body>,
        connection: &Arc<ConnectionInfo>,
        settings: &Settings,
    ) -> (Self, Result<(), Error>) {
        let headers = request.headers_mut();
        let client = ClientAddress::of(connection.peer, connection.tls, headers, &settings.trusted);
        hygiene::remove_forged(headers, client.peer_is_trusted);
        let mut meta = Meta::new(request_id::of(headers));
        let upgrades = headers.contains_key(header::UPGRADE);
        // What forwards a request asks for these; without them it goes by the exchange's own fields.
        if client.peer_is_trusted {
            request.extensions_mut().insert(client.clone());
        }
        if upgrades {
            request.extensions_mut().insert(Arc::clone(connection));
        }
        meta.client_ip = client.ip;
        meta.peer = client.peer;
        meta.scheme = if client.scheme == Scheme::HTTPS { "https" } else { "http" };
        meta.deadline = meta.started.checked_add(settings.request_timeout);
        if !request.body().is_end_stream() {
            let counter = Arc::new(AtomicU64::new(0));
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = counted(body, Arc::clone(&counter));
            meta.request_bytes = Some(counter);
        }
        let path = normalize_uri(request.uri()).map(|normal| {
            if let Some(uri) = normal {
                *request.uri_mut() = uri;
            }
        });
        (Self { client, meta }, path.map_err(Error::from))
    }

    /// The exchange, with all it goes by.
    pub(crate) fn keep(self, frozen: Loaded<Arc<Frozen>>, settings: Loaded<Arc<Settings>>) -> Exchange {
        let (frozen, settings) = (Loaded::into_inner(frozen), Loaded::into_inner(settings));
        Exchange { frozen, settings, client: self.client, meta: self.meta }
    }

    /// Answers it behind the chain of what claimed it. Needs no more than that: each thing that all exchanges share and
    /// one keeps is a count that the threads take from each other.
    pub(crate) fn claimed(
        mut self,
        claimed: Claimed,
        request: HttpRequest,
    ) -> impl Future<Output = Response<Body>> + use<> {
        self.meta.route = Some(claimed.matched);
        claimed.chain.respond(self.meta, request, claimed.handler)
    }
}

impl Exchange {
    /// Counts it among those under way, where that is asked for.
    pub(crate) fn enter(&self) -> Result<Option<Counted>, Full> {
        self.frozen.in_flight.admit(self.settings.max_requests)
    }

    /// Answers it behind the whole chain.
    pub(crate) fn chained(
        mut self,
        matched: Arc<Matched>,
        request: Request<Body>,
        handler: Arc<dyn Handler<Http>>,
    ) -> impl Future<Output = Response<Body>> + use<> {
        self.meta.route = Some(matched);
        self.frozen.live.chain().respond(self.meta, request, handler)
    }

    /// Answers it behind those that only look.
    pub(crate) fn observed(
        mut self,
        matched: Arc<Matched>,
        request: Request<Body>,
        handler: Arc<dyn Handler<Http>>,
    ) -> impl Future<Output = Response<Body>> + use<> {
        self.meta.route = Some(matched);
        self.frozen.live.observers().respond(self.meta, request, handler)
    }
}

/// A label by which metrics and logs count.
pub(crate) fn matched(label: &str, plugin: Option<Arc<str>>) -> Arc<Matched> {
    Arc::new(Matched { label: label.into(), plugin, public: false, data: None })
}
