//! Section 2.4: the order of startup and of hook sets.

use buntime_core::{Catalog, Host, LoadError, Program, options::Placement};
use buntime_testing::{FakePlugin, Journal};
use serde_json::json;

use crate::{drive, entry, fine, host, host_with};

fn sets(host: &Host) -> Vec<String> {
    host.live().chain().links().iter().map(|l| format!("{}:{}@{}", l.member.plugin, l.set, l.key.priority)).collect()
}

#[tokio::test]
async fn startup_takes_the_smallest_key_among_the_ready_and_shutdown_is_its_reverse() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("late", &journal).at(30),
        FakePlugin::new("urgent", &journal).at(1).with(|m| m.with_depends_on(["late"])),
        FakePlugin::new("early", &journal).at(10),
    ]);
    let host = host.start().await.unwrap();
    // `late` is not pulled ahead of `early` because `urgent` needs it.
    assert_eq!(journal.line(), "early.startup late.startup urgent.startup");
    journal.take();
    host.stop(std::time::Duration::from_secs(1)).await;
    assert_eq!(journal.line(), "urgent.shutdown late.shutdown early.shutdown");
}

#[tokio::test]
async fn a_dependency_never_moves_a_hook() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("late", &journal).at(30),
        FakePlugin::new("urgent", &journal).at(1).with(|m| m.with_depends_on(["late"])),
    ]);
    let host = host.start().await.unwrap();
    assert_eq!(sets(&host), ["urgent:main@1", "late:main@30"]);
}

#[tokio::test]
async fn placement_then_priority_then_order_then_position() {
    let journal = Journal::default();
    let mut catalog = Catalog::new();
    catalog.add_builtin(FakePlugin::new("builtin", &journal).at(900)).unwrap();
    for name in ["x", "y", "z", "before"] {
        catalog.add(FakePlugin::new(name, &journal).at(5)).unwrap();
    }
    let entries = vec![
        entry("x", json!({ "order": 2 })),
        entry("y", json!({ "order": 1 })),
        entry("z", json!({ "order": 1 })),
        entry("builtin", json!({})),
        entry("before", json!({ "placement": "pre_builtin", "priority": 2000 })),
    ];
    let program = Program { entries, ..Program::default() };
    let host = Host::builder().catalog(catalog).program(program).start().await.unwrap();
    assert_eq!(sets(&host), ["before:main@2000", "builtin:main@900", "y:main@5", "z:main@5", "x:main@5"]);
}

#[tokio::test]
async fn a_builtin_keeps_its_placement() {
    let journal = Journal::default();
    let mut catalog = Catalog::new();
    catalog.add_builtin(FakePlugin::new("builtin", &journal)).unwrap();
    let program =
        Program { entries: vec![entry("builtin", json!({ "placement": "post_builtin" }))], ..Program::default() };
    let errors = Host::builder().catalog(catalog).program(program).start().await.err().unwrap();
    assert_eq!(errors, [LoadError::BuiltinPlacement("builtin".into())]);
    assert!(Placement::PreBuiltin < Placement::Builtin && Placement::Builtin < Placement::PostBuiltin);
}

#[tokio::test]
async fn hook_sets_have_priorities_of_their_own_and_can_be_moved_by_name() {
    let journal = Journal::default();
    let gateway = || {
        FakePlugin::new("gateway", &journal).at(15).with_sets(&[
            ("cors", Some(8)),
            ("limits", None),
            ("cache", Some(24)),
        ])
    };
    let host = host([gateway(), FakePlugin::new("authn", &journal).at(10)]).start().await.unwrap();
    assert_eq!(sets(&host), ["gateway:cors@8", "authn:main@10", "gateway:limits@15", "gateway:cache@24"]);
    // The entry's priority moves only the set without one of its own; hookPriorities moves a named one.
    let moved = json!({ "priority": 8, "hookPriorities": { "cache": 9 } });
    let host = host_with([(gateway(), moved), (FakePlugin::new("authn", &journal).at(10), json!({}))]);
    let host = host.start().await.unwrap();
    assert_eq!(sets(&host), ["gateway:cors@8", "gateway:limits@8", "gateway:cache@9", "authn:main@10"]);
    journal.take();
    drive(&host, fine()).await;
    assert!(
        journal.line().starts_with(
            "gateway:cors.pre gateway:limits.pre gateway:cache.pre authn.pre authn.post gateway:cache.post"
        )
    );
}

#[tokio::test]
async fn words_stand_for_priorities() {
    let journal = Journal::default();
    let host = host_with([
        (FakePlugin::new("c", &journal), json!({ "priority": "optional" })),
        (FakePlugin::new("a", &journal), json!({ "priority": "critical" })),
        (FakePlugin::new("b", &journal), json!({ "priority": "essential" })),
    ]);
    assert_eq!(sets(&host.start().await.unwrap()), ["a:main@1", "b:main@2", "c:main@3"]);
}
