//! The page: who is limited, what is left to whom, what is cached; and resetting and invalidating.

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
        .at(15)
}

fn content() -> Markup {
    html! {
        (parts::stats(&[
            ("stat-allowed", "Let through", "–"), ("stat-refused", "Refused", "–"), ("stat-rate", "Refused a second", "–"),
            ("stat-keys", "Keys counted", "–"), ("stat-hits", "Cache hits", "–"), ("stat-cached", "Cached", "–"),
            ("stat-redis", "Redis", "–"),
        ]))
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
