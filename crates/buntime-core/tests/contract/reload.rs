//! Section 3.4 as far as the gateway goes, and 2.3: what runs is swapped whole; exchanges finish on what they began
//! with; what is gone is shut down when nobody needs it.

use std::{sync::Arc, time::Duration};

use buntime_core::{Catalog, Entry, Host, Http, Program, Step, handler_fn};
use buntime_testing::{Act, FakePlugin, Journal, eventually};
use serde_json::{Value, json};

use crate::{drive, entry, fine, get, meta};

fn program(entries: &[(&str, Value)]) -> Program {
    let entries = entries.iter().map(|(name, settings)| Entry::new(name, settings.clone())).collect();
    Program { entries, ..Program::default() }
}

async fn start(plugins: Vec<FakePlugin>, first: Program) -> Host {
    let mut catalog = Catalog::new();
    for plugin in plugins {
        catalog.add(plugin).unwrap();
    }
    Host::builder().catalog(catalog).program(first).start().await.unwrap()
}

#[tokio::test]
async fn unchanged_instances_are_kept_and_changed_ones_replaced() {
    let journal = Journal::default();
    let dependent = FakePlugin::new("c", &journal).with(|m| m.with_depends_on(["b"]));
    let plugins = vec![FakePlugin::new("a", &journal), FakePlugin::new("b", &journal), dependent];
    let settings = |value| json!({ "value": value });
    let host = start(plugins, program(&[("a", settings(1)), ("b", settings(1)), ("c", settings(1))])).await;
    journal.take();
    let changed = host.apply(program(&[("a", settings(1)), ("b", settings(2)), ("c", settings(1))])).await.unwrap();
    let names = |list: &[buntime_core::PluginName]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    assert_eq!((names(&changed.kept), names(&changed.started)), ("a".to_owned(), "b,c".to_owned()));
    eventually("the old ones are shut down", || async { journal.all().len() == 4 }).await;
    assert!(journal.line().starts_with("b.startup c.startup"), "{}", journal.line());
    let changed = host.apply(program(&[("a", settings(1))])).await.unwrap();
    assert_eq!(names(&changed.gone), "b,c");
}

#[tokio::test]
async fn a_bad_program_changes_nothing() {
    let journal = Journal::default();
    let plugins = vec![FakePlugin::new("a", &journal), FakePlugin::new("sick", &journal).on_startup(Act::Fail)];
    let host = start(plugins, program(&[("a", json!({}))])).await;
    let before = host.live();
    for bad in [
        program(&[("a", json!({ "unknown": 1 }))]),
        program(&[("a", json!({})), ("nobody", json!({}))]),
        program(&[("a", json!({ "value": 2 })), ("sick", json!({}))]),
    ] {
        host.apply(bad).await.unwrap_err();
        assert!(Arc::ptr_eq(&before, &host.live()));
    }
    assert_eq!(drive(&host, fine()).await.0, 200);
    assert!(!journal.line().contains("sick.shutdown"), "{}", journal.line());
}

#[tokio::test]
async fn an_exchange_finishes_on_the_set_it_began_with() {
    let journal = Journal::default();
    let host = start(vec![FakePlugin::new("a", &journal)], program(&[("a", json!({ "value": 1 }))])).await;
    journal.take();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = std::sync::Mutex::new(Some(gone));
    let waits = Arc::new(handler_fn::<Http, _>(move |_| {
        let gone = gone.lock().unwrap().take().unwrap();
        Step::later(async move {
            gone.await.unwrap();
            Ok(crate::reply("done"))
        })
    }));
    let chain = host.live().chain().clone();
    let exchange = tokio::spawn(async move { crate::read(chain.respond(meta(), get("/"), waits).await).await });
    eventually("it has begun", || async { journal.line().contains("a.pre") }).await;
    host.apply(program(&[("a", json!({ "value": 2 }))])).await.unwrap();
    assert_eq!(journal.line(), "a.pre a.startup", "the old instance lives while the exchange needs it");
    go.send(()).unwrap();
    assert_eq!(exchange.await.unwrap().1, "done");
    eventually("then it is shut down", || async { journal.line().ends_with("a.shutdown") }).await;
    assert_eq!(journal.line(), "a.pre a.startup a.post a.complete(whole) a.shutdown");
    host.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn options_are_changed_without_a_restart() {
    let journal = Journal::default();
    let plugins = vec![FakePlugin::new("a", &journal), FakePlugin::new("b", &journal)];
    let host = start(plugins, program(&[("a", json!({})), ("b", json!({}))])).await;
    journal.take();
    let entries = vec![entry("a", json!({ "priority": 9 })), entry("b", json!({ "priority": 8 }))];
    host.apply(Program { entries, ..Program::default() }).await.unwrap();
    drive(&host, fine()).await;
    assert!(journal.line().starts_with("b.pre a.pre"), "{}", journal.line());
}

/// Reloads by the hundred under exchanges: every one is answered, and only the live instances are left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_lose_no_exchange_and_leave_no_instance() {
    let journal = Journal::default();
    let host = start(vec![FakePlugin::new("a", &journal)], program(&[("a", json!({ "value": 0 }))])).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (host, stop) = (host.clone(), stop.clone());
            tokio::spawn(async move {
                let mut count = 0u32;
                while !stop.is_cancelled() {
                    assert_eq!(drive(&host, fine()).await.0, 200);
                    count += 1;
                    tokio::task::yield_now().await;
                }
                count
            })
        })
        .collect();
    for value in 1..200 {
        host.apply(program(&[("a", json!({ "value": value }))])).await.unwrap();
    }
    stop.cancel();
    for task in load {
        assert!(task.await.unwrap() > 0);
    }
    let count = |what: &str| journal.all().iter().filter(|line| *line == what).count();
    eventually("all but the live one are shut down", || async { count("a.shutdown") == 199 }).await;
    assert_eq!(count("a.startup"), 200);
    assert_eq!(count("a.pre"), count("a.complete(whole)"));
    host.stop(Duration::from_secs(5)).await;
    assert_eq!(count("a.shutdown"), 200);
}
