//! The way to one target: its origin, what it wants to be called, the path before the request's, and its connections.
//! A name with several addresses has connections of its own to each.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use axum::body::Body;
use buntime_core::stats::{SHARDS, shard};
use buntime_http::upstream::{Protocol, SetupError, Upstream, UpstreamError, UpstreamOptions};
use futures_util::{FutureExt, future::Either};
use http::{
    HeaderValue, Request, Response, Uri, header,
    uri::{PathAndQuery, Scheme},
};

use super::{
    draft::Draft,
    options::{Call, ClusterOptions},
};

/// A name with more addresses than that is not asked at all of them.
const MOST_ADDRESSES: usize = 64;

/// The way to one target.
#[derive(Debug)]
pub(super) struct Wire {
    /// One for each shard of threads: a copy counts its copies, and all threads would write the same count.
    host: [HeaderValue; SHARDS],
    origin: HeaderValue,
    prefix: Box<str>,
    line: Line,
    names: Option<Names>,
}

/// Connections to one origin, and those that can be upgraded.
#[derive(Clone, Debug)]
struct Line {
    upstream: Upstream,
    sockets: Upstream,
}

#[derive(Debug)]
struct Names {
    host: String,
    port: u16,
    options: UpstreamOptions,
    /// Empty until the name was first looked up: until then connecting does that.
    addresses: ArcSwap<Vec<Address>>,
    turn: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Address {
    at: SocketAddr,
    line: Line,
    /// The last connection to it failed: others first.
    failed: Arc<AtomicBool>,
}

impl Line {
    fn open(options: &UpstreamOptions) -> Result<Self, SetupError> {
        let upstream = Upstream::new(options)?;
        let is_plain = *upstream.scheme() == Scheme::HTTP;
        let speaks_http1 = options.protocol == Protocol::Http1 || (options.protocol == Protocol::Auto && is_plain);
        let sockets = if speaks_http1 {
            upstream.clone()
        } else {
            Upstream::new(&UpstreamOptions { protocol: Protocol::Http1, ..options.clone() })?
        };
        Ok(Self { upstream, sockets })
    }

    fn of(&self, call: &Call<'_>) -> &Upstream {
        if call.upgrade { &self.sockets } else { &self.upstream }
    }
}

impl Wire {
    /// Makes ready to connect to `http(s)://host[:port][/prefix]`. `spread`: asks a name's addresses in turn, once
    /// [`Wire::look_up`] has found them.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub(super) fn open(url: &str, options: &ClusterOptions, spread: bool) -> Result<Self, SetupError> {
        let bad = || SetupError::Origin { origin: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?.clone();
        let scheme = uri.scheme().ok_or_else(bad)?.clone();
        let origin = format!("{scheme}://{authority}");
        let mut settings = UpstreamOptions::new(origin.parse().map_err(|_| bad())?);
        settings.protocol = options.protocol;
        settings.insecure = options.insecure;
        settings.ca.clone_from(&options.ca);
        settings.connect_timeout = options.connect_timeout;
        settings.idle_timeout = options.idle_timeout;
        let line = Line::open(&settings)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let names = (spread && host.parse::<IpAddr>().is_err()).then(|| Names {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if scheme == Scheme::HTTPS { 443 } else { 80 }),
            options: UpstreamOptions { server_name: Some(host.to_owned()), ..settings },
            addresses: ArcSwap::default(),
            turn: AtomicUsize::new(0),
        });
        let host = || HeaderValue::from_str(authority.as_str()).map_err(|_| bad());
        let mut hosts = [const { HeaderValue::from_static("") }; SHARDS];
        for one in &mut hosts {
            *one = host()?;
        }
        Ok(Self {
            host: hosts,
            origin: HeaderValue::from_str(&origin).map_err(|_| bad())?,
            prefix: uri.path().trim_end_matches('/').into(),
            line,
            names,
        })
    }

    /// The name that has to be looked up now and then, if it is one.
    pub(super) fn name(&self) -> Option<(&str, u16)> {
        self.names.as_ref().map(|names| (&*names.host, names.port))
    }

    /// These are the name's addresses now. Connections to others are not used again.
    ///
    /// # Errors
    /// When there are none, or TLS cannot be set up for one.
    pub(super) fn look_up(&self, mut found: Vec<SocketAddr>) -> io::Result<()> {
        let Some(names) = &self.names else { return Ok(()) };
        found.sort_unstable();
        found.dedup();
        found.truncate(MOST_ADDRESSES);
        if found.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        let known = names.addresses.load_full();
        known.iter().for_each(|address| address.failed.store(false, Relaxed));
        if known.iter().map(|address| address.at).eq(found.iter().copied()) {
            return Ok(());
        }
        let made = found.into_iter().map(|at| {
            if let Some(address) = known.iter().find(|address| address.at == at) {
                return Ok(address.clone());
            }
            let scheme = names.options.origin.scheme_str().unwrap_or("http");
            let origin = format!("{scheme}://{at}").parse().map_err(io::Error::other)?;
            let line = Line::open(&UpstreamOptions { origin, ..names.options.clone() }).map_err(io::Error::other)?;
            Ok(Address { at, line, failed: Arc::default() })
        });
        names.addresses.store(Arc::new(made.collect::<io::Result<_>>()?));
        Ok(())
    }

