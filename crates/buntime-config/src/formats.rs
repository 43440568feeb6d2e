//! Strings with a form: hosts, paths, URLs, patterns. One function each, used by the typed model and, through the
//! `format` of a schema, at the place in the file.

use buntime_ssrf::{AllowedCidr, AllowedHost, AllowedSuffix, BadEntry, UrlPrefix};
use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use url::Url;

/// A compiled pattern may take so many bytes.
const REGEX_LIMIT: usize = 1 << 20;

/// What only the runner answers. Nothing else may claim it or anything below it.
pub const RESERVED: [&str; 5] = ["/livez", "/readyz", "/.well-known/buntime", "/api", "/p"];

/// Checks a string against a format of a schema. Formats that are not known here say nothing, as JSON Schema has it.
pub(crate) fn check(format: &str, text: &str) -> Result<(), String> {
    match format {
        "name" => name(text),
        "host" => listen_host(text),
        "cidr" => cidr(text).map(drop),
        "http-url" => http_url(text).map(drop),
        "uri" | "url" => Url::parse(text).map(drop).map_err(|e| format!("this is no URL: {e}")),
        "regex" => regex(text).map(drop),
        "path-pattern" => path_pattern(text),
        "route-path" => route_path(text),
        "route-host" => route_host(text),
        "request-path" => request_path(text),
        "method" => method(text).map(drop),
        "header-name" => header_name(text),
        "header-value" => header_value(text),
        "status-range" => text.parse::<crate::model::StatusRange>().map(drop),
        "hash-key" => text.parse::<crate::model::HashKey>().map(drop),
        "plugin-base" => plugin_base(text).map(drop),
        "outbound-host" => listed::<AllowedHost>(text),
        "outbound-suffix" => listed::<AllowedSuffix>(text),
        "outbound-cidr" => listed::<AllowedCidr>(text),
        "outbound-url" => listed::<UrlPrefix>(text),
        _ => Ok(()),
    }
}

/// An entry of a list of the outbound guard.
fn listed<T: TryFrom<String, Error = BadEntry>>(text: &str) -> Result<(), String> {
    T::try_from(text.to_owned()).map(drop).map_err(|error| match error.why() {
        why if why.starts_with('`') => why.to_owned(),
        why => format!("this {why}"),
    })
}

/// The name of a service, route, group or consumer.
fn name(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '@' | ':');
    if text.trim().is_empty() {
        Err("a name must not be empty".to_owned())
    } else if text.trim() != text {
        Err("a name must not begin or end with a space".to_owned())
    } else if text.chars().count() > 128 {
        Err("a name is at most 128 characters long".to_owned())
    } else if let Some(bad) = text.chars().find(|c| !good(*c)) {
        Err(format!("`{bad}` cannot be in a name; letters, digits, spaces and `-_.@:` can"))
    } else {
        Ok(())
    }
}

fn listen_host(text: &str) -> Result<(), String> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    if text.contains(':') && text.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
        return Err("write the host alone; its port belongs in `port`".to_owned());
    }
    if text.starts_with('[') {
        return Err("write an IPv6 address without brackets".to_owned());
    }
    domain(text)
}

/// Letters, digits, `-` and `_` in labels between points.
fn domain(text: &str) -> Result<(), String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let bare = text.strip_suffix('.').unwrap_or(text);
    if !bare.is_empty() && bare.len() <= 253 && bare.split('.').all(label) {
        Ok(())
    } else if !text.is_ascii() {
        Err("write an international host name in its `xn--` form".to_owned())
    } else {
        Err("this is neither an IP address nor a host name".to_owned())
    }
}

pub(crate) fn cidr(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map(|net| net.trunc())
        .map_err(|_| "this is no network; write `10.0.0.0/8`, `fd00::/8` or one address".to_owned())
}

