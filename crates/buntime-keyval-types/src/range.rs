//! Ranges of keys: what a list selects, and the cursors that continue it.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{Error, Key, Result};

/// Bytes that no key begins with are a valid bound too, so bounds are bytes and not keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first key, included.
    pub start: Arc<[u8]>,
    /// The end, not included.
    pub end: Arc<[u8]>,
    /// At most that many entries.
    pub limit: u32,
    /// From the end?
    pub reverse: bool,
}

impl Range {
    /// One key.
    pub fn of_key(key: &Key) -> Self {
        Self { start: key.as_bytes().into(), end: after(key.as_bytes()).into(), limit: 1, reverse: false }
    }

    /// Is it the range of one key?
    pub fn single(&self) -> bool {
        matches!(self.end.split_last(), Some((0, key)) if *key == *self.start)
    }
}

/// The least bytes above these.
fn after(bytes: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(bytes.len() + 1);
    next.extend_from_slice(bytes);
    next.push(0);
    next
}

/// Which keys, as Deno's `KvListSelector` says it: below a prefix, from a start, to an end that is not included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Only keys below it, which is not among them.
    pub prefix: Option<Key>,
    /// Only keys from it.
    pub start: Option<Key>,
    /// Only keys before it.
    pub end: Option<Key>,
}

impl Selector {
    /// All keys below a prefix.
    pub fn prefix(prefix: Key) -> Self {
        Self { prefix: Some(prefix), ..Self::default() }
    }

    /// Their first and last bytes, the last not included.
    ///
    /// # Errors
    /// [`Error::InvalidRange`] in Deno's words where a start or an end is not below the prefix, or the start is after
    /// the end.
    pub fn bounds(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let (mut first, mut last) = match &self.prefix {
            // Whatever follows a prefix in a key is the tag of a part, which is at most 0x27 and never 0 or 0xff.
            Some(prefix) => (after(prefix.as_bytes()), [prefix.as_bytes(), &[0xff]].concat()),
            None => (vec![0], vec![0xff]),
        };
        if let Some(start) = &self.start {
            if self.prefix.as_ref().is_some_and(|prefix| !start.is_below(prefix)) {
                return Err(Error::InvalidRange("Start key is not in the keyspace defined by prefix".into()));
            }
            first = start.as_bytes().to_vec();
        }
        if let Some(end) = &self.end {
            if self.prefix.as_ref().is_some_and(|prefix| !end.is_below(prefix)) {
                return Err(Error::InvalidRange("End key is not in the keyspace defined by prefix".into()));
            }
            last = end.as_bytes().to_vec();
        }
        if first > last && self.start.is_some() {
            return Err(Error::InvalidRange("Start key is greater than end key".into()));
        }
        Ok((first, last))
    }

    /// Where a list goes on behind that cursor.
    ///
    /// # Errors
    /// As [`Selector::bounds`], and [`Error::InvalidCursor`].
    pub fn range(&self, cursor: Option<&str>, limit: u32, reverse: bool) -> Result<Range> {
        let (mut start, mut end) = self.bounds()?;
        if let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) {
            let last = URL_SAFE_NO_PAD
                .decode(cursor)
                .map_err(|_| Error::InvalidCursor("Cursor is not one of a list".into()))?;
            if last.as_slice() < start.as_slice() || last.as_slice() >= end.as_slice() {
                return Err(Error::InvalidCursor("Cursor out of bounds".into()));
            }
            if reverse { end = last } else { start = after(&last) }
        }
        Ok(Range { start: start.into(), end: end.into(), limit, reverse })
    }
}

/// The cursor of a page that ended with that key.
pub fn cursor(last: &Key) -> String {
    URL_SAFE_NO_PAD.encode(last.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key;

    fn within(selector: &Selector, key: &Key) -> bool {
        let (first, last) = selector.bounds().unwrap();
        (first.as_slice()..last.as_slice()).contains(&key.as_bytes())
    }

    #[test]
    fn a_prefix_has_what_is_below_it_and_no_sibling() {
        let users = Selector::prefix(key!["user"]);
        assert!(within(&users, &key!["user", 1]) && within(&users, &key!["user", true, "x"]));
        assert!(within(&users, &key!["user", "\u{10ffff}"]) && within(&users, &key!["user", [0_u8, 255].as_slice()]));
        for sibling in [key!["user"], key!["users"], key!["user2"], key!["user\0"], key!["use", "r"]] {
            assert!(!within(&users, &sibling), "{sibling:?}");
        }
        assert!(within(&Selector::prefix(Key::default()), &key![1]) && within(&Selector::default(), &key![""]));
    }

    #[test]
    fn bounds_must_be_below_the_prefix() {
        let below = |start, end| Selector { prefix: Some(key!["a"]), start, end }.bounds();
        assert!(below(Some(key!["a", 1]), None).is_ok() && below(None, Some(key!["a", 1])).is_ok());
        assert!(below(Some(key!["b"]), None).is_err() && below(None, Some(key!["ab"])).is_err());
        let backwards = Selector { prefix: None, start: Some(key![2]), end: Some(key![1]) };
        assert_eq!(backwards.bounds().unwrap_err().to_string(), "Start key is greater than end key");
    }

    #[test]
    fn cursors_go_on_behind_the_last_key() {
        let all = Selector::prefix(key!["a"]);
        let on = all.range(Some(&cursor(&key!["a", 5])), 10, false).unwrap();
        assert!(*on.start > *key!["a", 5].as_bytes() && *on.start < *key!["a", 5, 1].as_bytes());
        let back = all.range(Some(&cursor(&key!["a", 5])), 10, true).unwrap();
        assert_eq!(&*back.end, key!["a", 5].as_bytes());
        assert!(all.range(Some(&cursor(&key!["b", 5])), 10, false).is_err());
        assert!(all.range(Some("not base64!"), 10, false).is_err());
        assert!(Range::of_key(&key!["x"]).single() && !all.range(None, 1, false).unwrap().single());
    }
}
