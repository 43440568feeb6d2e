//! Services: the upstream of each, and the routes that lead to it. Made anew by each reload, with the state of targets
//! that stay carried over; swapped with the plugins as one set.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use buntime_config::{Config, Problem, model::Service};
use buntime_core::{Clock, Handler, HealthChecks, Http, Matched, health::Registered};
use buntime_router::{Found, Listed, RouteTable, Spec};
use buntime_ssrf::{Outbound, OutboundSettings};
use buntime_upstream::{
    Cluster, ClusterOptions, Clusters, ForwardOptions, RouteOptions, ServiceRoute, Surroundings, cluster::SetupError,
};
use http::{header, request};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A route of a service.
pub(crate) struct Leads {
    /// The service's name.
    pub(crate) service: Arc<str>,
    /// The route's.
    pub(crate) route: Arc<str>,
    pub(crate) matched: Arc<Matched>,
    pub(crate) handler: Arc<dyn Handler<Http>>,
}

/// The services of one configuration.
pub(crate) struct Services {
    clusters: BTreeMap<Arc<str>, Arc<Cluster>>,
    outbound: OutboundSettings,
    table: RouteTable<Leads>,
}

/// What the services of every configuration share.
pub(crate) struct Opening {
    clusters: Arc<Clusters>,
    outbound: Arc<Outbound>,
    around: Surroundings,
    ended: CancellationToken,
}

impl Opening {
    pub(crate) fn new() -> Self {
        let ended = CancellationToken::new();
        Self {
            clusters: Arc::new(Clusters::new()),
            outbound: Arc::default(),
            around: Surroundings::new(Clock::system(), ended.clone()),
            ended,
        }
    }

    /// The typed service by which plugins find clusters.
    pub(crate) fn clusters(&self) -> &Arc<Clusters> {
        &self.clusters
    }

    /// The typed service by which plugins call what others name.
    pub(crate) fn outbound(&self) -> &Arc<Outbound> {
        &self.outbound
    }

    /// Opens the services of a configuration. `before` are those it replaces.
    ///
    /// # Errors
    /// What only this machine can know: certificate authorities, for example.
    pub(crate) fn open(&self, config: &Config, before: Option<&Services>) -> Result<Arc<Services>, Vec<Problem>> {
        let (mut clusters, mut problems) = (BTreeMap::new(), Vec::new());
        for (index, service) in config.services.iter().enumerate() {
            let earlier = before.and_then(|before| before.clusters.get(service.name.as_str()));
            let options = ClusterOptions::of(&service.upstream);
            let earlier = earlier.map(|cluster| &**cluster);
            match Cluster::open(&service.name, &service.upstream, &options, &self.around, earlier) {
                Ok(cluster) => {
                    clusters.insert(Arc::from(service.name.as_str()), cluster);
                }
                Err(error) => problems.push(unreachable(index, &error)),
            }
        }
        let routes = config.services.iter().flat_map(|service| {
            let cluster = clusters.get(service.name.as_str()).cloned();
            service.routes.iter().filter_map(move |route| Some((service, route, cluster.clone()?)))
        });
        let table = RouteTable::new(
            routes.map(|(service, route, cluster)| (Spec::from(route), self.leads(service, route, cluster))),
        );
        match table {
            Ok(table) if problems.is_empty() => {
                Ok(Arc::new(Services { clusters, outbound: config.outbound.clone(), table }))
            }
            Ok(_) => Err(problems),
            Err((at, bad)) => {
                problems.push(Problem::at(pointer_of(config, at), bad.to_string()));
                Err(problems)
            }
        }
    }

    fn leads(&self, service: &Service, route: &buntime_config::model::Route, cluster: Arc<Cluster>) -> Leads {
        let forward = ForwardOptions {
            preserve_host: route.preserve_host,
            stopping: self.ended.clone(),
            ..ForwardOptions::default()
        };
        let strip = if route.strip_path { route.paths.clone() } else { Vec::new() };
        Leads {
            service: service.name.as_str().into(),
            route: route.name.as_str().into(),
            matched: Arc::new(Matched {
                label: format!("service:{}/{}", service.name, route.name).into(),
                plugin: None,
                public: route.public,
                data: None,
            }),
            handler: ServiceRoute::new(cluster, RouteOptions { strip, forward }),
        }
    }

    /// Ends the tasks of every cluster.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }
}

/// What only shows when services are opened, without opening them: what cannot be reached, and routes that can never
/// match.
pub(crate) fn judge(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, service) in config.services.iter().enumerate() {
        if let Err(error) = Cluster::check(&service.upstream) {
            problems.push(unreachable(index, &error));
        }
    }
    let routes = config.services.iter().flat_map(|service| &service.routes);
    match RouteTable::new(routes.map(|route| (Spec::from(route), ()))) {
        Ok(table) => problems.extend(shadowed(&table, config)),
        Err((at, bad)) => problems.push(Problem::at(pointer_of(config, at), bad.to_string())),
    }
    problems
}