/// An address to forward to: http or https, a host, no credentials, no query, no fragment.
pub(crate) fn http_url(text: &str) -> Result<Url, String> {
    let bad = |why: &str| Err(why.to_owned());
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => return bad("a URL begins with `http://` or `https://`"),
        Err(error) => return Err(format!("this is no URL: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return if text.contains("://") {
            Err(format!("`{}` cannot be forwarded to; a URL begins with `http://` or `https://`", url.scheme()))
        } else {
            bad("a URL begins with `http://` or `https://`")
        };
    }
    if url.host_str().is_none_or(str::is_empty) {
        return bad("the URL has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad("a user name or password in the URL of a target is not sent; use a header");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return bad("the URL of a target has no `?` and no `#`");
    }
    if url.port() == Some(0) {
        return bad("port 0 cannot be connected to");
    }
    Ok(url)
}

/// A regular expression in linear time.
pub(crate) fn regex(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).size_limit(REGEX_LIMIT).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "this regular expression is too big".to_owned(),
        error => {
            // The library draws the pattern with a caret of its own over several lines; the last says what is wrong.
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            let hint = if why.contains("look-around") || why.contains("backreference") {
                " (patterns run in linear time)"
            } else {
                ""
            };
            format!("this is no regular expression: {why}{hint}")
        }
    })
}

/// A path glob, or a regular expression when it begins with `^` or `(`.
fn path_pattern(text: &str) -> Result<(), String> {
    match text.chars().next() {
        Some('^' | '(') => regex(text).map(drop),
        Some('/' | '*') => Ok(()),
        _ => Err("a path pattern begins with `/`, or with `^` or `(` as a regular expression".to_owned()),
    }
}

fn route_path(text: &str) -> Result<(), String> {
    let Some(pattern) = text.strip_prefix('~') else { return route_prefix(text) };
    regex(pattern)?;
    match claims_reserved(pattern.strip_prefix('^').unwrap_or(pattern)) {
        Some(reserved) => Err(reserved_message(reserved)),
        None => Ok(()),
    }
}

/// A path that means itself and all below it.
pub(crate) fn route_prefix(text: &str) -> Result<(), String> {
    request_path(text)?;
    if text.contains('?') {
        return Err("a route's path has no `?`".to_owned());
    }
    if text.contains('%') {
        return Err("write the path decoded, without `%`".to_owned());
    }
    if text
        .trim_end_matches('/')
        .split('/')
        .skip(1)
        .any(|segment| segment.is_empty() || segment == "." || segment == "..")
    {
        return Err("a route's path has no empty, `.` or `..` segment".to_owned());
    }
    if text.contains('*') {
        return Err("a path matches everything below it by itself; for a pattern begin with `~`".to_owned());
    }
    match claims_reserved(text) {
        Some(reserved) => Err(reserved_message(reserved)),
        None => Ok(()),
    }
}

fn reserved_message(reserved: &str) -> String {
    format!("`{reserved}` is the runner's own; no route may claim it or anything below it")
}

/// The reserved path that this one is or lies below.
fn claims_reserved(path: &str) -> Option<&'static str> {
    let path = path.replace("\\.", ".");
    RESERVED.into_iter().find(|reserved| {
        path.strip_prefix(reserved).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '$']))
    })
}

fn request_path(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        Err("a path begins with `/`".to_owned())
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Err("a path has no spaces or control characters".to_owned())
    } else if text.contains(['#', '\\']) {
        Err("a path has no `#` and no `\\`".to_owned())
    } else {
        Ok(())
    }
}

pub(crate) fn route_host(text: &str) -> Result<(), String> {
    if text.contains("://") {
        return Err("write the host alone, without a scheme".to_owned());
    }
    let host = text.strip_prefix("*.").unwrap_or(text);
    if host.contains('*') {
        return Err("`*` may only stand for the first label: `*.example.org`".to_owned());
    }
    if text.len() == host.len() && host.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(());
    }
    if host.contains(':') {
        return Err("write the host without its port".to_owned());
    }
    domain(host)
}

pub(crate) fn method(text: &str) -> Result<http::Method, String> {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let method = http::Method::from_bytes(text.as_bytes()).map_err(|_| "this is no request method".to_owned())?;
    let upper = text.to_ascii_uppercase();
    if upper != text && known.contains(&upper.as_str()) {
        return Err(format!("methods are case-sensitive; write `{upper}`"));
    }
    if !known.contains(&text)
        && let Some(meant) = crate::suggest::closest(text, known)
    {
        return Err(format!("this is no method that clients send; did you mean `{meant}`?"));
    }
    Ok(method)
}

