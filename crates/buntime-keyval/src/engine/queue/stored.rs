//! How lists lie in a column.

use crate::Key;

pub(super) fn backoff(steps: &[u32]) -> String {
    steps.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn read_backoff(text: &str) -> Vec<u32> {
    text.split(',').filter_map(|step| step.parse().ok()).collect()
}

/// Each with its length, in four bytes, before it.
pub(super) fn keys(keys: &[Key]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for key in keys {
        // A key is far shorter: its limit is.
        bytes.extend(u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(key.as_bytes());
    }
    bytes
}

pub(super) fn read_keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((key, rest)) = rest.split_at_checked(length) else { break };
        keys.push(Key::trusted(key));
        bytes = rest;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key;

    #[test]
    fn lists_come_back() {
        for list in [vec![], vec![key!["a", 1]], vec![key!["a"], key![true, "b"]]] {
            assert_eq!(read_keys(&keys(&list)), list);
        }
        assert_eq!(read_backoff(&backoff(&[1, 20, 300])), [1, 20, 300]);
        assert!(read_backoff("").is_empty() && read_keys(&[0, 0, 0, 9, 1]).is_empty());
    }
}
