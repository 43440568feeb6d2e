//! The table with 10 and with 10,000 routes, beside each other: many hosts, deep overlapping paths, all on one host,
//! all on one path, regular expressions; and the list of patterns. `find` of 10,000 must cost about what it costs of 10.

use std::hint::black_box;

use buntime_config::model::Route;
use buntime_router::{Patterns, RouteTable, Spec};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use regex::Regex;
use serde_json::{Value, json};

type Shape = (&'static str, fn(usize, usize) -> Value, fn(usize) -> (String, String));

/// How the routes look, and the host and path that the last of them takes.
const SHAPES: [Shape; 6] = [
    (
        "hosts",
        |n, _| json!({ "hosts": [format!("h{n}.example.org")] }),
        |n| (format!("h{n}.example.org"), "/a/b".into()),
    ),
    (
        "wildcards",
        |n, _| json!({ "hosts": [format!("*.h{n}.example.org")], "paths": ["/a"] }),
        |n| (format!("www.h{n}.example.org"), "/a/b".into()),
    ),
    (
        "one host",
        |n, _| json!({ "paths": [format!("/all/service{n}/x")] }),
        |n| ("h".into(), format!("/all/service{n}/x/y")),
    ),
    (
        "deep and overlapping",
        |n, _| {
            let depth = "/a".repeat(n % 50);
            json!({ "paths": [format!("{depth}/b{}", n / 50)] })
        },
        |n| ("h".into(), format!("{}/b{}/c", "/a".repeat(n % 50), n / 50)),
    ),
    (
        "headers",
        |n, _| json!({ "paths": ["/a"], "headers": { "x-tenant": format!("t{n}") } }),
        |_| ("h".into(), "/a/b".into()),
    ),
    (
        "regexes",
        |n, _| json!({ "paths": [format!("~^/v[0-9]+/item{n}(/.*)?$")] }),
        |n| ("h".into(), format!("/v2/item{n}/x")),
    ),
];

fn routes(count: usize, shape: fn(usize, usize) -> Value) -> Vec<Route> {
    let route = |n| {
        let mut route = shape(n, count);
        route["name"] = json!("route");
        serde_json::from_value(route).expect("a route")
    };
    (0..count).map(route).collect()
}

fn table(routes: &[Route]) -> RouteTable<usize> {
    let numbered = routes.iter().enumerate().map(|(n, route)| (Spec::from(route), n));
    RouteTable::new(numbered).expect("routes that can match")
}

fn find(c: &mut Criterion) {
    for (name, shape, asked) in SHAPES {
        let mut group = c.benchmark_group(format!("find, {name}"));
        for count in [10, 10_000] {
            let table = table(&routes(count, shape));
            let (host, path) = asked(count - 1);
            let mut headers = HeaderMap::new();
            headers.insert("accept", HeaderValue::from_static("*/*"));
            let tenant = HeaderValue::from_str(&format!("t{}", count - 1)).expect("a value");
            headers.insert("x-tenant", tenant);
            let look = || table.find(&Method::GET, Some(&host), black_box(&path), &headers).map(|found| found.route);
            assert_eq!(look(), Some(count - 1), "{name}");
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| bencher.iter(look));
        }
        group.finish();
    }
}

/// A name, the n-th pattern, and a path that it takes.
type PatternShape = (&'static str, fn(usize) -> String, fn(usize) -> String);

fn patterns(c: &mut Criterion) {
    let shapes: [PatternShape; 3] = [
        ("own beginnings", |n| format!("^/legacy{n}/(.*)$"), |n| format!("/legacy{n}/x")),
        ("one beginning", |n| format!("^/v[0-9]+/legacy{n}/(.*)$"), |n| format!("/v1/legacy{n}/x")),
        ("no beginning", |n| format!("/legacy{n}/"), |n| format!("/v1/legacy{n}/x")),
    ];
    for (name, pattern, asked) in shapes {
        let mut group = c.benchmark_group(format!("patterns, {name}"));
        for count in [10, 1000, 10_000] {
            let list = (0..count).map(|n| (Regex::new(&pattern(n)).expect("a pattern"), n));
            let patterns: Patterns<usize> = list.collect();
            let path = asked(count - 1);
            assert_eq!(patterns.find(&path).map(|hit| hit.index), Some(count - 1));
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| patterns.find(black_box(&path)).map(|hit| hit.index));
            });
        }
        group.finish();
    }
}

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build 10,000");
    group.sample_size(10);
    for (name, shape, _) in SHAPES {
        let routes = routes(10_000, shape);
        group.bench_function(name, |bencher| bencher.iter(|| table(black_box(&routes))));
    }
    group.finish();
}

criterion_group!(benches, find, patterns, build);
criterion_main!(benches);