pub(crate) fn header_name(text: &str) -> Result<(), String> {
    http::HeaderName::from_bytes(text.as_bytes())
        .map(drop)
        .map_err(|_| "this cannot be the name of a header".to_owned())
}

fn header_value(text: &str) -> Result<(), String> {
    http::HeaderValue::from_str(text).map(drop).map_err(|_| "this cannot be the value of a header".to_owned())
}

/// `mydb`, `/mydb` and `/p/mydb` are `/p/mydb`.
///
/// # Errors
///
/// Says why a text cannot be a base: it is one segment of letters, digits and `-._~`.
pub fn plugin_base(text: &str) -> Result<String, String> {
    let bare = text.trim_end_matches('/');
    let bare = bare.strip_prefix('/').unwrap_or(bare);
    let bare = bare.strip_prefix("p/").unwrap_or(bare);
    if bare.is_empty() || bare == "p" {
        return Err("a base needs a name below `/p/`".to_owned());
    }
    if bare.contains('/') {
        return Err("a base is one segment below `/p/`".to_owned());
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    if let Some(bad) = bare.chars().find(|c| !good(*c)) {
        return Err(format!("`{bad}` cannot be in a base; letters, digits and `-._~` can"));
    }
    if matches!(bare, "." | "..") {
        return Err("a base cannot be `.` or `..`".to_owned());
    }
    Ok(format!("/p/{bare}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases() {
        for text in ["mydb", "/mydb", "/p/mydb", "p/mydb", "/p/mydb/"] {
            assert_eq!(plugin_base(text).unwrap(), "/p/mydb", "{text}");
        }
        for text in ["", "/", "/p", "/p/", "a/b", "..", "a b", "ü", "a?b"] {
            assert!(plugin_base(text).is_err(), "{text}");
        }
    }

    #[test]
    fn route_paths() {
        for text in ["/", "/users", "/users/", "/api2", "/pages", "~^/v[0-9]+/users$", "~^/p2", "/.well-known/acme"] {
            assert_eq!(route_path(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "users",
            "/api",
            "/api/x",
            "/p",
            "/p/x",
            "/livez",
            "/readyz/",
            "/.well-known/buntime",
            "/a/../api",
            "/a//b",
            "/%61pi",
            "/a b",
            "/a?b",
            "/*",
            "~^/p/",
            "~^/api$",
            "~(",
            "/a#b",
            "/a\\b",
            r"~^/\.well-known/buntime",
        ] {
            assert!(route_path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_and_urls() {
        for text in ["api.example.com", "*.example.org", "localhost", "[::1]", "127.0.0.1"] {
            assert_eq!(route_host(text), Ok(()), "{text}");
        }
        for text in ["", "*", "*.*.x", "a.*.x", "http://x", "x:80", "a b", "-a.x", "ü.de"] {
            assert!(route_host(text).is_err(), "{text}");
        }
        for text in ["http://127.0.0.1:9001", "https://x.example/base", "http://[::1]:80"] {
            assert!(http_url(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "x",
            "127.0.0.1:90",
            "localhost:90",
            "ftp://x",
            "http://",
            "http://u:p@x",
            "http://x?a",
            "http://x:0",
            "http://x:99999",
        ] {
            assert!(http_url(text).is_err(), "{text}");
        }
        assert!(cidr("10.1.2.3/8").is_ok_and(|net| net.to_string() == "10.0.0.0/8"));
        assert!(cidr("10.0.0.1").is_ok() && cidr("10.0.0.0/33").is_err());
    }

    #[test]
    fn patterns_and_methods() {
        assert!(regex("(?=a)").unwrap_err().contains("linear time"));
        assert!(regex("(a").unwrap_err().contains("unclosed group"));
        assert!(regex("(?:a{1000}){1000}").unwrap_err().contains("too big"));
        assert!(method("get").unwrap_err().contains("`GET`"));
        assert!(method("GTE").unwrap_err().contains("`GET`"));
        assert!(method("PURGE").is_ok());
    }
}
