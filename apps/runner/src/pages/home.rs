//! What runs here, for everybody; for administrators, what is wrong and where requests go, too.

use buntime_core::host::report::{PluginReport, PluginState};
use buntime_ui::{
    Page,
    parts::{self, Field, Tone},
};
use maud::{Markup, html};

use crate::VERSION;

pub(super) fn page(plugins: &[PluginReport]) -> Page {
    let enabled: Vec<&PluginReport> = plugins.iter().filter(|one| one.enabled).collect();
    let running = enabled.iter().filter(|one| one.status.status == PluginState::Active).count();
    let main = html! {
        p.quiet { "Buntime " (VERSION) ", a gateway in which everything is a plugin." }
        (parts::stats(&[
            ("stat-ready", "Ready", "–"),
            ("stat-plugins", "Plugins running", &format!("{running} of {}", enabled.len())),
            ("stat-rate", "Requests a second", "–"),
            ("stat-targets", "Targets up", "–"),
            ("stat-limited", "Refused by limits", "–"),
        ]))
        p #more .note hidden { a href={ (super::SESSION) "?return=/" } { "Sign in" } " to see what is wrong and where requests go." }
        (parts::section("wrong", "What is wrong", &html! { ul.plain #wrong-list { (wrong(&enabled)) } }))
        (parts::section("plugins", "What runs", &running_table(&enabled)))
        div #routes-part hidden {
            (parts::section("routes", "Where requests go", &html! {
                p.quiet { "In the order in which they are tried." }
                (parts::table("routes-table", "Routes", &["Request", "Goes to", "Through"]))
            }))
            (parts::section("explain", "What would happen to a request", &explain()))
        }
    };
    Page::new("Overview", "/", main).with_module("home.js")
}

fn wrong(enabled: &[&PluginReport]) -> Markup {
    let sick: Vec<_> = enabled.iter().filter(|one| one.status.status != PluginState::Active).collect();
    html! {
        @for one in &sick { li { (state(one.status.status)) " The plugin " (one.short.as_str()) " does not run as it should." } }
        @if sick.is_empty() { li { (parts::badge(Tone::Good, "ok")) " Every plugin that is switched on runs." } }
    }
}

fn running_table(enabled: &[&PluginReport]) -> Markup {
    html! {
        div.scroll role="region" aria-label="Plugins" tabindex="0" {
            table {
                thead { tr { th scope="col" { "Plugin" } th scope="col" { "State" } th scope="col" { "What it does" } } }
                tbody {
                    @for one in enabled {
                        tr {
                            th scope="row" {
                                @if one.ui { a href={ (one.base) "/" } { (one.short.as_str()) } } @else { (one.short.as_str()) }
                            }
                            td { (state(one.status.status)) }
                            td { (one.description) }
                        }
                    }
                    @if enabled.is_empty() { tr.empty { td colspan="3" { "No plugin is configured." } } }
                }
            }
        }
    }
}

fn state(state: PluginState) -> Markup {
    let tone = match state {
        PluginState::Active => Tone::Good,
        PluginState::Disabled | PluginState::Stopped => Tone::Plain,
        PluginState::Loading | PluginState::Degraded | PluginState::Waiting => Tone::Warn,
        PluginState::Quarantined | PluginState::Failed => Tone::Bad,
    };
    parts::badge(tone, state.as_str())
}

fn explain() -> Markup {
    let field = |name, label, hint, value| {
        parts::field("explain", Field { name, label, hint, value, required: name == "path" })
    };
    html! {
        form #explain-form {
            div.row {
                (field("method", "Method", "GET", "GET"))
                (field("host", "Host", "localhost", ""))
                (field("path", "Path", "/users/1", "/"))
                (field("consumer", "Consumer", "nobody known", ""))
                button.main { "Explain" }
            }
        }
        div #explained aria-live="polite" {}
    }
}
