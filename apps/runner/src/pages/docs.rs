//! The API as a page: every operation of an OpenAPI document.

use buntime_ui::Page;
use maud::{Markup, html};
use serde_json::{Map, Value};

pub(super) fn page(openapi: &Value) -> Page {
    let none = Map::new();
    let paths = openapi["paths"].as_object().unwrap_or(&none);
    // The document lists paths base by base.
    let mut sections: Vec<(&str, Vec<(&String, &Value)>)> = Vec::new();
    for (path, item) in paths {
        let base = base_of(path);
        match sections.last_mut() {
            Some((last, listed)) if *last == base => listed.push((path, item)),
            _ => sections.push((base, vec![(path, item)])),
        }
    }
    let main = html! {
        p {
            "As " a href="/api/openapi.json" { "OpenAPI 3.1" } " (for administrators). Send the admin token as "
            code { "Authorization: Bearer" } " or " code { "X-API-Key" } "."
        }
        @for (base, listed) in &sections { (section(base, listed)) }
    };
    Page::new("API of this server", "/api/docs", main)
}

fn section(base: &str, listed: &[(&String, &Value)]) -> Markup {
    let operations = listed.iter().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten().filter(|(name, _)| is_method(name));
        methods.map(move |(method, operation)| (path, method, operation))
    });
    let text = |operation: &Value| {
        let said = ["summary", "description"].iter().find_map(|key| operation[*key].as_str());
        said.unwrap_or_default().to_owned()
    };
    html! {
        section.card aria-label=(base) {
            h2 { code { (base) } }
            div.scroll role="region" tabindex="0" aria-label={ "Operations of " (base) } {
                table {
                    thead { tr { th scope="col" { "Method" } th scope="col" { "Path" } th scope="col" { "What it does" } } }
                    tbody { @for (path, method, operation) in operations {
                        tr { td { code { (method.to_uppercase()) } } th scope="row" { code { (path) } } td { (text(operation)) } }
                    } }
                }
            }
        }
    }
}

fn is_method(name: &str) -> bool {
    ["get", "put", "post", "delete", "patch", "head", "options"].contains(&name)
}

/// `/p/metrics/api/stats` → `/p/metrics`; `/api/plugins` → `/api`; `/livez` → `/`.
fn base_of(path: &str) -> &str {
    let segments = if path.starts_with("/p/") { 2 } else { 1 };
    match path.match_indices('/').nth(segments) {
        Some((end, _)) => &path[..end],
        None => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections() {
        assert_eq!(base_of("/p/metrics/api/stats"), "/p/metrics");
        assert_eq!(base_of("/api/plugins/{name}"), "/api");
        assert_eq!(base_of("/livez"), "/");
    }
}
