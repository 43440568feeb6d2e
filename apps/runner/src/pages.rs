//! The runtime's own pages: what runs here, signing in, browsing the API. Self-contained: no script, nothing loaded
//! from anywhere, and a policy that lets no browser do otherwise.

use std::{fmt::Write, sync::LazyLock};

use aws_lc_rs::digest;
use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use buntime_core::host::report::PluginReport;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::VERSION;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:3rem auto;padding:0 1rem;\
color:#1c2430;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}a{color:#0b5cad}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #dde3ea;\
vertical-align:top}code{font:14px ui-monospace,monospace}input,button{font:inherit;padding:.4rem .6rem}\
.muted{color:#667080}.bad{color:#a8201a}\
@media(prefers-color-scheme:dark){body{color:#e4e9f0;background:#12161c}a{color:#7ab8ff}td,th{border-color:#2c3440}\
.muted{color:#93a0b0}.bad{color:#ff8a80}}";

/// Nothing but the style above, and forms to this server.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
});

fn page(status: StatusCode, title: &str, content: &str) -> Response<Body> {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head>\
         <body>{content}</body></html>\n",
        escape(title)
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: browsers would then hide the origin of our own forms, too.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if let Some(policy) = &*POLICY {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// What runs here.
pub(crate) fn home(plugins: &[PluginReport]) -> Response<Body> {
    let mut html = format!("<h1>Buntime <span class=\"muted\">{VERSION}</span></h1>");
    html.push_str("<p>A gateway in which everything is a plugin. These run here:</p>");
    html.push_str("<table><tr><th>Plugin</th><th>State</th><th>What it does</th></tr>");
    for one in plugins.iter().filter(|one| one.enabled) {
        let name = escape(one.short.as_str());
        let name = if one.ui { format!("<a href=\"{}/\">{name}</a>", escape(&one.base)) } else { name };
        let state = one.status.status.as_str();
        let class = if state == "active" { "muted" } else { "bad" };
        // Writing to a string cannot fail.
        let _ = write!(
            html,
            "<tr><td>{name}</td><td class=\"{class}\">{state}</td><td>{}</td></tr>",
            escape(&one.description)
        );
    }
    html.push_str("</table><p><a href=\"/api/docs\">The API of this server</a></p>");
    page(StatusCode::OK, "Buntime", &html)
}

/// A form for the admin token. `target` is where it leads; `message` says what was wrong the last time.
pub(crate) fn sign_in(target: &str, message: Option<&str>) -> Response<Body> {
    let message = message.map(|text| format!("<p class=\"bad\">{}</p>", escape(text))).unwrap_or_default();
    let html = format!(
        "<h1>Sign in</h1><p>This page is for administrators of this server.</p>{message}\
         <form method=\"post\" action=\"/api/session\"><input type=\"hidden\" name=\"return\" value=\"{}\">\
         <label>Admin token <input type=\"password\" name=\"token\" autocomplete=\"current-password\" required autofocus>\
         </label> <button>Sign in</button></form>",
        escape(target)
    );
    let mut response = page(StatusCode::UNAUTHORIZED, "Sign in", &html);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Every operation of an OpenAPI document.
pub(crate) fn docs(openapi: &Value) -> Response<Body> {
    let mut html = String::from(
        "<h1>API of this server</h1><p>As <a href=\"/api/openapi.json\">OpenAPI 3.1</a> \
        (for administrators). Send the admin token as <code>Authorization: Bearer</code> or <code>X-API-Key</code>.</p>",
    );
    let mut section = "";
    for (path, item) in openapi["paths"].as_object().into_iter().flatten() {
        let base = base_of(path);
        if base != section {
            if !section.is_empty() {
                html.push_str("</table>");
            }
            let _ = write!(html, "<h2>{}</h2><table>", escape(base));
            section = base;
        }
        for (method, operation) in item.as_object().into_iter().flatten().filter(|(name, _)| is_method(name)) {
            let text = ["summary", "description"].iter().find_map(|key| operation[*key].as_str()).unwrap_or_default();
            let _ = write!(
                html,
                "<tr><td><code>{}</code></td><td><code>{}</code></td><td>{}</td></tr>",
                method.to_uppercase(),
                escape(path),
                escape(text)
            );
        }
    }
    if !section.is_empty() {
        html.push_str("</table>");
    }
    page(StatusCode::OK, "API of this server", &html)
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
    fn nothing_gets_out_of_its_place() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn sections() {
        assert_eq!(base_of("/p/metrics/api/stats"), "/p/metrics");
        assert_eq!(base_of("/api/plugins/{name}"), "/api");
        assert_eq!(base_of("/livez"), "/");
    }
}
