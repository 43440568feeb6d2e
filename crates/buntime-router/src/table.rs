//! The table: every way a route can match, sorted by precedence, and the walk that finds the best one.

use std::{cmp::Reverse, collections::BTreeMap};

use buntime_config::model::{Headers, HostPattern, MethodName, Route, RoutePath};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::{
    conditions::{Asked, Bucket, Conditions},
    host::{HostKey, pattern_key},
    patterns::Patterns,
    tree::PrefixTree,
};

/// What a route matches; a list that is empty demands nothing.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// One of these hosts.
    pub hosts: &'a [HostPattern],
    /// One of these paths.
    pub paths: &'a [RoutePath],
    /// One of these methods.
    pub methods: &'a [MethodName],
    /// Every one of these headers, with exactly this value on one of its lines.
    pub headers: &'a Headers,
}

impl<'a> From<&'a Route> for Spec<'a> {
    fn from(route: &'a Route) -> Self {
        Self { hosts: &route.hosts, paths: &route.paths, methods: &route.methods, headers: &route.headers }
    }
}

/// A route that no request could ever match. Routes of a checked configuration are never one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRoute {
    /// A condition on a header that cannot exist.
    #[error("`{0}` cannot be the name of a header")]
    Name(String),
    /// A condition on a value that cannot be sent.
    #[error("the value demanded of `{0}` cannot be the value of a header")]
    Value(String),
    /// A host that cannot be one.
    #[error("`{0}` is no host; write one such as `api.example.org` or `*.example.org`, without a port")]
    Host(HostPattern),
}

/// Routes, frozen, with a value each. See the [crate] for what matches and what comes first.
#[derive(Debug)]
pub struct RouteTable<T> {
    pub(crate) routes: Box<[Entry<T>]>,
    /// Every host of a route with every path of it, by precedence: its place is its rank.
    pub(crate) ways: Box<[Way]>,
    hosts: PrefixTree,
    /// By the key of their host.
    sites: Box<[Site]>,
}

#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) conditions: Conditions,
    pub(crate) value: T,
}

/// One host and one path of a route.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) route: usize,
    pub(crate) host: Option<HostPattern>,
    pub(crate) path: Option<RoutePath>,
    /// The host as the tree's key; empty for any.
    pub(crate) host_key: Vec<u8>,
}

/// The routes of one host pattern. Numbers are ranks.
#[derive(Debug, Default)]
struct Site {
    paths: PrefixTree,
    /// By the key of their path.
    buckets: Box<[Bucket]>,
    /// Few hosts have any, and what they need to be searched is not small.
    regexes: Option<Box<Patterns<usize>>>,
    /// Those without a path.
    any: Bucket,
}

/// The route that matches, and how it does.
#[derive(Debug)]
pub struct Found<'a, T> {
    /// Its value.
    pub value: &'a T,
    /// Its place in the configuration.
    pub route: usize,
    /// The host of its that matched; `None` if it names none.
    pub host: Option<&'a HostPattern>,
    /// The path of its that matched; `None` if it names none.
    pub path: Option<&'a RoutePath>,
}

impl<T> Found<'_, T> {
    /// How many bytes of the path that was asked for its own path took: what `stripPath` takes off. For a regular
    /// expression, what it matched if that stands at the beginning. What is left begins with `/` or is empty, except
    /// behind a regular expression.
    pub fn prefix_len(&self, path: &str) -> usize {
        match self.path {
            None => 0,
            Some(RoutePath::Prefix(prefix)) => prefix.trim_end_matches('/').len(),
            Some(RoutePath::Regex(regex)) => {
                regex.find(path).filter(|found| found.start() == 0).map_or(0, |found| found.end())
            }
        }
    }
}

/// One way to a route, as [`RouteTable::list`] shows it.
#[derive(Debug)]
pub struct Listed<'a, T> {
    /// The route's place in the configuration.
    pub route: usize,
    /// The host; `None` is any.
    pub host: Option<&'a HostPattern>,
    /// The path; `None` is any.
    pub path: Option<&'a RoutePath>,
    /// The methods; none is any.
    pub methods: &'a [Method],
    /// The headers.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// The value.
    pub value: &'a T,
}

