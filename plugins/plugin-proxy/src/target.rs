//! A rule's one target: a URL, read and judged.

use buntime_config::model::TargetUrl;
use http::Uri;

/// A rule's target.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: TargetUrl,
    /// `scheme://host[:port]`.
    pub(crate) origin: String,
    pub(crate) is_https: bool,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let wanted = "write http://host:port or https://host:port, with a path if the upstream has one";
        let bad = |why: &str| format!("{why}; {wanted}");
        let Some((scheme, _)) = text.split_once("://") else { return Err(bad("this is no URL")) };
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            "ws" | "wss" => return Err(bad("WebSockets go to the same target as everything else")),
            _ => return Err(bad(&format!("`{scheme}` is not spoken"))),
        };
        if text.contains('#') {
            return Err(bad("a target has no fragment"));
        }
        let uri: Uri = text.parse().map_err(|error| bad(&format!("this is no URL ({error})")))?;
        let authority = uri.authority().filter(|a| !a.host().is_empty()).ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err("a target has no user name and password; set an `authorization` field in `headers`".to_owned());
        }
        if authority.as_str() != authority.host() && authority.port_u16().is_none() {
            return Err(bad("a port is a number up to 65535"));
        }
        if uri.query().is_some() {
            return Err("a target has no query; put one into `rewrite`".to_owned());
        }
        // The path is resolved, too: what is put before the request's leads nowhere else.
        let path = buntime_http::path::normalize(uri.path()).map_err(|error| error.to_string())?;
        let scheme = if is_https { "https" } else { "http" };
        let url: TargetUrl = format!("{scheme}://{authority}{path}").parse().map_err(|error: String| bad(&error))?;
        Ok(Self { origin: url.origin().ascii_serialization(), url, is_https })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::read("HTTPS://Api.Example:8443/v1/x/").unwrap();
        assert_eq!((target.url.as_str(), target.is_https), ("https://api.example:8443/v1/x/", true));
        assert_eq!(target.origin, "https://api.example:8443");
        let target = Target::read("http://[::1]:9000").unwrap();
        assert_eq!((target.url.path(), &*target.origin), ("/", "http://[::1]:9000"));
        assert_eq!(Target::read("http://h/a/../b").unwrap().url.path(), "/b");
    }
}
