//! Section 2.1–2.3 and 2.5–2.7: names, capabilities, policies, settings, failure modes, legacy plugins.

use async_trait::async_trait;
use buntime_core::{
    BoxError, Capability, Catalog, Entry, Host, LoadError, Plugin, PluginName, Policy, Program, Startup,
    host::report::PluginState, metadata::ApiVersion, options::FailureMode,
};
use buntime_testing::{Act, FakePlugin, Journal, eventually};
use serde_json::json;

use crate::{host, host_with};

fn state(host: &Host, name: &str) -> (PluginState, String) {
    let report = host.live().plugin(&PluginName::new(name)).unwrap();
    (report.status.status, report.status.reason.unwrap_or_default())
}

fn name(s: &str) -> PluginName {
    PluginName::new(s)
}

#[tokio::test]
async fn every_spelling_of_a_name_is_the_same_plugin() {
    let journal = Journal::default();
    let mut catalog = Catalog::new();
    catalog.add(FakePlugin::new("@buntime/plugin-audit", &journal)).unwrap();
    let again = catalog.add(FakePlugin::new("audit", &journal));
    assert_eq!(again, Err(LoadError::DuplicatePlugin(name("audit"))));
    for spelling in ["audit", "plugin-audit", "@buntime/plugin-audit"] {
        let program = Program { entries: vec![Entry::new(spelling, json!({}))], ..Program::default() };
        let host = Host::builder().catalog(catalog.clone()).program(program).start().await.unwrap();
        assert_eq!(host.live().plugins()[0].name, "@buntime/plugin-audit");
        assert_eq!(host.live().plugins()[0].base, "/p/audit");
    }
}

#[tokio::test]
async fn a_plugin_configured_twice_is_an_error() {
    let journal = Journal::default();
    let mut catalog = Catalog::new();
    catalog.add(FakePlugin::new("a", &journal)).unwrap();
    let entries = vec![Entry::new("a", json!({})), Entry::new("@buntime/plugin-a", json!({}))];
    let errors = Host::builder().catalog(catalog).program(Program { entries, ..Program::default() }).start().await;
    assert_eq!(errors.err().unwrap(), [LoadError::DuplicatePlugin(name("a"))]);
}

#[tokio::test]
async fn every_load_error_is_told_at_once_and_nothing_starts() {
    let journal = Journal::default();
    let broken = host_with([
        (FakePlugin::new("alpha", &journal).with(|m| m.with_depends_on(["nowhere"])), json!({})),
        (FakePlugin::new("selfish", &journal).with(|m| m.with_depends_on(["selfish"])), json!({})),
        (FakePlugin::new("one", &journal), json!({ "base": "same" })),
        (FakePlugin::new("two", &journal), json!({ "base": "/p/same" })),
        (FakePlugin::new("odd", &journal), json!({ "base": "a b" })),
    ]);
    let errors = broken.start().await.err().unwrap();
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "`a b` of `odd` is not a base: write letters, digits, `-`, `_` and `.`",
            "`one` and `two` are both mounted at /p/same; give one of them another `base`",
            "`alpha` depends on `nowhere`, which is not configured; add it to `plugins`",
            "`selfish` depends on itself",
        ]
    );
    assert_eq!(journal.all(), Vec::<String>::new(), "nothing was started");
}

