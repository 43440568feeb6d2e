//! Section 3: five levels, merged settings, chains that branch once it is known who calls, counters that belong to the
//! level that configured them.

use std::sync::{Arc, atomic::Ordering};

use axum::body::Body;
use buntime_core::{
    Capability, Catalog, ConsumerScope, Cx, Entry, GroupScope, Host, Http, LoadError, Metadata, Program, RouteScope,
    Scopes, ServiceScope,
};
use buntime_testing::{Act, FakePlugin, Journal, eventually};
use http::Request;
use serde_json::{Value, json};

use crate::{entry, fine, limit::Limit, meta, read};

/// Names the consumer that a header names.
fn auth(journal: &Journal) -> FakePlugin {
    let name = Act::Do(Arc::new(|cx: &mut Cx<Http>| {
        if let Some(who) = cx.request().headers.get("x-who").and_then(|who| who.to_str().ok()) {
            let who: Arc<str> = who.into();
            cx.set_consumer(who).unwrap();
        }
    }));
    let auth = FakePlugin::new("auth", journal).at(10).only(&[buntime_core::Stage::Pre]);
    auth.with(|m| m.with_capabilities([Capability::AuthProvider])).on(buntime_core::Stage::Pre, name)
}

fn limit(settings: Value) -> Entry {
    Entry::new("limit", settings)
}

fn service(name: &str, entries: Vec<Entry>, routes: Vec<(&str, Vec<Entry>)>) -> ServiceScope {
    let routes = routes.into_iter().map(|(name, entries)| RouteScope { name: name.into(), entries });
    ServiceScope { name: name.into(), entries, routes: routes.collect() }
}

fn group(name: &str, priority: i32, entries: Vec<Entry>) -> GroupScope {
    GroupScope { name: name.into(), priority, entries }
}

fn consumer(name: &str, groups: &[&str], entries: Vec<Entry>) -> ConsumerScope {
    let groups = groups.iter().map(|group| Arc::from(*group)).collect();
    ConsumerScope { name: name.into(), groups, matches: Vec::new(), entries }
}

/// The gateway lists the auth plugin and a limit of `max`.
fn program(max: u64, scopes: Scopes) -> Program {
    let limits = json!({ "kind": "gateway", "limits": [{ "name": "all", "max": max }] });
    Program { entries: vec![Entry::new("auth", json!({})), limit(limits)], scopes, ..Program::default() }
}

fn catalog(journal: &Journal, fails: bool) -> Catalog {
    let mut catalog = Catalog::new();
    catalog.add(auth(journal)).unwrap();
    catalog.add(Limit { journal: journal.clone(), fails }).unwrap();
    for name in ["early", "late", "other"] {
        let priority = if name == "early" { 5 } else { 20 };
        catalog.add(FakePlugin::new(name, journal).at(priority)).unwrap();
    }
    let single = FakePlugin::new("single", journal).with(Metadata::gateway_only);
    catalog.add(single).unwrap();
    catalog
}

async fn start(journal: &Journal, program: Program) -> Host {
    Host::builder().catalog(catalog(journal, false)).program(program).start().await.unwrap()
}

async fn refused(journal: &Journal, program: Program) -> Vec<String> {
    let errors = Host::builder().catalog(catalog(journal, false)).program(program).start().await.unwrap_err();
    errors.iter().map(LoadError::to_string).collect()
}

/// One exchange on a route of a service, as somebody: status and body.
async fn call(host: &Host, service: &str, route: &str, who: &str) -> (u16, String) {
    let mut request = Request::builder().uri("/").header("host", "example.com");
    if !who.is_empty() {
        request = request.header("x-who", who);
    }
    let live = host.live();
    let chain = live.chain_of_route(service, route);
    read(chain.respond(meta(), request.body(Body::empty()).unwrap(), fine()).await).await
}

/// How many calls pass until one is refused, and what the refusal says.
async fn passes(host: &Host, service: &str, route: &str, who: &str) -> (u64, String) {
    for passed in 0..1000 {
        let (status, body) = call(host, service, route, who).await;
        if status != 200 {
            return (passed, body);
        }
    }
    panic!("nothing was refused");
}

