//! The frozen route table: hosts, paths, methods, headers, and ordered patterns, matched without a scan.
//!
//! **What matches.** A route names hosts, paths, methods and headers; of each list one must match, of the headers all,
//! and a list that is empty demands nothing. A host is exact or `*.example.org`, which is everything below
//! `example.org` and not itself; case, port and a last dot do not count, nor how an IPv6 address is written. A path is a
//! prefix by whole segments (`/a` is `/a` and `/a/b`, not `/ab`; `/` is everything) or a regular expression. A header
//! must have the value on one of its lines, compared byte by byte. Paths are compared as they come: normalise before.
//!
//! **What comes first**, where several match: the host (exact, then the longest wildcard, then none); then the path (the
//! longest prefix, then any regular expression, then none); then the most conditions (naming methods is one, each header
//! is one); then the order of the configuration. So regular expressions that match the same path are decided by their
//! conditions and then by their order, and a `/` comes before every regular expression of the same host: give the
//! catch-all no path instead. What fails on method or header is passed over and the next best is looked at: there is no
//! 405, since config.md promises 404 for what matches nothing.
//!
//! **What it costs.** Hosts and prefixes are one walk each in a radix tree; routes that share host and path are chosen by
//! method and rarest header; regular expressions are searched as [`Patterns`]. So 10,000 routes match as fast as 10
//! (`benches/find.rs`). A lookup allocates nothing, but for the caches of regular expressions while they warm up.
//!
//! ```
//! use buntime_config::model::Route;
//! use buntime_router::{RouteTable, Spec};
//! use http::{HeaderMap, Method};
//!
//! let routes: Vec<Route> = serde_json::from_value(serde_json::json!([
//!     { "name": "shop", "hosts": ["*.example.org"], "paths": ["/shop"] },
//!     { "name": "cart", "paths": ["/shop/cart", "~^/v[0-9]+/cart$"], "methods": ["GET"] },
//! ]))?;
//! let table = RouteTable::new(routes.iter().map(|route| (Spec::from(route), route.name.as_str())))
//!     .map_err(|(_, bad)| bad)?;
//! let find = |host, path| table.find(&Method::GET, Some(host), path, &HeaderMap::new());
//! let found = find("www.example.org:8080", "/shop/cart").expect("the host comes first");
//! assert_eq!((*found.value, found.prefix_len("/shop/cart")), ("shop", 5));
//! assert_eq!(*find("example.com", "/v2/cart").expect("any host").value, "cart");
//! assert!(find("example.com", "/shopping").is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conditions;
mod host;
mod literal;
pub mod path_pattern;
mod patterns;
mod set;
mod shadow;
mod table;
mod tree;

pub use path_pattern::PathPattern;
pub use patterns::{Hit, Matches, Patterns};
pub use shadow::Shadowed;
pub use table::{BadRoute, Found, Listed, RouteTable, Spec};
