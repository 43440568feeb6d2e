//! The table against a scan that says literally what the precedence is, and what it promises one by one.

use std::cmp::Reverse;

use buntime_config::model::{HostPattern, Route, RoutePath};
use buntime_router::{Found, RouteTable, Spec};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Value, json};

fn routes(list: &Value) -> Vec<Route> {
    let named = list.as_array().unwrap().iter().enumerate().map(|(index, route)| {
        let mut route = route.clone();
        route["name"] = json!(format!("r{index}"));
        serde_json::from_value(route).unwrap()
    });
    named.collect()
}

fn table(routes: &[Route]) -> RouteTable<usize> {
    let numbered = routes.iter().enumerate().map(|(index, route)| (Spec::from(route), index));
    RouteTable::new(numbered).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

/// The route that takes a GET without headers.
fn get(table: &RouteTable<usize>, host: &str, path: &str) -> Option<usize> {
    table.find(&Method::GET, Some(host), path, &HeaderMap::new()).map(|found| *found.value)
}

#[test]
fn hosts_exact_then_the_longest_wildcard_then_none() {
    let list = routes(&json!([
        { "paths": ["/"] },
        { "hosts": ["*.org"] },
        { "hosts": ["*.b.org"] },
        { "hosts": ["a.b.org", "[::1]"] },
    ]));
    let table = table(&list);
    for (host, route) in [
        ("A.B.org:8080", 3),
        ("a.b.org.", 3),
        ("[0:0::1]:80", 3),
        ("x.a.b.org", 2),
        ("b.org", 1),
        ("xb.org", 1),
        ("org", 0),
        ("", 0),
        ("..", 0),
        (&"a.".repeat(5000), 0),
    ] {
        assert_eq!(get(&table, host, "/x"), Some(route), "{host}");
    }
    assert_eq!(table.find(&Method::GET, None, "/", &HeaderMap::new()).map(|found| *found.value), Some(0));
}

#[test]
fn paths_the_longest_then_regular_expressions_then_none() {
    let list = routes(&json!([
        {},
        { "paths": ["~^/v[0-9]+/x$", "~/y"] },
        { "paths": ["~^/v1"] },
        { "paths": ["/a", "/a/b/"] },
        { "paths": ["/a/b/c"] },
    ]));
    let table = table(&list);
    for (path, route) in [
        ("/a", 3),
        ("/a/b/x/y", 3),
        ("/a/b/c", 4),
        ("/a/b/cd", 3),
        ("/ab", 0),
        ("/ab/y", 1),
        ("/v1/x", 1),
        ("/v1/z", 2),
        ("/v2/z", 0),
        ("/", 0),
        ("*", 0),
        ("", 0),
    ] {
        assert_eq!(get(&table, "h", path), Some(route), "{path}");
    }
}

#[test]
fn what_fails_on_a_condition_is_passed_over() {
    let list = routes(&json!([
        { "paths": ["/"], "methods": ["GET", "POST"] },
        { "paths": ["/a"], "methods": ["PUT"] },
        { "paths": ["~^/a"], "headers": { "X-Tier": "gold" } },
        { "hosts": ["h.org"], "paths": ["/a/b"], "headers": { "x-tier": "gold", "x-beta": "1" } },
        { "hosts": ["*.org"], "paths": ["/a/b"], "methods": ["GET"], "headers": { "x-tier": "gold" } },
        { "hosts": ["h.org"], "paths": ["/a/b"], "methods": ["DELETE"] },
        { "hosts": ["h.org"], "paths": ["/a/b"], "methods": ["DELETE"], "headers": { "x-beta": "1" } },
    ]));
    let table = table(&list);
    let find = |method: Method, sent: &[(&str, &str)]| {
        table.find(&method, Some("h.org"), "/a/b/c", &headers(sent)).map(|found| *found.value)
    };
    assert_eq!(find(Method::GET, &[]), Some(0));
    assert_eq!(find(Method::PUT, &[]), Some(1));
    assert_eq!(find(Method::PUT, &[("x-tier", "gold")]), Some(1));
    assert_eq!(find(Method::PATCH, &[("x-tier", "silver"), ("x-tier", "gold")]), Some(2));
    assert_eq!(find(Method::PATCH, &[("x-tier", "Gold")]), None);
    assert_eq!(find(Method::GET, &[("x-tier", "gold")]), Some(4));
    assert_eq!(find(Method::GET, &[("x-tier", "gold"), ("x-beta", "1")]), Some(3));
    assert_eq!(find(Method::DELETE, &[]), Some(5));
    assert_eq!(find(Method::DELETE, &[("x-beta", "1")]), Some(6));
    assert_eq!(find(Method::DELETE, &[("x-beta", "1"), ("x-tier", "gold")]), Some(3));
}

#[test]
fn found_says_what_matched_and_how_much_of_the_path() {
    let list = routes(&json!([
        { "hosts": ["*.x.org"], "paths": ["/a/b", "/"] },
        { "hosts": ["y.org"], "paths": ["~^/v[0-9]+", "~(b|c)$"] },
        { "headers": { "x": "y" } },
    ]));
    let table = table(&list);
    let found = |host: &str, path: &str| -> (Option<String>, Option<String>, usize) {
        let found: Found<'_, usize> = table.find(&Method::GET, Some(host), path, &headers(&[("x", "y")])).expect(path);
        assert_eq!(found.route, *found.value);
        (found.host.map(ToString::to_string), found.path.map(ToString::to_string), found.prefix_len(path))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found("a.x.org", "/a/b/c"), (some("*.x.org"), some("/a/b"), 4));
    assert_eq!(found("a.x.org", "/a/bc"), (some("*.x.org"), some("/"), 0));
    assert_eq!(found("y.org", "/v12/x"), (some("y.org"), some("~^/v[0-9]+"), 4));
    assert_eq!(found("y.org", "/b"), (some("y.org"), some("~(b|c)$"), 0));
    assert_eq!(found("z.org", "/b"), (None, None, 0));
}

#[test]
fn the_list_is_in_order_of_precedence() {
    let list = routes(&json!([
        { "paths": ["/", "~x", "/aa"] },
        { "hosts": ["*.org", "a.org"], "paths": ["/a"], "methods": ["GET"], "headers": { "b": "1", "a": "2" } },
        { "hosts": ["*.b.org"] },
        { "paths": ["/aa"], "methods": ["PUT"] },
    ]));
    let table = table(&list);
    let shown: Vec<String> = table
        .list()
        .map(|way| {
            let host = way.host.map(ToString::to_string).unwrap_or_default();
            let path = way.path.map(ToString::to_string).unwrap_or_default();
            let names: Vec<&str> = way.headers.iter().map(|(name, _)| name.as_str()).collect();
            format!("{} {host} {path} {:?} {names:?}", way.value, way.methods)
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"1 a.org /a [GET] ["a", "b"]"#,
            "2 *.b.org  [] []",
            r#"1 *.org /a [GET] ["a", "b"]"#,
            "3  /aa [PUT] []",
            "0  /aa [] []",
            "0  / [] []",
            "0  ~x [] []",
        ]
    );
}

#[test]
fn what_is_hidden_is_told() {
    let list = routes(&json!([
        { "paths": ["/a"], "methods": ["GET", "POST"] },
        { "paths": ["/a"], "methods": ["POST"] },
        { "paths": ["/a", "/b"], "methods": ["POST", "GET"] },
        { "paths": ["/a"], "headers": { "x": "1" } },
        { "hosts": ["h"], "paths": ["/"] },
        { "hosts": ["H."], "paths": ["~^/x", "/y"] },
        { "hosts": ["h"], "methods": ["PUT"] },
        { "paths": ["/a"], "headers": { "X": "1" } },
        { "paths": ["~x"] },
        { "paths": ["~x"], "methods": ["GET"] },
    ]));
    let table = table(&list);
    let told: Vec<(usize, String, usize, bool)> = table
        .shadowed()
        .iter()
        .map(|s| (s.route, s.path.map(ToString::to_string).unwrap_or_default(), s.by, s.whole))
        .collect();
    let path = |text: &str| text.to_owned();
    assert_eq!(
        told,
        [
            (5, path("~^/x"), 4, false),
            (6, path(""), 4, true),
            (1, path("/a"), 0, true),
            (2, path("/a"), 0, false),
            (7, path("/a"), 3, true),
        ]
    );
}

#[test]
fn a_route_that_could_never_match_is_an_error() {
    let bad = |route: Value| {
        let list = routes(&json!([{}, route]));
        let table = RouteTable::new(list.iter().map(|route| (Spec::from(route), ())));
        let (index, bad) = table.unwrap_err();
        assert_eq!(index, 1);
        bad.to_string()
    };
    assert!(bad(json!({ "headers": { "a b": "" } })).contains("`a b`"));
    assert!(bad(json!({ "headers": { "a": "\n" } })).contains("of `a`"));
    let list = [HostPattern::Exact("a/b".to_owned())];
    let spec = Spec { hosts: &list, paths: &[], methods: &[], headers: &Default::default() };
    assert!(RouteTable::new([(spec, ())]).unwrap_err().1.to_string().contains("`a/b`"));
    let empty = RouteTable::<()>::default();
    assert!(empty.find(&Method::GET, Some("h"), "/", &HeaderMap::new()).is_none() && empty.is_empty());
}

#[test]
fn nothing_is_allocated() {
    let mut list: Vec<Value> =
        (0..100).map(|n| json!({ "paths": ["/a"], "headers": { "x": n.to_string() } })).collect();
    list.extend((0..100).map(|n| json!({ "hosts": [format!("h{n}.org")], "paths": [format!("/p{n}/x")] })));
    list.extend((0..100).map(|n| json!({ "paths": [format!("~^/v[0-9]/x{n}$")] })));
    let list = routes(&Value::from(list));
    let table = table(&list);
    let sent = headers(&[("x", "77"), ("y", "1")]);
    let look = || {
        for (host, path, route) in [("z", "/a/b", 77), ("H7.org:80", "/p7/x/y", 107), ("z", "/v1/x9", 209)] {
            let found = table.find(&Method::GET, Some(host), path, &sent);
            assert_eq!(found.map(|found| *found.value), Some(route));
        }
    };
    look();
    let info = allocation_counter::measure(look);
    assert_eq!(info.count_total, 0);
}

/// The precedence as config.md says it, route by route.
fn scan(routes: &[Route], asked: &Asked) -> Option<usize> {
    let mut ways = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let is_method = route.methods.is_empty() || route.methods.iter().any(|method| **method == asked.method);
        let sent = |(name, value): (&String, &String)| asked.headers.get_all(name).iter().any(|v| v == value.as_str());
        if !is_method || !route.headers.iter().all(sent) {
            continue;
        }
        let conditions = usize::from(!route.methods.is_empty()) + route.headers.len();
        let hosts: Vec<_> = route.hosts.iter().filter_map(|host| host_class(host, &asked.host)).collect();
        let hosts = if route.hosts.is_empty() { vec![(2, Reverse(0))] } else { hosts };
        let paths: Vec<_> = route.paths.iter().filter_map(|path| path_class(path, &asked.path)).collect();
        let paths = if route.paths.is_empty() { vec![(2, Reverse(0))] } else { paths };
        for host in &hosts {
            ways.extend(paths.iter().map(|path| (*host, *path, Reverse(conditions), index)));
        }
    }
    ways.into_iter().min().map(|(.., index)| index)
}

