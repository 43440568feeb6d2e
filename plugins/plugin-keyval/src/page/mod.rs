//! The page: keys as a tree, values of every type to see and change, what changes as it changes, searching, queues and
//! their dead letters, and what the store is busy with.

use buntime_ui::{
    File, PluginPage,
    parts::{self, Field},
};
use maud::{Markup, html};

/// The plugin's page.
pub(crate) fn page() -> PluginPage {
    let module = File::new("keyval.js", include_str!("keyval.js"));
    PluginPage::new("KeyVal", module, content)
        .with_file(File::new("store.js", include_str!("store.js")))
        .with_file(File::new("tree.js", include_str!("tree.js")))
        .with_file(File::new("entry.js", include_str!("entry.js")))
        .with_file(File::new("search.js", include_str!("search.js")))
        .with_file(File::new("watch.js", include_str!("watch.js")))
        .with_file(File::new("queues.js", include_str!("queues.js")))
        .at(30)
}

fn field(form: &str, name: &str, label: &str, hint: &str) -> Markup {
    parts::field(form, Field { name, label, hint, value: "", required: false })
}

fn content() -> Markup {
    html! {
        (parts::stats(&[
            ("stat-entries", "Entries", "–"), ("stat-bytes", "Keys and values", "–"), ("stat-pending", "Messages waiting", "–"),
            ("stat-processing", "Messages being worked on", "–"), ("stat-dead", "Dead letters", "–"),
        ]))
        (parts::section("place", "Namespace", &place()))
        (parts::section("tree", "Keys", &tree()))
        (parts::section("entry", "Entry", &entry()))
        (parts::section("search", "Search", &search()))
        (parts::section("watch", "Watch", &watch()))
        (parts::section("queues", "Queues", &queues()))
        (parts::section("operations", "Operations", &html! {
            p.quiet { "Of all namespaces, since the start of this process." }
            (parts::table("operations-table", "Operations", &["Operation", "How often", "Failed", "On average"]))
        }))
    }
}

fn place() -> Markup {
    html! {
        div.row { (parts::choice("place", "namespace", "Which one", &[("default", "default")])) }
        form #quota-form {
            div.row {
                (field("quota", "name", "Make or limit a namespace", "shop"))
                (field("quota", "maxEntries", "Most entries", "no limit"))
                (field("quota", "maxBytes", "Most bytes", "no limit"))
                button { "Set" }
            }
        }
    }
}

fn tree() -> Markup {
    html! {
        nav #tree-way .buttons aria-label="The prefix that is shown" {}
        (parts::table("tree-table", "What stands below the prefix", &["Key", "Value", "Versionstamp", "Do"]))
        div.buttons { button #tree-more type="button" hidden { "More" } }
    }
}

fn entry() -> Markup {
    html! {
        p #entry-said .quiet role="status" { "Open a key above, or write one here." }
        form #entry-form {
            (field("entry", "path", "Key", "users/7/name"))
            div.field {
                label for="entry-value" { "Value, as JSON with types" }
                textarea #entry-value name="value" rows="8" spellcheck="false" autocomplete="off" aria-describedby="entry-value-told" {}
                p.told #entry-value-told hidden {}
            }
            (field("entry", "expiresIn", "Gone in so many milliseconds", "never"))
            div.buttons {
                button { "Save" }
                button #entry-delete type="button" hidden { "Delete" }
                button #entry-new type="button" { "New" }
            }
        }
    }
}

fn search() -> Markup {
    html! {
        form #search-form role="search" {
            div.row {
                (field("search", "prefix", "Below", "articles"))
                (field("search", "query", "Words", "fast \"in order\" OR title:gate*"))
                button { "Search" }
            }
        }
        (parts::table("hits-table", "What is found, the best first", &["Key", "Where", "Score", "Do"]))
        h3 { "Indexes" }
        (parts::table("indexes-table", "Indexes", &["Of the keys below", "Kind", "Fields", "State", "Entries", "Do"]))
        form #index-form {
            div.row {
                (field("index", "prefix", "Declare one below", "articles"))
                (parts::choice("index", "kind", "For",
                    &[("search", "searching"), ("sorted", "sorting"), ("unique", "sorting, and unique"), ("count", "counting")]))
                (field("index", "fields", "Fields, with commas", "title, author.name"))
                button { "Declare" }
            }
        }
    }
}

fn watch() -> Markup {
    html! {
        form #watch-form {
            div.row {
                (field("watch", "prefix", "Changes below", "users"))
                button { "Watch" }
                button #watch-stop type="button" hidden { "Stop" }
            }
        }
        p #watch-said .quiet role="status" { "Nothing is watched." }
        (parts::table("watch-table", "Changes, the newest first", &["Key", "Value", "Versionstamp", "Seen"]))
    }
}

fn queues() -> Markup {
    html! {
        (parts::table("queues-table", "Queues", &["Queue", "Waiting", "Being worked on", "Dead letters"]))
        h3 { "Dead letters" }
        (parts::table("dead-table", "Dead letters, the newest first", &["Message", "Queue", "Why", "Tries", "Since", "Do"]))
        div.buttons { button #dead-purge type="button" { "Delete all" } }
    }
}