#[tokio::test]
async fn a_cycle_names_every_plugin_in_it_and_no_other_and_can_be_mended() {
    let journal = Journal::default();
    let needs = |n: &str, d: &'static str| FakePlugin::new(n, &journal).with(|m| m.with_depends_on([d]));
    let cycle = || [needs("a", "b"), needs("b", "c"), needs("c", "a"), needs("outside", "a")];
    let errors = host(cycle()).start().await.err().unwrap();
    assert_eq!(errors, [LoadError::Cycle(vec![name("a"), name("b"), name("c")])]);
    assert_eq!(journal.all(), Vec::<String>::new());
    let mended = [needs("a", "b"), needs("b", "c"), FakePlugin::new("c", &journal), needs("outside", "a")];
    let host = host(mended).start().await.unwrap();
    assert_eq!(journal.line(), "c.startup b.startup a.startup outside.startup");
    host.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn an_unknown_plugin_gets_a_suggestion() {
    let journal = Journal::default();
    let mut catalog = Catalog::new();
    catalog.add(FakePlugin::new("metrics", &journal)).unwrap();
    let program = Program { entries: vec![Entry::new("metrcs", json!({}))], ..Program::default() };
    let errors = Host::builder().catalog(catalog).program(program).start().await.err().unwrap();
    assert_eq!(errors[0].to_string(), "there is no plugin `metrcs`; did you mean `metrics`?");
}

#[tokio::test]
async fn settings_are_checked_before_anything_starts() {
    let journal = Journal::default();
    let host = Host::builder()
        .plugin(FakePlugin::new("a", &journal), json!({}))
        .plugin(FakePlugin::new("b", &journal), json!({ "valeu": 1 }));
    let errors = host.start().await.err().unwrap();
    assert!(matches!(&errors[..], [LoadError::Settings { plugin, .. }] if plugin.as_str() == "b"), "{errors:?}");
    assert!(errors[0].to_string().contains("valeu"));
    assert!(journal.all().is_empty());
}

#[tokio::test]
async fn the_allowlist_is_checked_before_any_code_runs() {
    for (list, states) in
        [(None, ["active", "active"]), (Some(vec![]), ["disabled"; 2]), (Some(vec![name("a")]), ["active", "disabled"])]
    {
        let journal = Journal::default();
        let policy = Policy { allowlist: list.map(|l| l.into_iter().collect()), ..Policy::default() };
        let host = host([FakePlugin::new("a", &journal), FakePlugin::new("b", &journal)])
            .policy(policy)
            .start()
            .await
            .unwrap();
        assert_eq!(host.live().plugins().iter().map(|p| p.status.status.as_str()).collect::<Vec<_>>(), states);
        let started = states.iter().filter(|s| **s == "active").count();
        assert_eq!(journal.all().len(), started);
        if states[1] == "disabled" {
            assert!(state(&host, "b").1.contains("BUNTIME_PLUGINS_ALLOWLIST"));
            assert!(host.live().warnings().iter().any(|w| w.contains("`b` is left out")));
        }
    }
}

#[tokio::test]
async fn the_capability_policy_has_the_same_rule() {
    let journal = Journal::default();
    let policy = Policy { allowed_capabilities: Some([Capability::Routes].into()), ..Policy::default() };
    let quiet = FakePlugin::new("quiet", &journal).with(|mut m| {
        m.capabilities = [Capability::Routes].into();
        m
    });
    let host = host([quiet.with_sets(&[]), FakePlugin::new("b", &journal)]).policy(policy).start().await.unwrap();
    assert_eq!(state(&host, "quiet").0, PluginState::Active);
    let (disabled, reason) = state(&host, "b");
    assert!(disabled == PluginState::Disabled && reason.contains("`middleware`"), "{reason}");
}

#[tokio::test]
async fn an_interface_without_its_capability_and_a_reserved_one_are_refused() {
    let journal = Journal::default();
    let bare = |n: &str| {
        FakePlugin::new(n, &journal).with(|mut m| {
            m.capabilities.clear();
            m
        })
    };
    let reserved = FakePlugin::new("reserved", &journal).with(|m| m.with_capabilities([Capability::Evaluator]));
    let future = FakePlugin::new("future", &journal).with(|m| m.with_api(ApiVersion { major: 1, minor: 9 }));
    let host = host([bare("bare"), reserved, future]).start().await.unwrap();
    let (failed, reason) = state(&host, "bare");
    assert!(
        failed == PluginState::Failed && reason.contains("without declaring the `middleware` capability"),
        "{reason}"
    );
    assert!(state(&host, "reserved").1.contains("`evaluator` is reserved"));
    assert!(state(&host, "future").1.contains("plugin API 1.9"));
    assert!(!journal.line().contains("reserved.startup") && !journal.line().contains("future.startup"));
}

#[tokio::test]
async fn failure_modes_at_startup() {
    let journal = Journal::default();
    let sick = |n: &str| FakePlugin::new(n, &journal).on_startup(Act::Fail);
    // The plugin's own, else the configured default, else continue; an explicit continue is never overridden.
    let plugins = || {
        [
            (FakePlugin::new("first", &journal), json!({})),
            (sick("own").with(|m| m.with_failure_mode(FailureMode::Continue)), json!({})),
            (sick("default"), json!({})),
        ]
    };
    let quarantine = Policy { failure_mode: FailureMode::Quarantine, ..Policy::default() };
    let host = host_with(plugins()).policy(quarantine).start().await.unwrap();
    assert_eq!(state(&host, "own"), (PluginState::Failed, "told to fail".to_owned()));
    assert_eq!(state(&host, "default"), (PluginState::Quarantined, "told to fail".to_owned()));
    host.stop(std::time::Duration::from_secs(1)).await;
    journal.take();
    let abort = Policy { failure_mode: FailureMode::Abort, ..Policy::default() };
    let errors = host_with(plugins()).policy(abort).start().await.err().unwrap();
    assert_eq!(errors, [LoadError::Startup { plugin: name("default"), reason: "told to fail".to_owned() }]);
    assert_eq!(journal.line(), "first.startup own.startup default.startup first.shutdown");
}

#[tokio::test]
async fn a_required_plugin_must_be_there_and_start() {
    let journal = Journal::default();
    let required = |n: &str| Policy { required: vec![name(n)], ..Policy::default() };
    let sick =
        FakePlugin::new("a", &journal).on_startup(Act::Fail).with(|m| m.with_failure_mode(FailureMode::Continue));
    let errors = host([sick.clone()]).policy(required("a")).start().await.err().unwrap();
    assert!(matches!(&errors[0], LoadError::Startup { .. }), "required is always abort: {errors:?}");
    let errors = host([sick.clone()]).policy(required("b")).start().await.err().unwrap();
    assert!(errors[0].to_string().contains("`b` is not started: there is no such plugin"), "{errors:?}");
    let off = host_with([(sick, json!({ "enabled": false }))]).policy(required("a")).start().await.err().unwrap();
    assert!(off[0].to_string().contains("switched off"), "{off:?}");
}

#[tokio::test(start_paused = true)]
async fn a_startup_is_bounded_and_its_panic_is_caught() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("slow", &journal).on_startup(Act::Stall),
        FakePlugin::new("wild", &journal).on_startup(Act::Panic),
    ]);
    let host = host.start().await.unwrap();
    assert!(state(&host, "slow").1.contains("longer than 30s"));
    assert!(state(&host, "wild").1.contains("panicked: told to panic"));
}

