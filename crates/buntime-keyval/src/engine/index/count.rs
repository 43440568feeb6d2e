//! Counts that are kept.
//!
//! A declared prefix has the number of its rows, which every commit, sweep and import changes together with the rows. Of
//! those, the ones that have expired and are not swept away yet are counted and taken off when somebody asks: they are in
//! an index by their time, and the sweeper sees to it that they are few. So a count is exact at any moment, and its time
//! depends only on how much expired in the last moments.

use buntime_database::args;

use super::{IndexKind, declared::Live};
use crate::{
    Range, Result, Selector,
    engine::{
        Namespace,
        row::{signed, unsigned},
    },
};

impl Namespace {
    /// The count of what is between the bounds of a declared prefix; `None`: nobody declared it, or it is being built.
    pub(in crate::engine) async fn counted(&self, range: &Range) -> Result<Option<u64>> {
        let known = self.declared.load();
        let is = |index: &&std::sync::Arc<Live>| {
            index.info.index.kind == IndexKind::Count && bounds_are(range, &index.info.index.prefix)
        };
        let Some(index) = known.indexes.iter().find(is) else { return Ok(None) };
        // The comparisons of the key are such that no index serves them: the one by time is to be used, not the rows'.
        let sql = "SELECT i.entries - (SELECT count(*) FROM kv_entries WHERE expires_at IS NOT NULL AND expires_at <= ?2 \
                   AND (ns = ?3) IS TRUE AND (key >= ?4) IS TRUE AND (key < ?5) IS TRUE) \
                   FROM kv_indexes i WHERE i.id = ?1 AND i.state = 'ready'";
        let now = signed(self.engine.clock.now());
        let args = args![index.id(), now, self.id, range.start.as_ref(), range.end.as_ref()];
        let rows = self.engine.database.query(sql, args).await?;
        Ok(rows.first().map(|row| row.at(0)).transpose()?.map(unsigned))
    }
}

fn bounds_are(range: &Range, prefix: &crate::Key) -> bool {
    let bounds = Selector::prefix(prefix.clone()).bounds();
    bounds.is_ok_and(|(first, end)| *range.start == *first && *range.end == *end)
}
