//! Routes that can never match, because others always come first.
//!
//! Found: the same host and path with the same headers and no method left; and whatever stands behind a `/` of the same
//! host that takes the methods whatever the headers. Not found: what only several others together, or the meaning of a
//! regular expression, would hide.

use std::collections::HashMap;

use buntime_config::model::{HostPattern, RoutePath};
use http::{HeaderName, HeaderValue, Method};

use crate::table::RouteTable;

/// A host and path of a route that no request can reach.
#[derive(Debug)]
pub struct Shadowed<'a, T> {
    /// The route's place in the configuration.
    pub route: usize,
    /// Its value.
    pub value: &'a T,
    /// The host; `None` is any.
    pub host: Option<&'a HostPattern>,
    /// The path; `None` is any.
    pub path: Option<&'a RoutePath>,
    /// The route that takes the last of its requests.
    pub by: usize,
    /// That route's value.
    pub by_value: &'a T,
    /// Are all the route's hosts and paths like this? Then it never matches at all.
    pub whole: bool,
}

/// Who takes which methods.
#[derive(Default)]
struct Taken<'a> {
    all: Option<usize>,
    methods: Vec<(&'a Method, usize)>,
}

impl<'a> Taken<'a> {
    /// The last of those that leave nothing of these methods.
    fn by(&self, methods: &[Method]) -> Option<usize> {
        if self.all.is_some() || methods.is_empty() {
            return self.all;
        }
        let taker = |method: &Method| self.methods.iter().find(|(taken, _)| *taken == method).map(|(_, by)| *by);
        methods.iter().map(taker).try_fold(0, |last, by| Some(last.max(by?)))
    }

    fn take(&mut self, methods: &'a [Method], route: usize) {
        if methods.is_empty() {
            self.all = self.all.or(Some(route));
        }
        self.methods.extend(methods.iter().map(|method| (method, route)));
    }
}

type Same<'a> = (&'a [u8], Option<(bool, &'a str)>, &'a [(HeaderName, HeaderValue)]);

impl<T> RouteTable<T> {
    /// What can never match, in order of precedence: worth a warning when the configuration is loaded. Best effort: what
    /// is listed is certain, what is not may still be hidden.
    pub fn shadowed(&self) -> Vec<Shadowed<'_, T>> {
        let mut same: HashMap<Same<'_>, Taken<'_>> = HashMap::new();
        let mut everything: HashMap<&[u8], Taken<'_>> = HashMap::new();
        let (mut shadowed, mut open) = (Vec::new(), vec![0_usize; self.routes.len()]);
        for way in &self.ways {
            let conditions = &self.routes[way.route].conditions;
            let (methods, headers) = (&*conditions.methods, &*conditions.headers);
            let path = way.path.as_ref().map(|path| match path {
                RoutePath::Prefix(prefix) => (false, prefix.trim_end_matches('/')),
                RoutePath::Regex(regex) => (true, regex.as_str()),
            });
            let before = same.entry((&way.host_key, path, headers)).or_default();
            let all = everything.entry(&way.host_key).or_default();
            if let Some(by) = before.by(methods).or_else(|| all.by(methods)) {
                let (value, by_value) = (&self.routes[way.route].value, &self.routes[by].value);
                let (host, path) = (way.host.as_ref(), way.path.as_ref());
                shadowed.push(Shadowed { route: way.route, value, host, path, by, by_value, whole: false });
                continue;
            }
            open[way.route] += 1;
            before.take(methods, way.route);
            // `/` comes before everything that is still to come of this host.
            if headers.is_empty() && path == Some((false, "")) {
                all.take(methods, way.route);
            }
        }
        for shadow in &mut shadowed {
            shadow.whole = open[shadow.route] == 0;
        }
        shadowed
    }
}
