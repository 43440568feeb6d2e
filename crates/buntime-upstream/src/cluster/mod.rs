//! A balanced upstream: one service's targets, and the way of a request to one of them.
//!
//! - [`Cluster::send`]: a free place at a target that is well (waiting for one, if something may wait), an attempt, and
//!   perhaps another elsewhere. An answer's body holds its place until it ends.
//! - Who may be asked is a *rota*, frozen and swapped when anything about a target changes. Choosing takes no lock and
//!   allocates nothing.
//! - What is known of a target (connections, health, counts, what an operator said) outlives a reload:
//!   [`Cluster::open`] takes it over from the cluster before.
//!
//! A failure is a connection that cannot be made or breaks, a timeout, or a 5xx. What is absent on purpose: what is done
//! to a request before it is sent (see [`crate::forward`]), caching, outliers by latency.

mod budget;
mod draft;
mod hash;
mod held;
mod line;
mod mirror;
mod open;
mod options;
mod policy;
mod registry;
mod report;
mod rota;
mod send;
mod target;
#[cfg(test)]
mod tests;
mod watch;
mod wheel;
mod wire;

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use axum::body::Body;
use buntime_core::Error;
use buntime_http::upstream::UpstreamError;
use futures_util::{FutureExt, future::Either};
use http::{Request, Response};
use tokio_util::sync::DropGuard;

pub use buntime_http::upstream::SetupError;
pub use held::Occupied;
pub use options::{Call, ClusterOptions, HostChoice, Override, Resolve, Surroundings, UnknownTarget};
pub use registry::Clusters;
pub use report::{ClusterReport, LastError, MirrorReport, TargetReport, TargetState};

use crate::forward::{Destination, Outgoing};
use budget::Budget;
use mirror::Mirror;
use policy::Policy;
use rota::{Marks, Rota};
use target::{Commons, Denied, Member, Slot};

/// One balanced upstream.
pub struct Cluster {
    name: Arc<str>,
    members: Box<[Arc<Member>]>,
    commons: Arc<Commons>,
    policy: Policy,
    budget: Budget,
    mirror: Option<Mirror>,
    breaker: Option<buntime_core::options::BreakerOptions>,
    rota: ArcSwap<Rota>,
    making: Mutex<()>,
    /// One target, and nothing that would have to be looked at before or after it is asked.
    is_plain: bool,
    _tasks: DropGuard,
}

impl Cluster {
    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Sends a request to a target and returns its answer as soon as its head is there.
    ///
    /// The request's target is a path and query without any target's own prefix. Hop-by-hop fields must be gone, as for
    /// [`buntime_http::upstream::Upstream::send`]. Dropping the future gives up whatever it waits for. An answer with a
    /// status that would be repeated is returned as it is when no attempt is left.
    ///
    /// # Errors
    /// 503 `upstream_unavailable` when no target may be asked, 503 `over_capacity` when all are busy and nothing (more)
    /// may wait, both with `Retry-After`; else what the last attempt failed with. The attempts are in its internal
    /// words.
    pub async fn send(&self, request: Request<Body>, call: &Call<'_>) -> Result<Response<Body>, Error> {
        if self.is_quiet() { self.send_plain(request, call).await } else { self.send_balanced(request, call).await }
    }

    /// Was nothing ever said of the only target?
    fn is_quiet(&self) -> bool {
        self.is_plain && self.commons.version() == 0
    }

    /// Not an `async fn`: the request would be moved once more at each step of the way.
    fn send_plain<'a>(
        &'a self,
        request: Request<Body>,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Response<Body>, Error>> + Send + use<'a> {
        let target = &self.members[0].target;
        target.counts.requests.fetch_add(1, Relaxed);
        let own = self.policy.timeout.map(|limit| std::time::Instant::now() + limit);
        let until = [call.deadline, own].into_iter().flatten().min();
        let sending = target.wire.send_once(request, call);
        let sending = match until {
            None => Either::Left(sending),
            Some(until) => {
                let timed = tokio::time::timeout_at(until.into(), sending);
                Either::Right(timed.map(|sent| sent.unwrap_or(Err(UpstreamError::Timeout))))
            }
        };
        sending.map(|sent| self.note_plain(sent))
    }

    fn note_plain(&self, sent: Result<Response<Body>, UpstreamError>) -> Result<Response<Body>, Error> {
        let target = &self.members[0].target;
        match sent {
            Ok(response) => {
                if response.status().is_server_error() {
                    target.counts.failures.fetch_add(1, Relaxed);
                }
                Ok(response)
            }
            Err(error) => {
                if !matches!(error, UpstreamError::RequestBody(_)) {
                    target.note_failure(send::words(&error), None);
                }
                Err(Error::from(error).with_internal(format!("upstream `{}`", self.name)))
            }
        }
    }

    /// How it is.
    pub fn report(&self) -> ClusterReport {
        report::report(self)
    }

    /// What an operator says of a target: its URL, as in the configuration or as in the report.
    ///
    /// # Errors
    /// When there is no such target.
    pub fn set(&self, target: &str, change: Override) -> Result<(), UnknownTarget> {
        let same = |url: &str| url == target || url.trim_end_matches('/') == target.trim_end_matches('/');
        let member = self.members.iter().find(|member| same(&member.target.url));
        member.ok_or_else(|| UnknownTarget(target.to_owned()))?.target.set(change);
        Ok(())
    }

    /// Takes a place and gives it back, for benches. Was there one?
    #[doc(hidden)]
    pub fn pick_and_leave(&self, key: Option<u64>) -> bool {
        self.claim(key, &Marks::default()).is_ok()
    }

    /// A place at a target, by this cluster's algorithm.
    #[inline]
    fn claim(&self, key: Option<u64>, tried: &Marks) -> Result<Slot, Denied> {
        let rota = self.rota.load();
        if self.is_current(&rota) {
            return rota.claim(self.policy.rules.algorithm, &self.commons.tally.turn, key, tried);
        }
        drop(rota);
        self.make_rota();
        self.rota.load().claim(self.policy.rules.algorithm, &self.commons.tally.turn, key, tried)
    }

    #[inline]
    fn is_current(&self, rota: &Rota) -> bool {
        rota.version == self.commons.version() && rota.until.is_none_or(|until| self.commons.clock.now() < until)
    }

    #[cold]
    fn make_rota(&self) {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_current(&self.rota.load()) {
            return;
        }
        // Read first: what changes while it is made makes it old at once.
        let version = self.commons.version();
        let rota = Rota::new(&self.members, self.policy.rules, version, self.commons.clock.now());
        self.rota.store(Arc::new(rota));
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.members.iter().map(|member| &*member.target.url);
        f.debug_struct("Cluster").field("name", &self.name).field("targets", &urls.collect::<Vec<_>>()).finish()
    }
}

impl Destination for Cluster {
    fn send(&self, outgoing: Outgoing) -> impl Future<Output = Result<Response<Body>, Error>> + Send {
        let Outgoing { request, target_host, target_origin, upgrade, client, consumer, is_secure, deadline } = outgoing;
        let host = HostChoice { host: target_host, origin: target_origin };
        if self.is_quiet() {
            let consumer = consumer.as_deref();
            let call = Call { client_ip: client, consumer, host, is_secure, deadline, upgrade };
            return Either::Left(self.send_plain(request, &call));
        }
        Either::Right(async move {
            let consumer = consumer.as_deref();
            let call = Call { client_ip: client, consumer, host, is_secure, deadline, upgrade };
            self.send_balanced(request, &call).await
        })
    }

    fn keeps_time(&self) -> bool {
        self.policy.timeout.is_some()
    }
}
