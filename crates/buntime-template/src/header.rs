//! Headers that rules write: names that may be changed, and values that cannot begin a line of their own.

use http::{HeaderName, HeaderValue};

/// The longest value, in bytes: longer ones are refused by most servers.
const LONGEST: usize = 8 << 10;

/// A name that rules may change, of a response or (`false`) a request. What belongs to the connection, follows from the
/// body or is the server's to say is not.
///
/// # Errors
/// Why it may not be changed.
pub fn changeable(text: &str, response: bool) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is no name of a header"))?;
    // Some upstreams make no difference between the two.
    let plain = name.as_str().replace('_', "-");
    let why = match plain.as_str() {
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "te"
        | "trailer"
        | "transfer-encoding"
        | "upgrade"
        | "proxy-authenticate"
        | "proxy-authorization" => "belongs to the connection",
        "content-length" | "content-encoding" | "content-range" => "follows from the body",
        "host" if !response => "is set from the upstream; see `preserveHost` of the route",
        "x-request-id" => "is set by the server, on every message",
        "x-identity" => "is set by the server alone",
        own if own.starts_with("x-consumer-") || own.starts_with("x-buntime-") => "is set by the server alone",
        "forwarded" | "x-real-ip" if !response => "is set by the server, from the connection",
        own if own.starts_with("x-forwarded-") && !response => "is set by the server, from the connection",
        _ => return Ok(name),
    };
    Err(format!("`{name}` {why} and is not changed here; remove it"))
}

/// A text as a value; `None` when it would begin a line of its own, or is longer than 8 KiB.
pub fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).ok().filter(|value| value.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_names_are_not_changed() {
        for name in ["Connection", "X-Identity", "x_consumer_name", "X-Request-Id", "content-length"] {
            assert!(changeable(name, false).is_err() && changeable(name, true).is_err(), "{name}");
        }
        assert!(changeable("host", false).is_err() && changeable("x-forwarded-for", false).is_err());
        assert!(changeable("x-forwarded-for", true).is_ok() && changeable("authorization", false).is_ok());
    }

    #[test]
    fn values_are_of_one_line() {
        for text in ["a\r\nb: c", "a\nb", "\0", "\u{7f}", &"a".repeat(8193)] {
            assert_eq!(value(text), None);
        }
        assert_eq!(value("é a\tb").unwrap().as_bytes(), "é a\tb".as_bytes());
    }
}
