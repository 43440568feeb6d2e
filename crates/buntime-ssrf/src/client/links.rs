//! Connections that can be used again, by where they go: the origin, and the address it was pinned to.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use buntime_http::upstream::{SetupError, Upstream, UpstreamOptions};

use super::error::CallError;
use crate::target::{Host, Target};

/// So many places are remembered; the one that was used longest ago goes first.
const MOST: usize = 64;

/// Unused connections to one place, for each worker.
const MOST_IDLE: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// That address and no other, for that host: its name is what TLS checks.
    Pinned { is_https: bool, host: Host, address: SocketAddr },
    /// Where the operator said, found as the system finds it.
    Trusted(String),
}

/// The pools of a client.
#[derive(Debug)]
pub(super) struct Links {
    connect_timeout: Duration,
    ca: Option<PathBuf>,
    #[cfg(any(test, feature = "testing"))]
    pub(super) detours: crate::testing::Detours,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    places: HashMap<Place, (Upstream, u64)>,
    /// Counts uses, so that the oldest is known.
    uses: u64,
}

impl Links {
    pub(super) fn new(connect_timeout: Duration, ca: Option<PathBuf>) -> Self {
        Self {
            connect_timeout,
            ca,
            #[cfg(any(test, feature = "testing"))]
            detours: crate::testing::Detours::default(),
            known: Mutex::default(),
        }
    }

    /// To one address that was judged for that URL.
    pub(super) fn pinned(&self, target: &Target, address: SocketAddr) -> Result<Upstream, CallError> {
        let place = Place::Pinned { is_https: target.is_https(), host: target.host().clone(), address };
        self.known(place, || {
            let scheme = if target.is_https() { "https" } else { "http" };
            // An address has no name to resolve: nobody is asked between here and the connection.
            self.open(&format!("{scheme}://{}", self.really(address)), Some(target.host().to_string()))
        })
    }

    /// To an origin of the operator's.
    pub(super) fn trusted(&self, target: &Target) -> Result<Upstream, CallError> {
        let origin = target.origin();
        self.known(Place::Trusted(origin.clone()), || self.open(&origin, None))
    }

    fn known(&self, place: Place, open: impl FnOnce() -> Result<Upstream, CallError>) -> Result<Upstream, CallError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.uses += 1;
        let now = known.uses;
        if let Some((upstream, used)) = known.places.get_mut(&place) {
            *used = now;
            return Ok(upstream.clone());
        }
        let upstream = open()?;
        if known.places.len() >= MOST {
            let oldest = known.places.iter().min_by_key(|(_, (_, used))| *used).map(|(place, _)| place.clone());
            oldest.and_then(|place| known.places.remove(&place));
        }
        known.places.insert(place, (upstream.clone(), now));
        Ok(upstream)
    }

    fn open(&self, origin: &str, server_name: Option<String>) -> Result<Upstream, CallError> {
        let uri = origin.parse().map_err(|_| SetupError::Origin { origin: origin.to_owned() })?;
        let mut options = UpstreamOptions::new(uri);
        options.server_name = server_name;
        options.connect_timeout = self.connect_timeout;
        options.ca.clone_from(&self.ca);
        options.max_idle = MOST_IDLE;
        Ok(Upstream::new(&options)?)
    }

    #[cfg(any(test, feature = "testing"))]
    fn really(&self, address: SocketAddr) -> SocketAddr {
        self.detours.of(address)
    }

    #[cfg(not(any(test, feature = "testing")))]
    fn really(&self, address: SocketAddr) -> SocketAddr {
        let _ = self;
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url_text;

    #[tokio::test]
    async fn places_are_bounded_in_number_and_the_oldest_goes_first() {
        let links = Links::new(Duration::from_secs(1), None);
        let target = |n: u16| url_text::read(&format!("http://a{n}.example/")).unwrap();
        let address = SocketAddr::from(([8, 8, 8, 8], 80));
        for n in 0..500 {
            links.pinned(&target(0), address).unwrap();
            links.pinned(&target(n), address).unwrap();
        }
        let known = links.known.lock().unwrap();
        assert_eq!(known.places.len(), MOST);
        let has = |n| {
            let host = target(n).host().clone();
            known.places.contains_key(&Place::Pinned { is_https: false, host, address })
        };
        assert!(has(0) && has(499) && !has(1));
    }
}
