//! Whose a request is: the shell's, or that of whoever has the path.

use http::{HeaderMap, Method, header, request::Parts};

use super::excludes::Excludes;
use crate::{config::is_basename, limits::key::cookie};

/// Names that a client does not want the shell for, in a cookie; also in lower case.
const COOKIES: [&[u8]; 2] = [b"GATEWAY_SHELL_EXCLUDES", b"gateway_shell_excludes"];
/// Most names of a cookie that are looked at.
const MOST_NAMES: usize = 64;
/// What the runtime answers itself.
const OWN: [&str; 5] = ["api", "p", "livez", "readyz", ".well-known"];

/// Could the shell be asked for that path at all? Others have no reason to vary.
pub(super) fn concerns(head: &Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD) && !OWN.contains(&basename(head.uri.path()))
}

/// Is it the shell's? `is_routed`: somebody else has the path.
pub(super) fn is_shells(head: &Parts, is_routed: bool, excludes: &Excludes) -> bool {
    let path = head.uri.path();
    concerns(head)
        && !head.headers.contains_key(header::UPGRADE)
        && wants_it(&head.headers, path, is_routed)
        && !is_excluded(basename(path), &head.headers, excludes)
}

fn wants_it(headers: &HeaderMap, path: &str, is_routed: bool) -> bool {
    let says = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
    match says("sec-fetch-dest") {
        Some(b"document") => true,
        // A frame within the shell, or what was put into a page.
        Some(b"iframe" | b"frame" | b"embed" | b"object" | b"fencedframe") => false,
        // Its own scripts and pictures, unless they are somebody else's.
        Some(_) => !is_routed && is_single(path),
        // A client that does not say: by what it wants to read.
        None if is_page(headers) => !is_routed || is_single(path),
        None => !is_routed && is_single(path),
    }
}

/// Does it prefer a page, as browsers do that navigate?
fn is_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').next().is_some_and(|first| {
        let kind = first.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

/// The first segment of a path.
fn basename(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn is_single(path: &str) -> bool {
    !path.trim_matches('/').contains('/')
}

fn is_excluded(name: &str, headers: &HeaderMap, excludes: &Excludes) -> bool {
    is_basename(name) && (excludes.has(name) || COOKIES.iter().any(|cookie| in_cookie(name, headers, cookie)))
}

fn in_cookie(name: &str, headers: &HeaderMap, named: &[u8]) -> bool {
    let Some(value) = cookie(headers, named) else { return false };
    // Commas are written as they are, or as URLs write them.
    let text = String::from_utf8_lossy(value).replace("%2C", ",").replace("%2c", ",");
    text.trim_matches('"').split(',').take(MOST_NAMES).any(|one| one.trim() == name)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(asked: &str, routed: bool, expect: bool) {
        let mut words = asked.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut request = Request::builder().method(method).uri(path);
        for field in words {
            let (name, value) = field.split_once('=').unwrap();
            request = request.header(name, value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let excludes = Excludes::new(&["admin".to_owned()], None);
        assert_eq!(is_shells(&head, routed, &excludes), expect, "{asked}, routed: {routed}");
    }

    #[test]
    fn navigations_are_the_shells_and_the_rest_whose_it_is() {
        for routed in [false, true] {
            check("GET / sec-fetch-dest=document", routed, true);
            check("GET /orders/7/edit sec-fetch-dest=document", routed, true);
            check("HEAD /orders sec-fetch-dest=document", routed, true);
            check("GET /orders/7 sec-fetch-dest=iframe", routed, false);
            check("GET /orders sec-fetch-dest=embed", routed, false);
            check("GET /orders sec-fetch-dest=object", routed, false);
            // A form that is sent is not a page that is asked for.
            check("POST /login sec-fetch-dest=document", routed, false);
            for own in ["/api", "/api/plugins", "/p/gateway/", "/livez", "/readyz", "/.well-known/buntime"] {
                check(&format!("GET {own} sec-fetch-dest=document"), routed, false);
            }
            check("GET /admin sec-fetch-dest=document", routed, false);
            check("GET /admin/users sec-fetch-dest=document", routed, false);
            check("GET /admins sec-fetch-dest=document", routed, true);
            check("GET /chat sec-fetch-dest=document upgrade=websocket", routed, false);
            check("GET /orders/7 sec-fetch-dest=empty", routed, false);
            check("GET /orders accept=text/html,*/*;q=0.8", routed, true);
            check("GET /orders/7 accept=application/json,text/html", routed, false);
        }
        check("GET /main.js sec-fetch-dest=script", false, true);
        check("GET /main.js sec-fetch-dest=script", true, false);
        check("GET /data.json sec-fetch-dest=empty", true, false);
        check("GET /x", false, true);
        check("GET /x", true, false);
        check("GET /x/y", false, false);
        check("GET /orders/7 accept=text/html", false, true);
        check("GET /orders/7 accept=text/html", true, false);
    }

    #[test]
    fn a_cookie_names_what_its_client_does_not_want_the_shell_for() {
        let navigation = "sec-fetch-dest=document";
        check(&format!("GET /old/x {navigation} cookie=a=b;GATEWAY_SHELL_EXCLUDES=new,old"), false, false);
        check(&format!("GET /old {navigation} cookie=gateway_shell_excludes=new%2Cold"), false, false);
        check(&format!("GET /older {navigation} cookie=gateway_shell_excludes=old"), false, true);
        check(&format!("GET / {navigation} cookie=gateway_shell_excludes=,"), false, true);
        let many = (0..100).map(|number| format!("n{number}")).collect::<Vec<_>>().join(",");
        check(&format!("GET /n9 {navigation} cookie=GATEWAY_SHELL_EXCLUDES={many}"), false, false);
        check(&format!("GET /n99 {navigation} cookie=GATEWAY_SHELL_EXCLUDES={many}"), false, true);
    }
}
