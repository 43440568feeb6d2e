//! The page: how every upstream and target is, and what an operator may say of them; the rules, in order.

use buntime_ui::{
    File, PluginPage,
    parts::{self, Field},
};
use maud::{Markup, html};

/// The plugin's page.
pub(crate) fn page() -> PluginPage {
    let module = File::new("proxy.js", include_str!("proxy.js"));
    PluginPage::new("Proxy", module, content).with_file(File::new("rules.js", include_str!("rules.js"))).at(10)
}

fn content() -> Markup {
    html! {
        (parts::stats(&[
            ("stat-up", "Targets up", "–"), ("stat-sick", "Sick", "–"), ("stat-flight", "Requests under way", "–"),
            ("stat-queued", "Waiting", "–"), ("stat-retries", "Retries", "–"),
        ]))
        (parts::section("upstreams", "Upstreams", &html! {
            p.quiet {
                "What you say of a target holds on this node until you say “automatic” or the program ends. "
                "Drain: nothing new is sent to it. Take out: as if its breaker were open. Hold in: whatever its checks say."
            }
            (parts::table("targets-table", "Targets of all upstreams",
                &["Target", "State", "Under way", "Requests", "Failed", "Latency", "Do"]))
        }))
        (parts::section("rules", "Rules", &html! {
            p.quiet { "The first that matches wins. Those of the configuration file come first and are changed there." }
            (parts::table("rules-table", "Rules in order", &["Rule", "Matches", "Goes to", "State", "Do"]))
        }))
        (parts::section("add", "Add a rule", &add()))
    }
}

fn add() -> Markup {
    let field = |name, label, hint, required| parts::field("add", Field { name, label, hint, value: "", required });
    html! {
        form #add-form {
            div.row {
                (field("name", "Name", "users", false))
                (field("pattern", "Pattern", "^/users(/.*)?$", true))
                (field("target", "Target", "http://127.0.0.1:9001", false))
                (field("service", "or service", "a service’s name", false))
                (field("rewrite", "Rewrite to", "$1", false))
                button.main { "Add" }
            }
        }
    }
}