#[tokio::test]
async fn dependents_of_what_did_not_start_wait() {
    let journal = Journal::default();
    let host = host([
        FakePlugin::new("base", &journal).on_startup(Act::Fail),
        FakePlugin::new("mid", &journal).with(|m| m.with_depends_on(["base"])),
        FakePlugin::new("top", &journal).with(|m| m.with_depends_on(["mid"])),
        FakePlugin::new("maybe", &journal).with(|m| m.with_optional_depends_on(["base", "absent"])),
    ]);
    let host = host.start().await.unwrap();
    assert_eq!(state(&host, "mid"), (PluginState::Waiting, "it waits for `base`".to_owned()));
    assert_eq!(state(&host, "top"), (PluginState::Waiting, "it waits for `mid`".to_owned()));
    assert_eq!(state(&host, "maybe").0, PluginState::Active);
    assert_eq!(journal.line(), "base.startup maybe.startup");
}

#[tokio::test(start_paused = true)]
async fn a_quarantined_plugin_recovers_by_itself_with_growing_pauses_unless_told_not_to() {
    let journal = Journal::default();
    let heals = |n: &str| {
        let left = std::sync::Arc::new(std::sync::Mutex::new(2));
        FakePlugin::new(n, &journal).on_startup(Act::FailFirst(left))
    };
    let host = host_with([
        (heals("heals"), json!({ "failureMode": "quarantine" })),
        (FakePlugin::new("needs", &journal).with(|m| m.with_depends_on(["heals"])), json!({})),
    ]);
    let begun = tokio::time::Instant::now();
    let host = host.start().await.unwrap();
    assert_eq!(state(&host, "needs").0, PluginState::Waiting);
    eventually("it has recovered", || async { state(&host, "needs").0 == PluginState::Active }).await;
    assert!(begun.elapsed() >= std::time::Duration::from_secs(15), "5 s, then 10 s: {:?}", begun.elapsed());
    let stubborn = host_with([(heals("stubborn"), json!({ "failureMode": "quarantine", "recovery": false }))]);
    let stubborn = stubborn.start().await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    assert_eq!(state(&stubborn, "stubborn").0, PluginState::Quarantined);
    // An operator lifts it.
    let _still_failing = stubborn.restart(&name("stubborn")).await;
    stubborn.restart(&name("stubborn")).await.unwrap();
    assert_eq!(state(&stubborn, "stubborn").0, PluginState::Active);
}

#[tokio::test]
async fn a_legacy_plugin_only_starts_and_stops() {
    struct OldTimer(Journal);
    #[async_trait]
    impl Plugin for OldTimer {
        async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
            self.0.note(format!("started as {}", startup.name()));
            Ok(())
        }
    }
    let journal = Journal::default();
    let host = Host::builder().plugin(OldTimer(journal.clone()), json!({ "anything": 1 })).start().await.unwrap();
    let report = &host.live().plugins()[0];
    assert_eq!((report.version.as_str(), report.priority, report.capabilities.len()), ("0.0.0", 1000, 0));
    assert_eq!(journal.line(), "started as oldtimer");
}

#[tokio::test]
async fn a_misspelt_hook_set_is_an_error() {
    let journal = Journal::default();
    let plugin = FakePlugin::new("a", &journal).with_sets(&[("cors", Some(8)), ("cache", Some(24))]);
    let host = host_with([(plugin, json!({ "hookPriorities": { "cach": 3 } }))]).start().await.unwrap();
    let (failed, reason) = state(&host, "a");
    assert_eq!(failed, PluginState::Failed);
    assert_eq!(reason, "hookPriorities names the hook set `cach`; there are: cache, cors");
}
