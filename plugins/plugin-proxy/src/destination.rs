//! Where a rule leads, once it runs: to a cluster of its own, or to that of a service.

use std::{future::Future, sync::Arc};

use axum::body::Body;
use buntime_core::{Error, ErrorKind, Finding};
use buntime_upstream::{Cluster, Clusters, Destination, Outgoing};
use futures_util::{FutureExt, future::Either};
use http::Response;

use crate::health::Attempts;

/// See the module.
#[derive(Debug)]
pub(crate) enum Leads {
    /// To one target.
    Target(Arc<Cluster>, Attempts),
    /// To targets of its own.
    Upstream(Arc<Cluster>),
    /// To a service, looked up for each request: services come and go with the configuration.
    Service(Arc<Clusters>, Arc<str>),
}

impl Leads {
    async fn send_to_service(clusters: &Clusters, name: &str, outgoing: Outgoing) -> Result<Response<Body>, Error> {
        match clusters.get(name) {
            Some(cluster) => Destination::send(&*cluster, outgoing).await,
            None => Err(Error::new(ErrorKind::UpstreamUnavailable).with_internal(no_service(name, clusters))),
        }
    }

    /// The cluster that is the rule's own.
    pub(crate) fn own(&self) -> Option<&Arc<Cluster>> {
        match self {
            Self::Target(cluster, _) | Self::Upstream(cluster) => Some(cluster),
            Self::Service(..) => None,
        }
    }

    /// Why nothing can be sent there, if that is known.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::Service(clusters, name) if clusters.get(name).is_none() => Some(no_service(name, clusters)),
            _ => None,
        }
    }

    /// How it is, by what became of the requests to it and of its checks.
    pub(crate) fn finding(&self) -> Finding {
        match self {
            Self::Target(_, attempts) => attempts.finding(),
            Self::Upstream(cluster) => cluster.report().finding(),
            // A service that is there has a health of its own.
            Self::Service(..) => self.problem().map_or_else(Finding::healthy, Finding::unhealthy),
        }
    }
}

impl Destination for Leads {
    fn send(&self, outgoing: Outgoing) -> impl Future<Output = Result<Response<Body>, Error>> + Send {
        let (cluster, attempts) = match self {
            Self::Target(cluster, attempts) => (cluster, Some(attempts)),
            Self::Upstream(cluster) => (cluster, None),
            Self::Service(clusters, name) => return Either::Right(Self::send_to_service(clusters, name, outgoing)),
        };
        Either::Left(Destination::send(&**cluster, outgoing).inspect(move |sent| {
            if let Some(attempts) = attempts {
                attempts.note(sent);
            }
        }))
    }

    fn keeps_time(&self) -> bool {
        match self {
            Self::Target(cluster, _) | Self::Upstream(cluster) => cluster.keeps_time(),
            Self::Service(clusters, name) => clusters.get(name).is_some_and(|cluster| cluster.keeps_time()),
        }
    }
}

/// That there is no such service, and which there are.
pub(crate) fn no_service(name: &str, clusters: &Clusters) -> String {
    let all = clusters.all();
    let names: Vec<String> = all.iter().map(|cluster| format!("`{}`", cluster.name())).collect();
    if names.is_empty() {
        return format!("there is no service `{name}`, nor any other; add it to `services`");
    }
    format!("there is no service `{name}`; there is {}", names.join(", "))
}
