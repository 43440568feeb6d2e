//! The data path: looks at a request, matches it, and answers it behind the chain that goes with what was matched.
//!
//! Order of matching: the runtime's own paths (`/livez`, `/readyz`, `/.well-known/buntime`, `/api`, `/p`), which nothing
//! else may claim; route sources (proxy rules) in the order of their plugins; routes of services; `/`; 404. Apps will
//! come before `/`.

pub(crate) mod answer;
pub(crate) mod exchange;
pub(crate) mod frozen;
pub(crate) mod gate;
pub(crate) mod in_flight;
pub(crate) mod locate;
pub(crate) mod own;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use axum::{Router, body::Body, extract::OriginalUri};
use buntime_core::{Cx, Error, ErrorKind, Host, Http, HttpRequest, Matched, Step, handler_fn, problem};
use buntime_http::{
    request_id,
    server::{ConnectionInfo, Serve},
};
use futures_util::{FutureExt, future::Either};
use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_service::Service;

use self::{
    exchange::{Exchange, Seen, matched},
    frozen::{Base, Routes},
    gate::Entered,
    in_flight::Full,
    own::Own,
};
use crate::{
    admin::{guard::Guard, sessions},
    pages,
    settings::Settings,
};

/// What the gateway shares with those that change it.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) guard: Arc<Guard>,
    pub(crate) routes: Routes,
    pub(crate) settings: ArcSwap<Settings>,
    draining: AtomicBool,
}