fn unreachable(service: usize, error: &SetupError) -> Problem {
    let key = if matches!(error, SetupError::Authorities { .. }) { "/ca" } else { "" };
    Problem::at(format!("/services/{service}/upstream{key}"), error.to_string())
}

/// Routes that others take every request of, as warnings.
fn shadowed<T>(table: &RouteTable<T>, config: &Config) -> Vec<Problem> {
    let routes = || config.services.iter().flat_map(|service| service.routes.iter().map(move |route| (service, route)));
    let names: Vec<String> = routes().map(|(service, route)| format!("`{}/{}`", service.name, route.name)).collect();
    let name = |at: usize| names.get(at).map_or("another", String::as_str);
    let mut seen = BTreeSet::new();
    let told = table.shadowed().into_iter().filter_map(|way| {
        let at = format!("{}/name", pointer_of(config, way.route));
        let (mine, other) = (name(way.route), name(way.by));
        if way.whole {
            // Once, however many ways lead to it.
            return seen.insert(way.route).then(|| {
                let message = format!("the route {mine} never gets a request: {other} comes before it and takes them");
                Problem::at(at, message).help("remove it, or let it say more than the other").warning()
            });
        }
        let host = way.host.map(|host| format!(" for the host `{host}`")).unwrap_or_default();
        let path = way.path.map(|path| format!(" at `{path}`")).unwrap_or_default();
        let message = format!("the route {mine} gets no request{host}{path}: {other} comes before it and takes them");
        Some(Problem::at(at, message).warning())
    });
    told.collect()
}

/// The place in the file of a route by its number among all.
fn pointer_of(config: &Config, at: usize) -> String {
    let places = config
        .services
        .iter()
        .enumerate()
        .flat_map(|(s, service)| (0..service.routes.len()).map(move |r| format!("/services/{s}/routes/{r}")));
    places.into_iter().nth(at).unwrap_or_default()
}

impl Services {
    /// Lets plugins find these clusters by name, and call where this configuration says.
    pub(crate) fn publish(&self, opening: &Opening) {
        opening.clusters.replace(self.clusters.values().cloned());
        opening.outbound.guard().replace(self.outbound.clone());
    }

    /// Health checks of each upstream, for as long as what is returned is kept.
    pub(crate) fn checks(&self, health: &HealthChecks) -> Vec<Registered> {
        let check = |(name, cluster): (&Arc<str>, &Arc<Cluster>)| {
            let cluster = Arc::clone(cluster);
            health.register(format!("upstream:{name}"), move || std::future::ready(cluster.report().finding()))
        };
        self.clusters.iter().map(check).collect()
    }

    /// What is probably not as meant.
    pub(crate) fn warnings(&self, config: &Config) -> Vec<Problem> {
        shadowed(&self.table, config)
    }

    /// The route that a request belongs to.
    pub(crate) fn find(&self, head: &request::Parts) -> Option<Found<'_, Leads>> {
        if self.table.is_empty() {
            return None;
        }
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        self.table.find(&head.method, host, head.uri.path(), &head.headers)
    }

    /// Every route, by its number.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &Leads> {
        self.table.values()
    }

    /// Every way to a route by precedence, with the route's number: for the admin API.
    pub(crate) fn list(&self) -> Vec<(usize, Value)> {
        let way = |way: Listed<'_, Leads>| {
            let headers: BTreeMap<&str, String> = way
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect();
            let methods: Vec<&str> = way.methods.iter().map(http::Method::as_str).collect();
            let shown = json!({
                "type": "service", "service": &*way.value.service, "route": &*way.value.route,
                "label": &*way.value.matched.label, "host": way.host.map(ToString::to_string),
                "path": way.path.map(ToString::to_string), "methods": methods, "headers": headers,
                "public": way.value.matched.public,
            });
            (way.route, shown)
        };
        self.table.list().map(way).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_of_plugins_follows_the_configuration() {
        let opening = Opening::new();
        let held = opening.outbound().guard().clone();
        let config =
            |outbound: Value| Config { outbound: serde_json::from_value(outbound).unwrap(), ..Config::default() };
        let first = opening.open(&config(json!({ "allowCidrs": ["10.20.0.0/16"] })), None).unwrap();
        assert!(held.judge("http://10.20.1.1/").is_err(), "it is not in force yet");
        first.publish(&opening);
        assert!(held.judge("http://10.20.1.1/").is_ok());
        let second = opening.open(&config(json!({ "onlyListed": true })), Some(&first)).unwrap();
        second.publish(&opening);
        assert!(held.judge("http://10.20.1.1/").is_err());
        assert!(held.judge("http://8.8.8.8/").is_err());
        // The second could not be applied.
        first.publish(&opening);
        assert!(held.judge("http://10.20.1.1/").is_ok() && held.judge("http://8.8.8.8/").is_ok());
    }
}