impl<T> RouteTable<T> {
    /// Freezes these routes; where nothing else decides, their order does.
    ///
    /// # Errors
    /// For a route that could never match, with its place.
    pub fn new<'r>(routes: impl IntoIterator<Item = (Spec<'r>, T)>) -> Result<Self, (usize, BadRoute)> {
        let (mut entries, mut ways) = (Vec::new(), Vec::new());
        for (route, (spec, value)) in routes.into_iter().enumerate() {
            let conditions = Conditions::new(spec.methods.iter().map(|method| &**method), spec.headers);
            let conditions = conditions.map_err(|bad| (route, bad))?;
            add_ways(&mut ways, route, spec).map_err(|bad| (route, bad))?;
            entries.push(Entry { conditions, value });
        }
        ways.sort_by_cached_key(|way: &Way| way.precedence(&entries[way.route].conditions));
        let mut by_host: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (rank, way) in ways.iter().enumerate() {
            by_host.entry(&way.host_key).or_default().push(rank);
        }
        let keys: Vec<&[u8]> = by_host.keys().copied().collect();
        let hosts = PrefixTree::new(&keys);
        let sites = by_host.into_values().map(|ranks| Site::new(&ranks, &ways, &entries)).collect();
        Ok(Self { routes: entries.into(), sites, hosts, ways: ways.into() })
    }

    /// The first route by precedence that takes such a request. `host` is the `Host` header's value or the URI's
    /// authority, in any case and with or without a port; `path` is normalised. Beyond what regular expressions keep
    /// for themselves, nothing is allocated.
    pub fn find(&self, method: &Method, host: Option<&str>, path: &str, headers: &HeaderMap) -> Option<Found<'_, T>> {
        let asked = Asked { method, headers };
        let key = host.and_then(HostKey::new);
        let key = key.as_ref().map_or(&[][..], HostKey::as_bytes);
        let rank = self.hosts.prefixes(key).find_map(|site| self.find_in(&self.sites[site], asked, path))?;
        let way = &self.ways[rank];
        let value = &self.routes[way.route].value;
        Some(Found { value, route: way.route, host: way.host.as_ref(), path: way.path.as_ref() })
    }

    fn find_in(&self, site: &Site, asked: Asked<'_>, path: &str) -> Option<usize> {
        let conditions = |rank: usize| &self.routes[self.ways[rank].route].conditions;
        let whole_segments = |key: &usize| {
            let len = site.paths.len_of(*key);
            len == 0 || matches!(path.as_bytes().get(len), None | Some(b'/'))
        };
        let prefixes = site.paths.prefixes(path.as_bytes()).filter(whole_segments);
        let by_prefix = prefixes.filter_map(|key| site.buckets[key].find(asked, conditions)).next();
        by_prefix
            .or_else(|| {
                let mut ranks = site.regexes.as_ref()?.find_all(path).map(|hit| *hit.value);
                ranks.find(|rank| conditions(*rank).met_by(asked))
            })
            .or_else(|| site.any.find(asked, conditions))
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The value of every route, by its place in the configuration.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &T> {
        self.routes.iter().map(|entry| &entry.value)
    }

    /// Every way to a route in order of precedence: what stands earlier is taken first where both match.
    pub fn list(&self) -> impl ExactSizeIterator<Item = Listed<'_, T>> {
        self.ways.iter().map(|way| {
            let Entry { conditions, value } = &self.routes[way.route];
            Listed {
                route: way.route,
                host: way.host.as_ref(),
                path: way.path.as_ref(),
                methods: &conditions.methods,
                headers: &conditions.headers,
                value,
            }
        })
    }
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self { routes: Box::default(), ways: Box::default(), hosts: PrefixTree::default(), sites: Box::default() }
    }
}

/// Every host with every path.
fn add_ways(ways: &mut Vec<Way>, route: usize, spec: Spec<'_>) -> Result<(), BadRoute> {
    let begin = ways.len();
    let hosts = spec.hosts.iter().map(Some).chain(spec.hosts.is_empty().then_some(None));
    for host in hosts {
        let host_key = match host {
            Some(host) => pattern_key(host).ok_or_else(|| BadRoute::Host(host.clone()))?,
            None => Vec::new(),
        };
        let paths = spec.paths.iter().map(Some).chain(spec.paths.is_empty().then_some(None));
        for path in paths {
            let written_before = |way: &Way| way.host_key == host_key && way.path.as_ref() == path;
            if !ways[begin..].iter().any(written_before) {
                ways.push(Way { route, host: host.cloned(), path: path.cloned(), host_key: host_key.clone() });
            }
        }
    }
    Ok(())
}

impl Way {
    /// Smallest first. Hosts of one kind and length, and paths of one length, never match the same request.
    fn precedence(&self, conditions: &Conditions) -> impl Ord + use<> {
        let host = match &self.host {
            Some(HostPattern::Exact(_)) => (0, Reverse(0)),
            Some(HostPattern::Wildcard(_)) => (1, Reverse(self.host_key.len())),
            None => (2, Reverse(0)),
        };
        let path = match &self.path {
            Some(RoutePath::Prefix(prefix)) => (0, Reverse(prefix.trim_end_matches('/').len())),
            Some(RoutePath::Regex(_)) => (1, Reverse(0)),
            None => (2, Reverse(0)),
        };
        (host, path, Reverse(conditions.count()), self.route)
    }
}

impl Site {
    fn new<T>(ranks: &[usize], ways: &[Way], routes: &[Entry<T>]) -> Self {
        let mut by_prefix: BTreeMap<&str, Vec<(usize, &Conditions)>> = BTreeMap::new();
        let (mut regexes, mut any) = (Vec::new(), Vec::new());
        for &rank in ranks {
            let conditions = &routes[ways[rank].route].conditions;
            match &ways[rank].path {
                Some(RoutePath::Prefix(prefix)) => {
                    by_prefix.entry(prefix.trim_end_matches('/')).or_default().push((rank, conditions));
                }
                Some(RoutePath::Regex(regex)) => regexes.push((regex.clone(), rank)),
                None => any.push((rank, conditions)),
            }
        }
        let keys: Vec<&str> = by_prefix.keys().copied().collect();
        Self {
            paths: PrefixTree::new(&keys),
            buckets: by_prefix.values().map(|ranked| Bucket::new(ranked)).collect(),
            regexes: (!regexes.is_empty()).then(|| Box::new(Patterns::new(regexes))),
            any: Bucket::new(&any),
        }
    }
}