#[tokio::test]
async fn five_levels_are_merged_from_general_to_specific() {
    let journal = Journal::default();
    let own = |max: u64| json!({ "limits": [{ "name": "own", "max": max }] });
    let scopes = Scopes {
        services: vec![service(
            "users",
            vec![limit(json!({ "kind": "service" }))],
            vec![("list", vec![limit(own(5))]), ("one", vec![])],
        )],
        groups: vec![group("premium", 0, vec![limit(own(3))])],
        consumers: vec![
            consumer("acme", &["premium"], vec![limit(json!({ "kind": "acme" }))]),
            consumer("plain", &[], vec![]),
            consumer("grouped", &["premium"], vec![]),
        ],
    };
    let host = start(&journal, program(100, scopes)).await;
    assert_eq!(passes(&host, "users", "list", "").await, (5, "service".to_owned()));
    // Another counter: the group configured its own entry of that name.
    assert_eq!(passes(&host, "users", "list", "grouped").await, (3, "service".to_owned()));
    assert_eq!(call(&host, "users", "list", "acme").await, (429, "acme".to_owned()), "the group's counter is one");
    assert_eq!(call(&host, "users", "list", "plain").await.0, 429, "who configures nothing is on the route's");
    assert_eq!(call(&host, "users", "one", "").await.0, 200);
    assert_eq!(call(&host, "elsewhere", "any", "").await.0, 200);
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_counter_belongs_to_the_level_that_configured_it_and_outlives_reloads() {
    let journal = Journal::default();
    let scopes = |kind: &str| Scopes {
        services: vec![service("users", vec![], vec![("list", vec![])])],
        groups: vec![],
        consumers: vec![
            // Changes another setting: the entry is still the gateway's, and so is its counter.
            consumer("a", &[], vec![limit(json!({ "kind": kind }))]),
            consumer("b", &[], vec![limit(json!({ "limits": [{ "name": "all", "max": 4 }] }))]),
        ],
    };
    let host = start(&journal, program(6, scopes("a"))).await;
    for who in ["a", "", "a", ""] {
        assert_eq!(call(&host, "users", "list", who).await.0, 200);
    }
    assert_eq!(passes(&host, "users", "list", "b").await.0, 4, "its own");
    host.apply(program(6, scopes("changed"))).await.unwrap();
    assert_eq!(call(&host, "users", "list", "a").await.0, 200);
    assert_eq!(call(&host, "users", "list", "").await.0, 200);
    assert_eq!(call(&host, "users", "list", "a").await, (429, "changed".to_owned()));
    assert_eq!(call(&host, "users", "list", "b").await.0, 429);
    // A scope that is no longer configured is forgotten.
    host.apply(program(6, Scopes::default())).await.unwrap();
    host.apply(program(6, scopes("again"))).await.unwrap();
    assert_eq!(passes(&host, "users", "list", "b").await.0, 4);
    // So is what the gateway counted, once nobody lists the plugin.
    host.apply(Program { entries: vec![Entry::new("auth", json!({}))], ..Program::default() }).await.unwrap();
    host.apply(program(6, Scopes::default())).await.unwrap();
    assert_eq!(passes(&host, "users", "list", "").await.0, 6);
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_level_switches_off_from_there_down_and_a_more_specific_one_on_again() {
    let journal = Journal::default();
    let scopes = Scopes {
        services: vec![service(
            "users",
            vec![entry("late", json!({ "enabled": false }))],
            vec![("open", vec![]), ("back", vec![entry("late", json!({ "enabled": true }))])],
        )],
        groups: vec![],
        consumers: vec![consumer("acme", &[], vec![entry("late", json!({ "enabled": true }))])],
    };
    let mut all = program(100, scopes);
    all.entries.push(Entry::new("late", json!({})));
    let host = start(&journal, all).await;
    let runs = async |route: &str, who: &str| {
        journal.take();
        assert_eq!(call(&host, "users", route, who).await.0, 200);
        journal.line().contains("late.pre")
    };
    assert!(!runs("open", "").await);
    assert!(runs("back", "").await);
    assert!(runs("open", "acme").await);
    assert!(!runs("open", "nobody").await);
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn groups_apply_in_ascending_priority_then_by_name() {
    let journal = Journal::default();
    let said = |name: &str| vec![limit(json!({ "kind": name, "limits": [{ "name": "all", "max": 0 }] }))];
    let mut groups: Vec<GroupScope> =
        (0..20).map(|n| group(&format!("g{n:02}"), 1, said(&format!("g{n:02}")))).collect();
    groups.push(group("a", 5, said("last")));
    groups.push(group("z", -5, said("first")));
    let names: Vec<&str> = groups.iter().map(|group| &*group.name).collect();
    let without_last: Vec<&str> = names.iter().copied().filter(|name| *name != "a").collect();
    let consumers = vec![consumer("all", &names, vec![]), consumer("most", &without_last, vec![])];
    let host = start(&journal, program(100, Scopes { groups: groups.clone(), consumers, ..Scopes::default() })).await;
    assert_eq!(call(&host, "", "", "all").await, (429, "last".to_owned()));
    assert_eq!(call(&host, "", "", "most").await, (429, "g19".to_owned()));
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn the_chain_branches_behind_the_auth_provider_and_nothing_runs_twice() {
    let journal = Journal::default();
    // `early` has run by then, whatever the consumer says of it; `late` is the consumer's own; `other` is switched off.
    let own = vec![
        entry("early", json!({ "priority": 30 })),
        entry("late", json!({})),
        entry("other", json!({ "enabled": false })),
    ];
    let mut all = program(100, Scopes { consumers: vec![consumer("acme", &[], own)], ..Scopes::default() });
    all.entries.extend([Entry::new("early", json!({})), Entry::new("other", json!({}))]);
    let host = start(&journal, all).await;
    journal.take();
    call(&host, "", "", "acme").await;
    assert_eq!(
        journal.take().join(" "),
        "early.pre auth.pre late.pre late.post early.post late.complete(whole) early.complete(whole)"
    );
    call(&host, "", "", "").await;
    assert_eq!(
        journal.take().join(" "),
        "early.pre auth.pre other.pre other.post early.post other.complete(whole) early.complete(whole)"
    );
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_would_move_before_the_auth_provider_runs_at_once_behind_it() {
    let journal = Journal::default();
    let moved = serde_json::from_value(json!({ "hookPriorities": { "limit": 5 } })).unwrap();
    let own = vec![limit(json!({})).with_options(moved), entry("late", json!({}))];
    let scopes = Scopes { consumers: vec![consumer("acme", &[], own)], ..Scopes::default() };
    let host = start(&journal, program(2, scopes)).await;
    assert_eq!(passes(&host, "", "", "acme").await, (2, "gateway".to_owned()));
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn an_entry_that_could_never_run_is_a_load_error() {
    let journal = Journal::default();
    let of = |entries| Scopes {
        groups: vec![group("g", 0, entries)],
        consumers: vec![consumer("c", &["g"], vec![])],
        ..Scopes::default()
    };
    let errors = refused(&journal, program(1, of(vec![entry("early", json!({}))]))).await;
    assert_eq!(
        errors,
        [
            "`early` is listed for the consumer group `g`: its hooks stand at 5 at the latest, before `auth` (10) has said \
          who calls, so it would never run; give it a `priority` above 10, or list it for the gateway, a service or a route"
        ]
    );
    let errors = refused(&journal, program(1, of(vec![entry("auth", json!({ "hookTimeout": "1s" }))]))).await;
    assert!(errors[0].contains("cannot be configured by who calls"), "{errors:?}");
    // Moved behind, it is fine; so is one that stands behind anyway.
    let moved = of(vec![entry("early", json!({ "priority": 11 })), entry("late", json!({}))]);
    start(&journal, program(1, moved)).await.stop(std::time::Duration::from_secs(1)).await;
    // So is one that a service moves.
    let mut by_service = of(vec![entry("early", json!({}))]);
    by_service.services = vec![service("users", vec![entry("early", json!({ "priority": 11 }))], vec![("a", vec![])])];
    start(&journal, program(1, by_service)).await.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_is_valid_only_merged_is_checked_merged() {
    let journal = Journal::default();
    let bare = |entries: Vec<Entry>| Program {
        entries: vec![Entry::new("auth", json!({}))],
        scopes: Scopes {
            services: vec![service("users", entries, vec![("list", vec![limit(json!({ "limits": [] }))])])],
            groups: vec![],
            consumers: vec![consumer("acme", &[], vec![limit(json!({ "kind": 5 }))])],
        },
        ..Program::default()
    };
    let errors = refused(&journal, bare(vec![])).await;
    assert!(errors.iter().any(|e| e.starts_with("the settings of `limit` for the route `users/list`")), "{errors:#?}");
    let errors = refused(&journal, bare(vec![limit(json!({ "kind": "x" }))])).await;
    // Alone on the gateway's path, and merged with the service's.
    assert!(errors.iter().all(|e| e.contains("the consumer `acme`") && e.contains("string")), "{errors:#?}");
    let mut two = bare(vec![limit(json!({ "kind": "x" }))]);
    two.scopes.consumers[0].entries[0] = limit(json!({ "kind": "y", "limits": [{ "name": "n", "max": 1 }] }));
    start(&journal, two).await.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_plugin_of_the_gateway_alone_can_only_be_switched_off_below() {
    let journal = Journal::default();
    let of = |own: Value| {
        let services = vec![service("users", vec![entry("single", own)], vec![("list", vec![])])];
        let mut all = program(1, Scopes { services, ..Scopes::default() });
        all.entries.push(Entry::new("single", json!({})));
        all
    };
    let errors = refused(&journal, of(json!({ "priority": 3 }))).await;
    assert!(errors[0].contains("there is one instance of it"), "{errors:?}");
    let host = start(&journal, of(json!({ "enabled": false }))).await;
    journal.take();
    call(&host, "users", "list", "").await;
    assert!(!journal.line().contains("single.pre"));
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_consumers_plugin_that_does_not_start_fails_what_it_would_have_refused() {
    let journal = Journal::default();
    let own = json!({ "limits": [{ "name": "all", "max": 3 }] });
    let scopes = Scopes { consumers: vec![consumer("acme", &[], vec![limit(own)])], ..Scopes::default() };
    let host = Host::builder().catalog(catalog(&journal, true)).program(program(100, scopes)).start().await.unwrap();
    let (status, body) = call(&host, "", "", "acme").await;
    assert_eq!((status, crate::body_of(&body)["code"].clone()), (503, json!("plugin_failed")), "{body}");
    assert!(!body.contains("told to fail"), "{body}");
    assert_eq!(call(&host, "", "", "").await.0, 200);
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_did_not_start_for_a_consumer_is_tried_again_after_a_while() {
    let journal = Journal::default();
    let clock = buntime_core::Clock::fake();
    let own = json!({ "limits": [{ "name": "all", "max": 3 }] });
    let scopes = Scopes { consumers: vec![consumer("acme", &[], vec![limit(own)])], ..Scopes::default() };
    let host = Host::builder().catalog(catalog(&journal, true)).program(program(100, scopes)).clock(clock.clone());
    let host = host.start().await.unwrap();
    let starts = || journal.all().iter().filter(|line| line.contains("startup(the consumer")).count();
    for _ in 0..3 {
        assert_eq!(call(&host, "", "", "acme").await.0, 503);
    }
    assert_eq!(starts(), 1);
    clock.advance(buntime_core::host::branches::TRY_AGAIN);
    assert_eq!(call(&host, "", "", "acme").await.0, 503);
    assert_eq!(starts(), 2);
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_no_consumer_is_in_together_any_more_is_ended_by_a_reload() {
    let journal = Journal::default();
    let scopes = |groups: &[&str]| Scopes {
        groups: ["g", "h"]
            .map(|name| group(name, 0, vec![limit(json!({ "limits": [{ "name": name, "max": 100 }] }))]))
            .into(),
        consumers: vec![consumer("x", groups, vec![])],
        ..Scopes::default()
    };
    let host = start(&journal, program(1000, scopes(&["g", "h"]))).await;
    for groups in [&["g", "h"][..], &["g"], &["h"], &["g", "h"]] {
        host.apply(program(1000, scopes(groups))).await.unwrap();
        assert_eq!(call(&host, "", "", "x").await.0, 200);
        assert_eq!(host.live().instances(), 3, "{groups:?}");
    }
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn instances_are_shared_kept_and_ended_with_the_last_exchange_that_needs_them() {
    let journal = Journal::default();
    let scopes = |kind: &str| Scopes {
        services: vec![service("users", vec![limit(json!({ "kind": kind }))], vec![("a", vec![]), ("b", vec![])])],
        groups: vec![group("g", 0, vec![limit(json!({ "limits": [{ "name": "g", "max": 100 }] }))])],
        consumers: vec![consumer("x", &["g"], vec![]), consumer("y", &["g"], vec![])],
    };
    let host = start(&journal, program(1000, scopes("one"))).await;
    for (route, who) in [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")] {
        assert_eq!(call(&host, "users", route, who).await.0, 200);
    }
    let started = journal.take().iter().filter(|line| line.starts_with("limit.startup")).count();
    assert_eq!(started, 3, "the gateway's, the service's, the group's on the service");
    assert_eq!(host.live().instances(), 4);
    // Untouched: everything is kept, also what was started for consumers.
    let mut more = program(1000, scopes("one"));
    more.entries.push(Entry::new("late", json!({})));
    host.apply(more.clone()).await.unwrap();
    call(&host, "users", "a", "x").await;
    assert!(!journal.line().contains("limit."), "{}", journal.line());
    // The service's setting changes: its instance and the group's on it go, once nobody runs on them.
    let held = host.live();
    let mut changed = more;
    changed.scopes = scopes("two");
    host.apply(changed).await.unwrap();
    call(&host, "users", "b", "y").await;
    assert!(!journal.line().contains("limit.shutdown"), "{}", journal.line());
    drop(held);
    let ended = || async { journal.all().iter().filter(|line| line.starts_with("limit.shutdown")).count() == 2 };
    eventually("what changed is shut down", ended).await;
    assert_eq!(host.live().instances(), 5);
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_in_the_middle_of_everything_leave_exactly_what_is_configured() {
    let journal = Journal::default();
    let scopes = |turn: u64| Scopes {
        services: vec![service("users", vec![limit(json!({ "kind": format!("{}", turn % 3) }))], vec![("a", vec![])])],
        groups: vec![group("g", 0, vec![limit(json!({ "limits": [{ "name": "g", "max": 1_000_000 }] }))])],
        consumers: vec![consumer("x", &["g"], vec![]), consumer("y", &[], vec![limit(json!({ "kind": "y" }))])],
    };
    let host = start(&journal, program(1_000_000, scopes(0))).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let callers: Vec<_> = ["x", "y", "", "z"]
        .map(|who| {
            let (host, stop) = (host.clone(), stop.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(call(&host, "users", "a", who).await, (200, "fine".to_owned()));
                    calls += 1;
                    tokio::task::yield_now().await;
                }
                calls
            })
        })
        .into();
    for turn in 1..=100 {
        host.apply(program(1_000_000, scopes(turn))).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
    let count = |what: &str| journal.all().iter().filter(|line| line.starts_with(what)).count();
    let running = || async { count("limit.startup") - count("limit.shutdown") + 1 == host.live().instances() };
    eventually("only what is configured runs", running).await;
    host.stop(std::time::Duration::from_secs(1)).await;
    assert_eq!(count("limit.startup"), count("limit.shutdown"));
}

#[tokio::test]
async fn chains_of_consumers_are_bounded_in_number() {
    let journal = Journal::default();
    let many = buntime_core::host::branches::MOST_BRANCHES + 50;
    let consumers = (0..many).map(|n| consumer(&format!("c{n}"), &[], vec![limit(json!({ "kind": format!("{n}") }))]));
    let scopes = Scopes { consumers: consumers.collect(), ..Scopes::default() };
    let host = start(&journal, program(1_000_000, scopes)).await;
    for n in 0..many {
        assert_eq!(call(&host, "", "", &format!("c{n}")).await.0, 200);
    }
    let most = buntime_core::host::branches::MOST_BRANCHES + 3;
    eventually("those that made room have ended", || async { host.live().instances() <= most }).await;
    assert_eq!(call(&host, "", "", "c0").await.0, 200, "what made room is built again");
    host.stop(std::time::Duration::from_secs(1)).await;
}
