//! The id of a request: the client's, if it is a sane token, else a new `UUIDv7`.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries it, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a client, in bytes.
pub const MAX_LEN: usize = 128;

/// The id of the request with those headers. Taken over if there is exactly one and it is 1 to 128 visible ASCII
/// characters; everything else could be meant to confuse logs.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) if is_sane(id.as_bytes()) => id.clone(),
        _ => generate(),
    }
}

/// A new id: `UUIDv7`, so that ids sort by time.
pub fn generate() -> HeaderValue {
    let mut text = [0u8; uuid::fmt::Hyphenated::LENGTH];
    let id = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    // Hexadecimal digits and hyphens are always a valid value.
    HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &[&[u8]]) -> HeaderValue {
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        }
        of(&headers)
    }

    #[test]
    fn sane_ids_are_kept_and_others_replaced() {
        assert_eq!(id_for(&[b"abc-1"]), "abc-1");
        assert_eq!(id_for(&[&[b'a'; 128]]).len(), 128);
        for given in
            [&[][..], &[&b""[..]], &[&[b'a'; 129][..]], &[&b"a b"[..]], &[&b"a\xe9"[..]], &[&b"a"[..], &b"b"[..]]]
        {
            let id = id_for(given);
            assert_eq!(Uuid::parse_str(id.to_str().unwrap()).unwrap().get_version_num(), 7, "{given:?}");
        }
        assert_ne!(generate(), generate());
    }
}