fn host_class(pattern: &HostPattern, host: &str) -> Option<(u8, Reverse<usize>)> {
    let host = host.to_lowercase();
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    match pattern {
        HostPattern::Exact(exact) => (exact == host).then_some((0, Reverse(0))),
        HostPattern::Wildcard(parent) => host.ends_with(&format!(".{parent}")).then_some((1, Reverse(parent.len()))),
    }
}

fn path_class(pattern: &RoutePath, path: &str) -> Option<(u8, Reverse<usize>)> {
    match pattern {
        RoutePath::Prefix(prefix) if prefix == "/" => Some((0, Reverse(0))),
        RoutePath::Prefix(prefix) => {
            (path == prefix || path.starts_with(&format!("{prefix}/"))).then_some((0, Reverse(prefix.len())))
        }
        RoutePath::Regex(regex) => regex.is_match(path).then_some((1, Reverse(0))),
    }
}

#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    host: String,
    path: String,
    headers: HeaderMap,
}

fn asked() -> impl Strategy<Value = Asked> {
    let method = prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::DELETE]);
    let header = (prop::sample::select(vec!["x", "y", "z"]), prop::sample::select(vec!["1", "2", "3"]));
    let headers = prop::collection::vec(header, 0..4).prop_map(|pairs| headers(&pairs));
    let host = "([aA]\\.|b\\.|c\\.){0,2}(org|net)(\\.)?(:80)?";
    (method, host, "(/(a|b|ab|v1|v2)){0,4}/?", headers).prop_map(|(method, host, path, headers)| Asked {
        method,
        host,
        path,
        headers,
    })
}

