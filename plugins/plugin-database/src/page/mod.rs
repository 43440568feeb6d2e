//! The page: which databases there are and how they are; a statement, and what it comes to; the tables of one, page by
//! page; both to be taken along as CSV and JSON.

use buntime_ui::{
    File, PluginPage,
    parts::{self, Field},
};
use maud::{Markup, html};

/// The plugin's page.
pub(crate) fn page() -> PluginPage {
    let module = File::new("database.js", include_str!("database.js"));
    PluginPage::new("Database", module, content)
        .with_file(File::new("tables.js", include_str!("tables.js")))
        .with_file(File::new("query.js", include_str!("query.js")))
        .with_file(File::new("grid.js", include_str!("grid.js")))
        .with_file(File::new("export.js", include_str!("export.js")))
        .at(20)
}

fn content() -> Markup {
    html! {
        (parts::section("adapters", "Databases", &html! {
            (parts::table("adapters-table", "Databases", &["Type", "Where it is", "State", "Tenants"]))
        }))
        (parts::section("place", "Which one", &place()))
        (parts::section("query", "Query", &query()))
        (parts::section("tables", "Tables", &tables()))
    }
}

fn place() -> Markup {
    html! {
        form #place-form aria-label="Which database" {
            div.row {
                (parts::choice("place", "type", "Database", &[]))
                (parts::choice("place", "tenant", "Tenant", &[("", "none: the database itself")]))
            }
        }
        form #tenant-form {
            div.row {
                (parts::field("tenant", Field { name: "id", label: "A new tenant", hint: "acme", value: "", required: true }))
                button { "Make" }
                button #tenant-delete type="button" hidden { "Delete the tenant" }
            }
        }
    }
}

fn tables() -> Markup {
    html! {
        (parts::table("tables-table", "Tables and views", &["Table", "Kind"]))
        div #rows hidden {
            h3 #rows-title {}
            div.row.bar {
                p #rows-said .quiet role="status" {}
                div.buttons {
                    button #rows-first type="button" { "First" }
                    button #rows-back type="button" { "Back" }
                    button #rows-on type="button" { "On" }
                    button #rows-csv type="button" { "All as CSV" }
                    button #rows-json type="button" { "All as JSON" }
                }
            }
            (parts::table("rows-table", "Rows of the table", &["Rows"]))
        }
    }
}

fn query() -> Markup {
    html! {
        form #query-form {
            div.field {
                label for="query-sql" { "One statement" }
                textarea #query-sql name="sql" spellcheck="false" autocomplete="off" rows="6" required
                    aria-describedby="query-sql-told" placeholder="SELECT * FROM notes WHERE id = ?1" {}
                p #query-sql-told .told role="alert" hidden {}
            }
            div.row {
                (parts::field("query", Field {
                    name: "args", label: "Arguments, as a JSON array", hint: r#"[1, "text", null]"#, value: "", required: false,
                }))
                (parts::choice("query", "mode", "It may", &[("read", "only read"), ("write", "change data")]))
                button.main { "Run" }
            }
        }
        div #result hidden {
            div.row.bar {
                p #result-said .quiet role="status" {}
                div.buttons {
                    button #result-csv type="button" { "As CSV" }
                    button #result-json type="button" { "As JSON" }
                }
            }
            (parts::table("result-table", "What it came to", &["Rows"]))
        }
    }
}
