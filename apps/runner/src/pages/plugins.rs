//! The plugins: where each of their hook sets stands, how they do, switching, restarting, settings.

use buntime_ui::{Page, parts};
use maud::html;

pub(super) fn page() -> Page {
    let main = html! {
        (parts::section("plugins", "Plugins", &html! {
            p.quiet { "In the order in which they start." }
            (parts::table("plugins-table", "Plugins", &["Plugin", "State", "Breaker", "Hook calls", "Failed", "Mean", "Do"]))
        }))
        div #settings-part hidden {
            (parts::section("settings", "Settings", &html! {
                p.quiet {
                    "As JSON. What you change takes effect at once and is kept; secrets are shown as "
                    code { "***" } " and stay what they are unless you write them anew."
                }
                form #settings-form {
                    div.field {
                        label for="settings-config" { "Settings of " span #settings-name {} }
                        textarea #settings-config name="config" spellcheck="false" aria-describedby="settings-config-told" {}
                        p.told #settings-config-told role="alert" hidden {}
                    }
                    div.buttons {
                        button.main { "Save" }
                        button #settings-close type="button" { "Close" }
                    }
                }
            }))
        }
        (parts::section("chain", "The way of a request", &html! {
            p.quiet { "The gateway's own chain, in the order of the way in; the way back is the reverse." }
            (parts::table("chain-table", "Hook sets in order", &["Hook set", "Priority", "Takes part in", "Calls", "Mean of each stage"]))
        }))
    };
    Page::new("Plugins", super::PLUGINS, main).with_module("plugins.js")
}
