//! The page: what passed lately, who is limited, what is left to whom, what is cached, what the shell is not for, the last
//! requests; and resetting and invalidating.

use buntime_ui::{
    File, PluginPage,
    parts::{self, Field},
};
use maud::{Markup, html};

/// The plugin's page.
pub(crate) fn page() -> PluginPage {
    let module = File::new("gateway.js", include_str!("gateway.js"));
    PluginPage::new("Gateway", module, content)
        .with_file(File::new("limits.js", include_str!("limits.js")))
        .with_file(File::new("cache.js", include_str!("cache.js")))
        .with_file(File::new("history.js", include_str!("history.js")))
        .with_file(File::new("requests.js", include_str!("requests.js")))
        .at(15)
}

fn content() -> Markup {
    html! {
        (parts::stats(&[
            ("stat-allowed", "Let through", "–"), ("stat-refused", "Refused", "–"), ("stat-rate", "Refused a second", "–"),
            ("stat-keys", "Keys counted", "–"), ("stat-hits", "Cache hits", "–"), ("stat-cached", "Cached", "–"),
            ("stat-redis", "Redis", "–"),
        ]))
        (parts::section("history", "Lately", &history()))
        (parts::section("limited", "Who is limited", &html! {
            p.quiet { "Of the last requests that were over a limit." }
            (parts::table("limited-table", "Who is limited", &["Key", "Limit", "Requests over it", "Last", "Asked for", "Do"]))
        }))
        (parts::section("limits", "Limits", &html! {
            (parts::table("limits-table", "Limits",
                &["Limit", "Allows", "Counts by", "Let through", "Refused", "Only observed", "Keys", "Do"]))
        }))
        (parts::section("buckets", "What is left", &html! {
            form #buckets-form {
                div.row {
                    (parts::field("buckets", Field { name: "prefix", label: "Keys that begin with", hint: "ip:192.0.2.", value: "", required: false }))
                    (parts::field("buckets", Field { name: "name", label: "Of the limit", hint: "any", value: "", required: false }))
                    button { "Show" }
                }
            }
            (parts::table("buckets-table", "Keys with what is left to them", &["Key", "Limit", "Left", "State", "Whole again in", "Do"]))
        }))
        (parts::section("cache", "Cache", &cache()))
        (parts::section("shell", "Shell", &shell()))
        // Last, for it is the longest.
        (parts::section("requests", "Requests", &requests()))
    }
}

fn history() -> Markup {
    html! {
        div #history-ranges .buttons role="group" aria-label="How far back" {
            @for (samples, name) in [(60, "60 samples"), (600, "600"), (3600, "3600")] {
                button type="button" value=(samples) aria-pressed=(samples == 60) { (name) }
            }
        }
        p #history-said .quiet { "Loading…" }
        div.charts {
            (parts::chart("chart-rate", "Asked of limits, a second"))
            (parts::chart("chart-time", "How long answers took"))
            (parts::chart("chart-errors", "Answered with an error, in 100"))
            (parts::chart("chart-hits", "Answered from the cache, in 100"))
        }
    }
}

fn requests() -> Markup {
    let field = |name, label, hint| parts::field("requests", Field { name, label, hint, value: "", required: false });
    html! {
        p #requests-said .quiet { "Loading…" }
        form #requests-form role="search" aria-label="Filter requests" {
            div.row {
                (parts::choice("requests", "rateLimited", "Which", &[("any", "all"), ("true", "refused by a limit"), ("false", "others")]))
                (field("statusRange", "Answered", "5xx, 404, 400-499"))
                (field("path", "Path contains", "/users"))
                (field("ip", "Of the address", "192.0.2.1"))
                (field("consumer", "Of the consumer", "acme"))
                button { "Filter" }
                button #requests-forget type="button" { "Forget all" }
            }
        }
        (parts::table("requests-table", "The last requests", &["When", "Asked for", "Answered", "Took", "Who", "Over a limit"]))
    }
}

fn shell() -> Markup {
    html! {
        p #shell-said .quiet { "Loading…" }
        form #shell-form hidden {
            div.row {
                (parts::field("shell", Field { name: "basename", label: "Keep a path from the shell", hint: "orders", value: "", required: true }))
                button { "Add" }
            }
        }
        (parts::table("shell-table", "What the shell is not for", &["First segment", "Of", "Do"]))
    }
}

fn cache() -> Markup {
    html! {
        p #cache-said .quiet { "Loading…" }
        form #invalidate-form {
            div.row {
                (parts::choice("invalidate", "by", "Forget what is cached", &[
                    ("prefix", "whose key begins with"), ("key", "under the key"),
                    ("pattern", "whose path matches"), ("tag", "with the tag"), ("all", "at all: everything"),
                ]))
                (parts::field("invalidate", Field { name: "what", label: "Which", hint: "/products/", value: "", required: false }))
                button.main { "Invalidate" }
            }
        }
        form #entries-form {
            div.row {
                (parts::field("entries", Field { name: "prefix", label: "Show keys that begin with", hint: "/products/", value: "", required: false }))
                button { "Show" }
            }
        }
        (parts::table("entries-table", "What is cached", &["Key", "Status", "Size", "Age", "Fresh for", "Tags", "Do"]))
    }
}