impl Shared {
    pub(crate) fn new(host: Host, settings: Settings) -> Self {
        let guard = Arc::new(Guard::default());
        Self {
            routes: Routes::new(host.clone(), Arc::clone(&guard)),
            host,
            guard,
            settings: ArcSwap::from_pointee(settings),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on it is not ready.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Why it is not ready; nothing if it is.
    pub(crate) fn unready(&self) -> Vec<String> {
        let draining = self.draining.load(Ordering::Acquire).then(|| "draining".to_owned());
        let missing = self.host.view().missing().into_iter();
        draining.into_iter().chain(missing.map(|name| format!("the required plugin `{name}` is not running"))).collect()
    }
}

/// Answers every request.
pub(crate) struct Gateway {
    shared: Arc<Shared>,
    admin: Base,
    /// The page of all plugins.
    plugins: Base,
    own: Own,
}

impl Gateway {
    /// `admin` is the router of the admin API, its routes behind their gates and relative to `/api`.
    pub(crate) fn new(shared: Arc<Shared>, admin: Router) -> Self {
        let own = Own::new(&shared.host);
        let admin = Base { path: "/api".into(), matched: Arc::clone(&own.labels.api), router: admin, ui: false };
        let router = pages::router(&shared, &shared.guard);
        let plugins = Base { path: "/p".into(), matched: matched("plugins", None), router, ui: true };
        Self { shared, admin, plugins, own }
    }

    /// What is not on the way of forwarded requests is boxed, and all that can be is done at once, so that the future of
    /// theirs is small: it is moved for each of them.
    fn answer(
        &self,
        mut request: Request<Body>,
        connection: &Arc<ConnectionInfo>,
    ) -> impl Future<Output = Response<Body>> + Send + use<'_> {
        let (frozen, settings) = (self.shared.routes.current(), self.shared.settings.load());
        let (seen, path) = Seen::look(&mut request, connection, &settings);
        if let Err(error) = path {
            return Either::Right(self.refuse_path(seen.keep(frozen, settings), request, error).boxed());
        }
        if own::is_ours(request.uri().path()) {
            return Either::Right(self.answer_ourselves(seen.keep(frozen, settings), request).boxed());
        }
        // From here on it is somebody else's request: our session is none of their business.
        sessions::hide(request.headers_mut());
        let counted = match frozen.in_flight.admit(settings.max_requests) {
            Ok(counted) => counted,
            Err(Full) => {
                let (exchange, refused) = (seen.keep(frozen, settings), Arc::clone(&self.own.labels.refused));
                return Either::Right(exchange.observed(refused, request, in_flight::full()).boxed());
            }
        };
        let (head, body) = request.into_parts();
        let claimed = frozen.claimed(&head);
        let request = HttpRequest { head, body };
        let answered = match claimed {
            Some(claimed) => Either::Left(seen.claimed(claimed, request)),
            None => Either::Right(self.unclaimed(seen.keep(frozen, settings), request.into()).boxed()),
        };
        Either::Left(answered.map(|response| match counted {
            Some(counted) => counted.until_sent(response),
            None => response,
        }))
    }

    /// The runtime's own paths, and those of plugins.
    async fn answer_ourselves(&self, exchange: Exchange, request: Request<Body>) -> Response<Body> {
        let frozen = Arc::clone(&exchange.frozen);
        let path = request.uri().path();
        match path {
            "/livez" => own::live(&request, &exchange),
            "/readyz" => own::ready(&request, &exchange, &self.shared.unready()),
            "/.well-known/buntime" => {
                let handler = Arc::clone(&self.own.well_known);
                exchange.observed(Arc::clone(&self.own.labels.well_known), request, handler).await
            }
            _ if locate::is_below(path, "/api") => enter(&self.admin, exchange, request).await,
            pages::PLUGINS => enter(&self.plugins, exchange, request).await,
            _ => match frozen.base(path) {
                Some(base) if wants_page(base, &request) => {
                    let target = format!("{}/", base.path);
                    let handler = Arc::new(handler_fn(move |_: &mut Cx<Http>| redirect(&target)));
                    exchange.observed(Arc::clone(&base.matched), request, handler).await
                }
                Some(base) => enter(base, exchange, request).await,
                None => self.unmatched(exchange, request).await,
            },
        }
    }

    /// What is neither the runtime's nor a plugin's, and claimed by nobody.
    async fn unclaimed(&self, exchange: Exchange, request: Request<Body>) -> Response<Body> {
        let root = || Arc::clone(&self.own.labels.root);
        match request.uri().path() {
            "/" => exchange.observed(root(), request, Arc::clone(&self.own.root)).await,
            "/favicon.ico" => exchange.observed(root(), request, Arc::clone(&self.own.favicon)).await,
            _ => self.unmatched(exchange, request).await,
        }
    }

    /// A 404, behind the gateway's own chain: limits and refusals hold for what does not exist, too.
    async fn unmatched(&self, exchange: Exchange, request: Request<Body>) -> Response<Body> {
        exchange.chained(Arc::clone(&self.own.labels.unmatched), request, Arc::clone(&self.own.not_found)).await
    }

    async fn refuse_path(&self, exchange: Exchange, request: Request<Body>, error: Error) -> Response<Body> {
        let detail = error.detail().to_owned();
        let handler = handler_fn(move |_: &mut Cx<Http>| {
            Step::Done(Err(Error::new(ErrorKind::Malformed).with_detail(detail.clone())))
        });
        exchange.observed(Arc::clone(&self.own.labels.unmatched), request, Arc::new(handler)).await
    }
}

/// Lets a router find the route; the gate in front of the route does the rest.
async fn enter(base: &Base, exchange: Exchange, mut request: Request<Body>) -> Response<Body> {
    let target = request.uri().clone();
    if let Some(uri) = locate::below(&base.path, &target) {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(OriginalUri(target.clone()));
    request.extensions_mut().insert(Entered { exchange, target });
    match base.router.clone().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A page's links are relative to its directory, so `/p/x` must become `/p/x/`.
fn wants_page(base: &Base, request: &Request<Body>) -> bool {
    base.ui && answer::is_read(request.method()) && *request.uri().path() == *base.path
}

fn redirect<'a>(target: &str) -> Step<'a, buntime_core::HttpResponse, Error> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(target) = HeaderValue::from_str(target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    Step::ready(response.into())
}

impl Serve for Gateway {
    fn serve(
        &self,
        request: Request<Body>,
        connection: &Arc<ConnectionInfo>,
    ) -> impl Future<Output = Response<Body>> + Send {
        self.answer(request, connection)
    }

    fn refuse(&self, error: Error, connection: &ConnectionInfo) -> Response<Body> {
        let id = request_id::generate();
        tracing::debug!(
            request_id = id.to_str().unwrap_or_default(),
            peer = %connection.peer,
            "refused before it was a request: {}",
            error.report()
        );
        problem::response(&error, Some(&id))
    }
}

/// The labels of what is not a plugin's.
pub(crate) struct Labels {
    pub(crate) api: Arc<Matched>,
    pub(crate) root: Arc<Matched>,
    pub(crate) well_known: Arc<Matched>,
    pub(crate) unmatched: Arc<Matched>,
    /// Past the limit of requests under way.
    pub(crate) refused: Arc<Matched>,
}
