//! The page: every check, what it found, and what they mean together.

use buntime_ui::{File, PluginPage, parts};
use maud::{Markup, html};

/// The plugin's page.
pub(crate) fn page() -> PluginPage {
    PluginPage::new("Health", File::new("health.js", include_str!("health.js")), content).at(30)
}

fn content() -> Markup {
    html! {
        (parts::stats(&[
            ("stat-status", "All together", "–"), ("stat-sick", "Not healthy", "–"), ("stat-checks", "Checks", "–"),
            ("stat-uptime", "Runs for", "–"),
        ]))
        p.quiet { "Checked " time #checked-at { "not yet" } "." }
        (parts::section("checks", "Checks", &html! {
            p.quiet { "What is not well comes first." }
            (parts::table("checks-table", "Checks", &["Check", "Status", "What it says", "Took"]))
        }))
    }
}
