//! Counts of requests by route, method and status class, and what is read of them.
//!
//! Counting takes no lock and, once a route, method and class have been seen, allocates nothing: a route is found by its
//! label in a map that is replaced whole when a label is new, the rest is an index.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use buntime_core::{Completion, Ended};
use http::Method;

use crate::cells::{Bounds, Cells, Histogram};

/// The route label of requests that matched nothing.
pub const UNMATCHED: &str = buntime_core::Matched::UNMATCHED;
/// The route label of requests whose own label came after `maxRoutes` others.
pub const OVERFLOW: &str = "other";

const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "OTHER"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const SERIES: usize = METHODS.len() * CLASSES.len();

/// The counts of all requests. One is shared by every thread.
#[derive(Debug)]
pub struct Requests {
    bounds: Bounds,
    max_routes: usize,
    routes: ArcSwap<HashMap<Arc<str>, Arc<Route>>>,
    adding: Mutex<()>,
    /// One counter: begun, less ended.
    in_flight: Cells,
}

/// One route: what is not told apart by method and class, and the series that are.
#[derive(Debug)]
struct Route {
    /// The histogram of times to the head, then [`Extra`].
    cells: Cells,
    series: [OnceLock<Cells>; SERIES],
}

/// Counters of a route behind its histogram.
#[derive(Clone, Copy)]
enum Extra {
    RequestBytes,
    ResponseBytes,
    ClientGone,
    Broken,
}

const EXTRAS: usize = 4;

impl Requests {
    /// With those bounds of the latency buckets, and at most that many distinct route labels.
    pub fn new(bounds: Bounds, max_routes: usize) -> Self {
        Self { bounds, max_routes, routes: ArcSwap::default(), adding: Mutex::new(()), in_flight: Cells::new(1) }
    }

    /// The bounds of the latency buckets.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Most distinct route labels.
    pub fn max_routes(&self) -> usize {
        self.max_routes
    }

    /// A request has begun.
    #[inline]
    pub fn begin(&self) {
        self.in_flight.add(0, 1);
    }

    /// A request that had begun has ended. `route` is its bounded label, `None` when it matched nothing.
    pub fn end(&self, route: Option<&str>, method: &Method, end: &Completion) {
        self.in_flight.sub(0, 1);
        let label = route.unwrap_or(UNMATCHED);
        let routes = self.routes.load();
        match routes.get(label) {
            Some(route) => route.count(&self.bounds, method, end),
            None => self.route(label).count(&self.bounds, method, end),
        }
    }

    /// Makes a route, or finds the one for labels too many.
    #[cold]
    fn route(&self, label: &str) -> Arc<Route> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let routes = self.routes.load();
        // Another thread may have made it meanwhile, and with it the last that is allowed.
        if let Some(route) = routes.get(label) {
            return route.clone();
        }
        // The labels we add ourselves do not count.
        let own = [UNMATCHED, OVERFLOW];
        let taken = routes.keys().filter(|known| !own.contains(&&***known)).count();
        let label = if own.contains(&label) || taken < self.max_routes { label } else { OVERFLOW };
        if let Some(route) = routes.get(label) {
            return route.clone();
        }
        let route = Arc::new(Route::new(&self.bounds));
        let mut more = HashMap::clone(&routes);
        more.insert(label.into(), route.clone());
        self.routes.store(Arc::new(more));
        route
    }

    /// What was counted so far, by route label in order.
    pub fn read(&self) -> Reading {
        let routes = self.routes.load();
        let mut list: Vec<RouteReading> = routes.iter().map(|(label, route)| route.read(label, &self.bounds)).collect();
        list.sort_by(|a, b| a.route.cmp(&b.route));
        // A torn reading of the shards may miss a beginning whose end it saw.
        let in_flight = self.in_flight.read(0).cast_signed().max(0).cast_unsigned();
        Reading { in_flight, routes: list }
    }
}

impl Route {
    fn new(bounds: &Bounds) -> Self {
        Self { cells: Cells::new(bounds.cells() + EXTRAS), series: [const { OnceLock::new() }; SERIES] }
    }

    fn count(&self, bounds: &Bounds, method: &Method, end: &Completion) {
        let series = &self.series[method_index(method) * CLASSES.len() + class_index(end.status)];
        let series = series.get_or_init(|| Cells::new(bounds.cells()));
        bounds.observe(series, 0, end.total);
        bounds.observe(&self.cells, 0, end.to_head);
        self.add(bounds, Extra::RequestBytes, end.request_bytes);
        self.add(bounds, Extra::ResponseBytes, end.response_bytes);
        match end.ended {
            Ended::Whole => {}
            Ended::ClientGone => self.add(bounds, Extra::ClientGone, 1),
            Ended::Broken => self.add(bounds, Extra::Broken, 1),
        }
    }

    fn add(&self, bounds: &Bounds, what: Extra, amount: u64) {
        if amount > 0 {
            self.cells.add(bounds.cells() + what as usize, amount);
        }
    }

