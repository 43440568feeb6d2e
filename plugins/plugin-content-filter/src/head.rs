//! What changes in the head of a message whose body is masked on its way.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What describes the body byte for byte.
const OF_THE_BYTES: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Takes away what may no longer be true: lengths, digests, ranges. A strong `ETag` becomes a weak one: what is masked
/// means the same, byte for byte it is another.
pub(crate) fn loosen(headers: &mut HeaderMap) {
    for name in &OF_THE_BYTES {
        headers.remove(name);
    }
    if let Some(tag) = headers.remove(header::ETAG) {
        let weak = if tag.as_bytes().starts_with(b"W/") {
            Some(tag)
        } else {
            HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()
        };
        if let Some(weak) = weak {
            headers.insert(header::ETAG, weak);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_weak_and_lengths_go() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("\"a\""));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        loosen(&mut headers);
        loosen(&mut headers);
        assert_eq!((headers.len(), &headers[header::ETAG]), (2, &HeaderValue::from_static("W/\"a\"")));
    }
}