    /// The addresses that are asked, where a name was looked up.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.names.as_ref().map_or_else(Vec::new, |names| names.addresses.load().iter().map(|one| one.at).collect())
    }

    /// Connections open, and those of them that wait to be used.
    pub(super) fn connections(&self) -> (usize, usize) {
        let mut lines = vec![self.line.clone()];
        if let Some(names) = &self.names {
            lines.extend(names.addresses.load().iter().map(|address| address.line.clone()));
        }
        let count = |upstream: &Upstream| (upstream.stats().open(), upstream.idle());
        lines.iter().fold((0, 0), |(open, idle), line| {
            let (more_open, more_idle) = count(&line.upstream);
            (open + more_open, idle + more_idle)
        })
    }

    /// Sends the request as this target wants it. `again`: the draft is needed once more.
    pub(super) fn send<'a>(
        &'a self,
        draft: &'a mut Draft,
        call: &'a Call<'_>,
        again: bool,
    ) -> impl Future<Output = Result<Response<Body>, UpstreamError>> + Send + use<'a> {
        let addresses = self.names.as_ref().map(|names| (names, names.addresses.load_full()));
        match addresses.filter(|(_, addresses)| !addresses.is_empty()) {
            None => Either::Left(self.line.of(call).send(draft.make(self, call, again))),
            // Boxed: few targets are names, and this may need several of what one address needs.
            Some((names, addresses)) => Either::Right(self.send_in_turn(names, addresses, draft, call, again).boxed()),
        }
    }

    /// Sends it to the next of a name's addresses, and where nobody answers there to the one after it.
    async fn send_in_turn(
        &self,
        names: &Names,
        addresses: Arc<Vec<Address>>,
        draft: &mut Draft,
        call: &Call<'_>,
        again: bool,
    ) -> Result<Response<Body>, UpstreamError> {
        let turn = names.turn.fetch_add(1, Relaxed);
        let mut tried = 0u64;
        let mut last = UpstreamError::Timeout;
        while let Some(index) = next(&addresses, turn, tried) {
            tried |= 1 << index;
            let address = &addresses[index];
            let more = (tried.count_ones() as usize) < addresses.len();
            match address.line.of(call).send(draft.make(self, call, again || more)).await {
                Err(UpstreamError::Connect(failure)) => {
                    address.failed.store(true, Relaxed);
                    last = UpstreamError::Connect(failure);
                    if !draft.can_repeat() {
                        break;
                    }
                }
                other => {
                    if address.failed.load(Relaxed) {
                        address.failed.store(false, Relaxed);
                    }
                    return other;
                }
            }
        }
        Err(last)
    }

    /// Makes a request one for this target: its path, and who it is for.
    #[inline]
    pub(super) fn address(&self, request: &mut Request<Body>, call: &Call<'_>) {
        self.name_host(request, call);
        if !self.prefix.is_empty() {
            let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            // Both parts are paths already, so what is made of them is one.
            if let Ok(path) = PathAndQuery::try_from([&*self.prefix, path].concat()) {
                *request.uri_mut() = Uri::from(path);
            }
        }
    }

    fn name_host(&self, request: &mut Request<Body>, call: &Call<'_>) {
        let headers = request.headers_mut();
        if call.host.host {
            headers.insert(header::HOST, self.host[shard()].clone());
        }
        if call.host.origin && headers.contains_key(header::ORIGIN) {
            headers.insert(header::ORIGIN, self.origin.clone());
        }
    }

    /// Sends a request below no prefix, to whichever address is next.
    pub(super) async fn send_to_root(
        &self,
        mut request: Request<Body>,
        call: &Call<'_>,
    ) -> Result<Response<Body>, UpstreamError> {
        self.name_host(&mut request, call);
        let Some(names) = &self.names else { return self.line.of(call).send(request).await };
        let addresses = names.addresses.load_full();
        if addresses.is_empty() {
            return self.line.of(call).send(request).await;
        }
        let turn = names.turn.fetch_add(1, Relaxed);
        let chosen = next(&addresses, turn, 0).map(|index| &addresses[index]);
        let line = chosen.map_or(&self.line, |address| &address.line);
        let sent = line.of(call).send(request).await;
        if let (Err(UpstreamError::Connect(_)), Some(address)) = (&sent, chosen) {
            address.failed.store(true, Relaxed);
        }
        sent
    }

    /// Sends a request that needs no other attempt.
    #[inline]
    pub(super) fn send_once<'a>(
        &'a self,
        mut request: Request<Body>,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Response<Body>, UpstreamError>> + Send + use<'a> {
        self.address(&mut request, call);
        self.line.of(call).send(request)
    }
}

/// The next address in turn of those not tried yet: one whose last connection did not fail, if there is one.
fn next(addresses: &[Address], turn: usize, tried: u64) -> Option<usize> {
    let count = addresses.len();
    let untried = |index: &usize| tried & (1 << index) == 0;
    let in_turn = || (0..count).map(|nth| turn.wrapping_add(nth) % count).filter(untried);
    in_turn().find(|index| !addresses[*index].failed.load(Relaxed)).or_else(|| in_turn().next())
}