fn any_route() -> impl Strategy<Value = Value> {
    let hosts = prop::collection::vec("(\\*\\.)?([ab]\\.){0,2}(org|net)", 0..3);
    let regexes =
        ["~^/v[0-9]", "~^/v[0-9]/a$", "~b", "~^/a/(b|v1)", "~^/a", "~a$", "~^/v1/?(.*)$", "~(?i)^/AB", "~^(/a)+$"];
    let path = prop_oneof![3 => "(/(a|b|ab)){1,3}", 1 => Just("/".to_owned()),
        3 => prop::sample::select(regexes.to_vec()).prop_map(str::to_owned)];
    let paths = prop::collection::vec(path, 0..4);
    let methods = prop::collection::vec(prop::sample::select(vec!["GET", "POST", "PUT"]), 0..3);
    let headers = prop::collection::btree_map("x|y|z", "1|2", 0..3);
    (hosts, paths, prop_oneof![Just(Vec::new()), methods], prop_oneof![2 => Just(Default::default()), 1 => headers])
        .prop_map(|(hosts, paths, methods, headers)| {
            json!({ "hosts": hosts, "paths": paths, "methods": methods, "headers": headers })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn finds_what_a_scan_finds(
        list in prop::collection::vec(any_route(), 0..60),
        requests in prop::collection::vec(asked(), 1..30),
    ) {
        let list = routes(&Value::from(list));
        let table = table(&list);
        for asked in &requests {
            let found = table.find(&asked.method, Some(&asked.host), &asked.path, &asked.headers);
            prop_assert_eq!(found.map(|found| *found.value), scan(&list, asked), "{:?}", asked);
        }
        // What is called unreachable is not reached, nor missed.
        let hidden: Vec<usize> = table.shadowed().iter().filter(|s| s.whole).map(|s| s.route).collect();
        prop_assert!(requests.iter().filter_map(|asked| scan(&list, asked)).all(|route| !hidden.contains(&route)));
    }
}
