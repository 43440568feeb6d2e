//! A stored answer as bytes, for a store that other nodes read. What cannot be read is no answer.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    entry::{Stored, Variant},
    policy::Life,
};

/// The first byte: another way of writing is another number.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    /// Values byte for byte, each as one character.
    headers: Vec<(String, String)>,
    /// In milliseconds: lifetime, age when it came, both graces.
    times: [u64; 4],
    no_cache: bool,
    must_revalidate: bool,
    for_authorized: bool,
    explicit: bool,
    /// When it came, in milliseconds since 1970.
    received: u64,
    tags: Vec<String>,
    length: u64,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes it; `now` and `wall` are the same moment.
pub(super) fn write(stored: &Stored, now: Instant, wall: SystemTime) -> Option<Vec<u8>> {
    let resident = now.saturating_duration_since(stored.received);
    let since = wall.duration_since(UNIX_EPOCH).ok()?;
    let text = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    let life = &stored.life;
    let head = Head {
        status: stored.status.as_u16(),
        headers: stored.fields().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        times: [life.lifetime, life.initial_age, life.stale_while_revalidate, life.stale_if_error].map(millis),
        no_cache: life.no_cache,
        must_revalidate: life.must_revalidate,
        for_authorized: life.for_authorized,
        explicit: life.explicit,
        received: millis(since.saturating_sub(resident)),
        tags: stored.tags.iter().map(ToString::to_string).collect(),
        length: stored.body.len() as u64,
    };
    let head = serde_json::to_vec(&head).ok()?;
    let mut bytes = Vec::with_capacity(5 + head.len() + stored.body.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&u32::try_from(head.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&stored.body);
    Some(bytes)
}

/// Reads what was written, as an answer for that variant. Clocks of nodes may differ: what comes from the future is new.
pub(super) fn read(bytes: &[u8], variant: Variant, now: Instant, wall: SystemTime) -> Option<Stored> {
    let (&[version, a, b, c, d], rest) = bytes.split_first_chunk::<5>()?;
    let (head, body) = rest.split_at_checked(usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?)?;
    let head: Head = serde_json::from_slice(head).ok().filter(|_| version == VERSION)?;
    if head.length != body.len() as u64 {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in &head.headers {
        let value: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
        let value = HeaderValue::from_bytes(&value?).ok()?;
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(head.received))?;
    let elapsed = wall.duration_since(at).unwrap_or_default();
    let [lifetime, initial_age, stale_while_revalidate, stale_if_error] = head.times.map(Duration::from_millis);
    let life = Life {
        lifetime,
        // From now on it ages here.
        initial_age: initial_age.saturating_add(elapsed),
        no_cache: head.no_cache,
        must_revalidate: head.must_revalidate,
        stale_while_revalidate,
        stale_if_error,
        for_authorized: head.for_authorized,
        explicit: head.explicit,
    };
    let tags = head.tags.into_iter().map(String::into_boxed_str).collect();
    let status = StatusCode::from_u16(head.status).ok().filter(|status| !status.is_informational())?;
    Some(Stored::new(status, &headers, Bytes::copy_from_slice(body), life, (now, wall), variant, tags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored() -> Stored {
        let mut headers = HeaderMap::new();
        headers.append("x", HeaderValue::from_bytes(b"\xfc\"\\").unwrap());
        headers.append("x", HeaderValue::from_static("2"));
        let life = Life { lifetime: Duration::from_secs(60), explicit: true, ..Life::default() };
        let now = (Instant::now(), SystemTime::now());
        let tags: Box<[Box<str>]> = Box::new(["t".into()]);
        Stored::new(StatusCode::OK, &headers, Bytes::from_static(b"body"), life, now, Variant::default(), tags)
    }

    #[test]
    fn what_is_written_is_read_and_has_aged() {
        let stored = stored();
        let (now, wall) = (stored.received, SystemTime::now());
        let bytes = write(&stored, now + Duration::from_secs(5), wall).unwrap();
        let later = wall + Duration::from_secs(10);
        let read = read(&bytes, Variant::default(), now, later).unwrap();
        assert_eq!((&read.headers, &read.body, &read.tags), (&stored.headers, &stored.body, &stored.tags));
        assert_eq!(read.age(now).as_secs(), 15);
        assert!(read.life.explicit && read.status == StatusCode::OK);
    }

    proptest! {
        #[test]
        fn nonsense_is_no_answer(at in 0_usize..300, to: u8, cut in 0_usize..300) {
            let stored = stored();
            let mut bytes = write(&stored, stored.received, SystemTime::now()).unwrap();
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = read(&bytes, Variant::default(), Instant::now(), SystemTime::now());
            let mut bytes = write(&stored, stored.received, SystemTime::now()).unwrap();
            bytes.truncate(cut.min(bytes.len() - 1));
            prop_assert!(read(&bytes, Variant::default(), Instant::now(), SystemTime::now()).is_none());
        }
    }
}
