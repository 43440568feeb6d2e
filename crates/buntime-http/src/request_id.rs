//! The id of a request: the client's, if it is a sane token, else a new `UUIDv7`.

use std::{cell::RefCell, time::SystemTime};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Of an id as text, in bytes.
const LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;
/// What ids are cut from; kept as long as one of them is.
const PAGE_SIZE: usize = 32 * LENGTH;

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
///
/// Neither a lock that all threads share, which `Uuid::now_v7` takes, nor an allocation for each: a thread writes its
/// ids into a page, of which each is a slice. An id is not a secret, so a fast generator will do.
pub fn generate() -> HeaderValue {
    thread_local! {
        static PAGE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let id = uuid::Builder::from_unix_timestamp_millis(u64::try_from(since.as_millis()).unwrap_or(0), &random);
    let mut text = [0; LENGTH];
    id.into_uuid().hyphenated().encode_lower(&mut text);
    let id = PAGE.with_borrow_mut(|page| {
        if page.capacity() < LENGTH {
            *page = BytesMut::with_capacity(PAGE_SIZE);
        }
        page.extend_from_slice(&text);
        page.split().freeze()
    });
    // Hexadecimal digits and hyphens are always a valid value.
    HeaderValue::from_maybe_shared(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

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
