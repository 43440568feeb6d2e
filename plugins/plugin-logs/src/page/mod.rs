//! The page: the log as it is written, with filters. However many lines there are, only those in sight are in the page.

use buntime_ui::{
    File, PluginPage,
    parts::{self, Field},
};
use maud::{Markup, html};

use crate::entry::Level;

/// The plugin's page.
pub(crate) fn page() -> PluginPage {
    let module = File::new("logs.js", include_str!("logs.js"));
    PluginPage::new("Logs", module, content).with_file(File::new("window.js", include_str!("window.js"))).at(40)
}

fn content() -> Markup {
    let levels = Level::ALL.map(|level| (level.as_str(), level.as_str()));
    let field = |name, label, hint| parts::field("filter", Field { name, label, hint, value: "", required: false });
    html! {
        form #filter-form role="search" aria-label="Filters" .card {
            div.row {
                (parts::choice("filter", "level", "At least", &levels))
                (field("search", "Says", "any text"))
                (field("plugin", "Plugin", "proxy"))
                (field("status", "Status", "404, 5xx, 400-499"))
                (field("requestId", "Request id", ""))
                button.main { "Filter" }
            }
            p.told #filter-told role="alert" hidden {}
        }
        div.row.bar {
            p #shown .quiet role="status" { "Loading…" }
            div.buttons {
                button #follow type="button" aria-pressed="true" { "Follow" }
                button #clear type="button" { "Clear the log" }
            }
        }
        div #pane .pane role="region" aria-label="Log lines, the newest last" tabindex="0" { div.all {} }
        (parts::section("entry", "One line", &html! {
            p #entry-none .quiet { "Choose a line to see all of it." }
            pre #entry-whole .whole hidden tabindex="0" {}
        }))
    }
}