    fn read(&self, label: &Arc<str>, bounds: &Bounds) -> RouteReading {
        let extra = |what: Extra| self.cells.read(bounds.cells() + what as usize);
        let series = self.series.iter().enumerate().filter_map(|(index, cells)| {
            Some(SeriesReading {
                method: METHODS[index / CLASSES.len()],
                status: CLASSES[index % CLASSES.len()],
                duration: bounds.read(cells.get()?, 0),
            })
        });
        RouteReading {
            route: label.clone(),
            to_head: bounds.read(&self.cells, 0),
            request_bytes: extra(Extra::RequestBytes),
            response_bytes: extra(Extra::ResponseBytes),
            client_gone: extra(Extra::ClientGone),
            broken: extra(Extra::Broken),
            series: series.collect(),
        }
    }
}

fn method_index(method: &Method) -> usize {
    let name = method.as_str();
    METHODS.iter().position(|known| *known == name).unwrap_or(METHODS.len() - 1)
}

/// Statuses beyond 599 exist on the wire; whoever sends them is at fault, so they count with the fives.
fn class_index(status: u16) -> usize {
    usize::from((status / 100).clamp(1, 5)) - 1
}

/// A reading of all requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Begun and not ended.
    pub in_flight: u64,
    /// By route label.
    pub routes: Vec<RouteReading>,
}

/// One route's.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteReading {
    /// Its label.
    pub route: Arc<str>,
    /// Times from the request's beginning to the response's head; all methods and classes.
    pub to_head: Histogram,
    /// Bytes of request bodies that were read.
    pub request_bytes: u64,
    /// Bytes of response bodies that were sent.
    pub response_bytes: u64,
    /// Requests whose client left before the end of the answer.
    pub client_gone: u64,
    /// Requests whose answer broke off.
    pub broken: u64,
    /// By method and status class.
    pub series: Vec<SeriesReading>,
}

/// One route's, of one method and status class.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesReading {
    /// A known method, or `OTHER`.
    pub method: &'static str,
    /// `1xx` … `5xx`.
    pub status: &'static str,
    /// Times from the request's beginning to the answer's end; their count is the number of requests.
    pub duration: Histogram,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn end(status: u16, ended: Ended) -> Completion {
        Completion {
            ended,
            status,
            error: None,
            request_bytes: 10,
            response_bytes: 200,
            to_head: Duration::from_millis(1),
            total: Duration::from_millis(20),
        }
    }

    fn requests(max_routes: usize) -> Requests {
        Requests::new(Bounds::new(&[0.001, 0.1]), max_routes)
    }

    #[test]
    fn requests_are_told_apart_by_route_method_and_class() {
        let requests = requests(10);
        for _ in 0..4 {
            requests.begin();
        }
        requests.end(Some("users"), &Method::GET, &end(200, Ended::Whole));
        requests.end(Some("users"), &Method::GET, &end(204, Ended::Broken));
        requests.end(Some("users"), &Method::POST, &end(499, Ended::ClientGone));
        let reading = requests.read();
        assert_eq!((reading.in_flight, reading.routes.len()), (1, 1));
        let users = &reading.routes[0];
        assert_eq!((users.request_bytes, users.response_bytes, users.client_gone, users.broken), (30, 600, 1, 1));
        assert_eq!(users.to_head.buckets, [3, 0, 0]);
        let series: Vec<_> = users.series.iter().map(|s| (s.method, s.status, s.duration.count())).collect();
        assert_eq!(series, [("GET", "2xx", 2), ("POST", "4xx", 1)]);
    }

    #[test]
    fn whatever_comes_labels_stay_bounded() {
        let requests = requests(3);
        for index in 0..100 {
            requests.begin();
            let method = Method::from_bytes(format!("M{index}").as_bytes()).unwrap();
            requests.end(Some(&format!("route-{index}")), &method, &end(index * 10, Ended::Whole));
        }
        requests.begin();
        requests.end(None, &Method::GET, &end(404, Ended::Whole));
        let reading = requests.read();
        let labels: Vec<&str> = reading.routes.iter().map(|route| &*route.route).collect();
        assert_eq!(labels, ["other", "route-0", "route-1", "route-2", "unmatched"]);
        let other = &reading.routes[0];
        let series: Vec<_> = other.series.iter().map(|s| (s.method, s.status)).collect();
        assert_eq!(series, [("OTHER", "1xx"), ("OTHER", "2xx"), ("OTHER", "3xx"), ("OTHER", "4xx"), ("OTHER", "5xx")]);
        assert_eq!(other.series.iter().map(|s| s.duration.count()).sum::<u64>(), 97);
    }

    #[test]
    fn labels_made_at_once_lose_nothing() {
        let requests = requests(50);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for index in 0..50 {
                        requests.begin();
                        requests.end(Some(&index.to_string()), &Method::GET, &end(200, Ended::Whole));
                    }
                });
            }
        });
        let reading = requests.read();
        assert_eq!((reading.in_flight, reading.routes.len()), (0, 50));
        assert!(reading.routes.iter().all(|route| route.to_head.count() == 8));
    }
}
