//! Where a rule leads: an origin, and a path to put before the request's.

use http::{HeaderValue, Uri};

/// A rule's target, taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `scheme://authority/`.
    pub(crate) origin: Uri,
    /// The path to put before the request's, without a `/` at its end; empty for none.
    pub(crate) prefix: Box<str>,
    /// What `Host` says when the origin is changed.
    pub(crate) host: HeaderValue,
    /// What `Origin` says then.
    pub(crate) origin_header: HeaderValue,
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
        let path = buntime_http::path::normalize(uri.path()).map_err(|error| error.to_string())?;
        let scheme = if is_https { "https" } else { "http" };
        let origin = format!("{scheme}://{authority}");
        Ok(Self {
            prefix: path.trim_end_matches('/').into(),
            host: HeaderValue::try_from(authority.as_str()).map_err(|_| bad("this host is none"))?,
            origin_header: HeaderValue::try_from(&origin).map_err(|_| bad("this host is none"))?,
            origin: origin.parse().map_err(|error| bad(&format!("this is no URL ({error})")))?,
            is_https,
        })
    }

    /// Its origin as text.
    pub(crate) fn origin_text(&self) -> &str {
        // Made from text.
        self.origin_header.to_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::read("HTTPS://Api.Example:8443/v1/x/").unwrap();
        assert_eq!((&*target.prefix, target.is_https), ("/v1/x", true));
        assert_eq!(target.host, "Api.Example:8443");
        assert_eq!(target.origin_text(), "https://Api.Example:8443");
        let target = Target::read("http://[::1]:9000").unwrap();
        assert_eq!((&*target.prefix, target.origin_text()), ("", "http://[::1]:9000"));
        assert_eq!(&*Target::read("http://h/a/../b").unwrap().prefix, "/b");
    }
}
