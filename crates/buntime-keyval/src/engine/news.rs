//! What a commit changed, in words for those who wait: in this process, and on other nodes of the same database.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use buntime_database::Notifications;

use crate::Key;

/// The first byte, so that a node of another version is understood or found not to be.
const FORMAT: u8 = 1;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The commit, if it ticked.
    pub(super) version: Option<u64>,
    /// The keys that changed, each with its namespace.
    pub(super) keys: Vec<(i64, Key)>,
    /// The queues that have something, now or later.
    pub(super) queues: BTreeSet<(i64, String)>,
    /// There is more than can be said: whoever waits is to look.
    pub(super) more: bool,
    /// When the first of what it wrote expires. Not said to others: they look for themselves.
    pub(super) expires: Option<u64>,
}

impl News {
    /// Of a commit.
    pub(super) fn of(version: u64) -> Self {
        Self { version: Some(version), ..Self::default() }
    }

    /// As a text that a notification can be. What does not fit is left out, and `more` says so.
    pub(super) fn encode(&self) -> String {
        // Base64 makes four of three.
        const MOST: usize = Notifications::MOST / 4 * 3;
        let mut bytes = self.write();
        if bytes.len() > MOST {
            bytes = Self { version: self.version, more: true, ..Self::default() }.write();
        }
        STANDARD_NO_PAD.encode(bytes)
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, u8::from(self.version.is_some()) | u8::from(self.more) << 1];
        bytes.extend(self.version.unwrap_or(0).to_be_bytes());
        // As many as fit into four bytes: more than fits into a notification.
        let number = |bytes: &mut Vec<u8>, n: usize| bytes.extend(u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes());
        number(&mut bytes, self.keys.len());
        for (ns, key) in &self.keys {
            bytes.extend(ns.to_be_bytes());
            number(&mut bytes, key.len());
            bytes.extend(key.as_bytes());
        }
        number(&mut bytes, self.queues.len());
        for (ns, queue) in &self.queues {
            bytes.extend(ns.to_be_bytes());
            number(&mut bytes, queue.len());
            bytes.extend(queue.as_bytes());
        }
        bytes
    }

    /// What [`News::encode`] wrote; `None` if it is anything else.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        let mut rest = Rest(&bytes);
        let [FORMAT, flags] = *rest.take::<2>()? else { return None };
        let version = u64::from_be_bytes(*rest.take()?);
        let mut news = Self { version: (flags & 1 != 0).then_some(version), more: flags & 2 != 0, ..Self::default() };
        for _ in 0..rest.number()? {
            let ns = i64::from_be_bytes(*rest.take()?);
            let length = rest.number()?;
            news.keys.push((ns, Key::from_bytes(rest.some(length)?).ok()?));
        }
        for _ in 0..rest.number()? {
            let ns = i64::from_be_bytes(*rest.take()?);
            let length = rest.number()?;
            news.queues.insert((ns, String::from_utf8(rest.some(length)?.to_vec()).ok()?));
        }
        rest.0.is_empty().then_some(news)
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(*self.take()?)).ok()
    }

    fn some(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key;

    #[test]
    fn news_come_as_they_were_said() {
        let all = [
            News::default(),
            News { keys: vec![(1, key!["a"]), (-2, key!["ä", 1, true])], ..News::of(7) },
            News { queues: [(1, "default".into()), (2, "ü".into())].into(), more: true, ..News::default() },
        ];
        for news in all {
            assert_eq!(News::decode(&news.encode()), Some(news));
        }
    }

    #[test]
    fn what_does_not_fit_is_said_to_be_more() {
        let long = News { keys: (0..100).map(|n| (1, key!["x".repeat(100), n])).collect(), ..News::of(7) };
        let said = long.encode();
        assert!(said.len() <= Notifications::MOST);
        assert_eq!(News::decode(&said), Some(News { more: true, ..News::of(7) }));
    }

    #[test]
    fn what_is_none_is_refused() {
        let good = News { keys: vec![(1, key!["a"])], ..News::of(7) }.write();
        for bad in [&good[..good.len() - 1], &[&good[..], &[0]].concat(), &[2, 0], &[]] {
            assert_eq!(News::decode(&STANDARD_NO_PAD.encode(bad)), None);
        }
        assert_eq!(News::decode("!"), None);
    }
}
