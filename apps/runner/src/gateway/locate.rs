//! Paths and bases.

use http::{Uri, uri::PathAndQuery};

/// Is `path` this segment, or below it?
pub(crate) fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A target as seen from `base`: `/p/x/api?q` below `/p/x` is `/api?q`. `None` if it does not lie there.
pub(crate) fn below(base: &str, uri: &Uri) -> Option<Uri> {
    let target = uri.path_and_query()?.as_str();
    let rest = target.strip_prefix(base)?;
    let rest = match rest.as_bytes().first() {
        Some(b'/') => PathAndQuery::try_from(rest),
        None => return Some(Uri::from_static("/")),
        Some(b'?') => PathAndQuery::try_from(format!("/{rest}")),
        Some(_) => return None,
    };
    Some(Uri::from(rest.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_below_a_base() {
        let at = |uri: &'static str| below("/p/x", &Uri::from_static(uri)).map(|uri| uri.to_string());
        assert_eq!(at("/p/x").as_deref(), Some("/"));
        assert_eq!(at("/p/x/").as_deref(), Some("/"));
        assert_eq!(at("/p/x?a=/b").as_deref(), Some("/?a=/b"));
        assert_eq!(at("/p/x/api/y?q=1").as_deref(), Some("/api/y?q=1"));
        assert_eq!(at("/p/xy"), None);
        assert_eq!(at("/q"), None);
    }

    #[test]
    fn segments() {
        assert!(is_below("/api", "/api") && is_below("/api/x", "/api"));
        assert!(!is_below("/apix", "/api"));
    }
}
