//! Keys as a tree, for people who look around: what stands directly below a prefix, found without reading what is below
//! that.

use buntime_database::args;

use super::{Namespace, row::signed};
use crate::{Key, Result, Selector};

/// What stands directly below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The prefix and one more part.
    pub key: Key,
    /// Is there an entry of this very key?
    pub is_entry: bool,
    /// Are there entries below it?
    pub is_prefix: bool,
}

impl Namespace {
    /// At most so many children of a prefix in their order, those behind `after`, which is one of them. Each is looked up
    /// by itself: what is written meanwhile may or may not be among them.
    ///
    /// # Errors
    /// [`crate::Error::InvalidRange`] if `after` is not below the prefix; the database's.
    pub async fn children(&self, prefix: &Key, after: Option<&Key>, most: usize) -> Result<Vec<Child>> {
        let selector = Selector { prefix: Some(prefix.clone()), start: after.cloned(), end: None };
        let (mut start, end) = selector.bounds()?;
        if let Some(after) = after {
            start = Selector::prefix(after.clone()).bounds()?.1;
        }
        let depth = prefix.parts().len();
        let mut children = Vec::new();
        while children.len() < most {
            let Some((first, second)) = self.two_keys(&start, &end).await? else { break };
            let key = first.prefixes().nth(depth + 1).unwrap_or_else(|| first.clone());
            let is_entry = key == first;
            let is_prefix = !is_entry || second.is_some_and(|second| second.is_below(&key));
            // Behind all that is below it.
            start = Selector::prefix(key.clone()).bounds()?.1;
            children.push(Child { key, is_entry, is_prefix });
        }
        Ok(children)
    }

    async fn two_keys(&self, start: &[u8], end: &[u8]) -> Result<Option<(Key, Option<Key>)>> {
        let sql = "SELECT key FROM kv_entries WHERE ns = ?1 AND key >= ?2 AND key < ?3 \
                   AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key LIMIT 2";
        let rows = self.engine.database.query(sql, args![self.id, start, end, signed(self.engine.clock.now())]).await?;
        let mut keys = rows.iter().map(|row| row.at::<Vec<u8>>(0).map(Key::trusted));
        let Some(first) = keys.next().transpose()? else { return Ok(None) };
        Ok(Some((first, keys.next().transpose()?)))
    }
}
