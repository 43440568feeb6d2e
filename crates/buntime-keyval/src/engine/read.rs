//! Reads: each is one statement, and so sees one moment.

use std::fmt::Write;

use buntime_database::{RowRef, Sink, Value as Sql, ValueRef, args};

use super::{
    Namespace, places,
    refusal::{Refusal, own},
    row::{ENTRY, LASTING, entry, entry_ref, signed},
};
use crate::{Entry, EntryRef, Error, Key, Range, Result, Versionstamp};

/// Keys of one statement: a power of two, so that it has few texts and its compiled form is found again.
const KEYS: usize = 1024;
/// The column behind those of [`ENTRY`].
const PLACE: usize = 5;

impl Namespace {
    /// The entry of a key.
    ///
    /// # Errors
    /// [`crate::Error::Limit`], or the database's.
    pub async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.limits.check_key(key)?;
        let sql = "SELECT key, value, encoding, version, expires_at FROM kv_entries WHERE ns = ?1 AND key = ?2 \
                   AND (expires_at IS NULL OR expires_at > ?3)";
        let args = args![self.id, key.as_bytes(), signed(self.engine.clock.now())];
        let mut found = Found { ranges: vec![Vec::new()], places: false };
        self.engine.database.read_into(sql, args, &mut found).await.map_err(own)?;
        Ok(found.ranges.pop().and_then(|mut entries| entries.pop()))
    }

    /// The entries of keys, in their order, as of one moment if there are at most 1,024; more are read in pieces.
    ///
    /// # Errors
    /// The database's.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let mut all = Vec::with_capacity(keys.len());
        for some in keys.chunks(KEYS) {
            let mut found = self.of_keys(some).await?;
            found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            all.extend(some.iter().map(|key| {
                found.binary_search_by(|entry| entry.key.cmp(key)).ok().and_then(|at| found.get(at).cloned())
            }));
        }
        Ok(all)
    }

    /// The same, as of several moments if they take more than can be read at once.
    pub(super) async fn get_in_pieces(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let (mut all, mut piece) = (Vec::with_capacity(keys.len()), keys.len().max(1));
        while let Some(rest) = keys.get(all.len()..).filter(|rest| !rest.is_empty()) {
            let some = rest.get(..piece).unwrap_or(rest);
            match self.get_many(some).await {
                Ok(found) => all.extend(found),
                Err(Error::TooBig) if some.len() > 1 => piece = some.len() / 2,
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    async fn of_keys(&self, keys: &[Key]) -> Result<Vec<Entry>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = vec![Sql::from(self.id), Sql::from(signed(self.engine.clock.now()))];
        let places = places::keys(&keys.iter().collect::<Vec<_>>(), &mut args);
        let sql = format!(
            "SELECT {ENTRY} FROM kv_entries WHERE ns = ?1 AND (expires_at IS NULL OR expires_at > ?2) AND key IN ({places})"
        );
        let mut found = Found { ranges: vec![Vec::with_capacity(keys.len())], places: false };
        self.engine.database.read_into(&sql, args, &mut found).await.map_err(own)?;
        Ok(found.ranges.pop().unwrap_or_default())
    }

    /// The entries of ranges, all as of one moment.
    ///
    /// # Errors
    /// [`crate::Error::Limit`], or the database's.
    pub async fn snapshot(&self, ranges: &[Range]) -> Result<Vec<Vec<Entry>>> {
        self.limits.check_ranges(ranges)?;
        self.read(ranges).await
    }

    /// The entries of one range, given away where they lie: as [`Namespace::snapshot`], for who makes something else of them.
    ///
    /// # Errors
    /// As [`Namespace::snapshot`]. What was given until then is worth nothing.
    pub async fn snapshot_into(&self, range: &Range, take: &mut dyn Take) -> Result<()> {
        self.limits.check_ranges(std::slice::from_ref(range))?;
        let mut args = vec![Sql::from(self.id), Sql::from(signed(self.engine.clock.now()))];
        let sql = select(LASTING, range, &mut args);
        self.engine.database.read_into(&sql, args, &mut Taking(take)).await.map_err(own)
    }

    /// The same without limits, for who has limits of their own.
    pub(super) async fn read(&self, ranges: &[Range]) -> Result<Vec<Vec<Entry>>> {
        let mut args = vec![Sql::from(self.id), Sql::from(signed(self.engine.clock.now()))];
        let sql = match ranges {
            [] => return Ok(Vec::new()),
            [one] => select(ENTRY, one, &mut args),
            several => union(several, &mut args),
        };
        let mut found = Found { ranges: ranges.iter().map(|_| Vec::new()).collect(), places: ranges.len() > 1 };
        self.engine.database.read_into(&sql, args, &mut found).await.map_err(own)?;
        if found.places {
            found.sort(ranges);
        }
        Ok(found.ranges)
    }

    /// How many entries are in the bounds of a range, whatever its limit. Of a prefix that is declared to be counted this
    /// takes no time; of others they are counted one by one.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self, range: &Range) -> Result<u64> {
        if let Some(kept) = self.counted(range).await? {
            return Ok(kept);
        }
        let sql = "SELECT count(*) FROM kv_entries WHERE ns = ?1 AND key >= ?2 AND key < ?3 \
                   AND (expires_at IS NULL OR expires_at > ?4)";
        let now = signed(self.engine.clock.now());
        let args = vec![self.id.into(), range.start.as_ref().into(), range.end.as_ref().into(), now.into()];
        let rows = self.engine.database.query(sql, args).await?;
        Ok(super::row::unsigned(rows.first().map(|row| row.at(0)).transpose()?.unwrap_or(0)))
    }

    /// How many entries it holds, and how many bytes their keys and values take. Every entry is looked at.
    ///
    /// # Errors
    /// The database's.
    pub async fn usage(&self) -> Result<(u64, u64)> {
        let sql = "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM kv_entries WHERE ns = ?1 \
                   AND (expires_at IS NULL OR expires_at > ?2)";
        let args = vec![self.id.into(), signed(self.engine.clock.now()).into()];
        let rows = self.engine.database.query(sql, args).await?;
        let Some(row) = rows.first() else { return Ok((0, 0)) };
        Ok((super::row::unsigned(row.at(0)?), super::row::unsigned(row.at(1)?)))
    }

    /// The last commit of the whole database.
    ///
    /// # Errors
    /// The database's.
    pub async fn version(&self) -> Result<Versionstamp> {
        let rows = self.engine.database.query("SELECT version FROM kv_clock WHERE id = 1", Vec::new()).await?;
        Ok(super::row::version(rows.first().map(|row| row.at(0)).transpose()?.unwrap_or(0)))
    }
}

/// Takes entries as they are read.
pub trait Take: Send {
    /// What was taken so far is void; all of it is read once more.
    fn restart(&mut self);

    /// One entry.
    fn entry(&mut self, entry: EntryRef<'_>);
}

#[cfg(feature = "wire")]
impl Take for crate::wire::FoundRange {
    fn restart(&mut self) {
        self.clear();
    }

    fn entry(&mut self, entry: EntryRef<'_>) {
        self.push(entry);
    }
}

struct Taking<'a>(&'a mut dyn Take);

impl Sink for Taking<'_> {
    fn restart(&mut self) {
        self.0.restart();
    }

    fn row(&mut self, row: RowRef<'_>) -> buntime_database::Result<()> {
        self.0.entry(entry_ref(row).map_err(Refusal::write)?);
        Ok(())
    }
}

/// What is found, range by range.
struct Found {
    ranges: Vec<Vec<Entry>>,
    /// Do rows say which range they are of?
    places: bool,
}

impl Found {
    /// A union promises no order.
    fn sort(&mut self, ranges: &[Range]) {
        for (entries, range) in self.ranges.iter_mut().zip(ranges) {
            if range.reverse {
                entries.sort_unstable_by(|a, b| b.key.cmp(&a.key));
            } else {
                entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            }
        }
    }
}

impl Sink for Found {
    fn restart(&mut self) {
        self.ranges.iter_mut().for_each(Vec::clear);
    }

    fn row(&mut self, row: RowRef<'_>) -> buntime_database::Result<()> {
        let place = match if self.places { row.at(PLACE)? } else { ValueRef::Integer(0) } {
            ValueRef::Integer(place) => usize::try_from(place).ok(),
            _ => None,
        };
        if let Some(entries) = place.and_then(|place| self.ranges.get_mut(place)) {
            entries.push(entry(row).map_err(Refusal::write)?);
        }
        Ok(())
    }
}

/// The statement of several ranges. A row says behind [`ENTRY`] which it is of.
fn union(ranges: &[Range], args: &mut Vec<Sql>) -> String {
    let mut sql = String::new();
    for (at, range) in ranges.iter().enumerate() {
        let union = if at == 0 { "" } else { " UNION ALL " };
        let select = select(ENTRY, range, args);
        let _ = write!(sql, "{union}SELECT {ENTRY}, {at} AS place FROM ({select}) AS r{at}");
    }
    sql
}

/// The statement of one range. The namespace is `?1` and the time `?2`; what else it binds is added.
fn select(columns: &str, range: &Range, args: &mut Vec<Sql>) -> String {
    args.push(range.start.as_ref().into());
    let start = args.len();
    const LIVE: &str = "(expires_at IS NULL OR expires_at > ?2)";
    if range.single() {
        return format!("SELECT {columns} FROM kv_entries WHERE ns = ?1 AND key = ?{start} AND {LIVE}");
    }
    args.push(range.end.as_ref().into());
    args.push(range.limit.into());
    let (end, limit) = (start + 1, start + 2);
    let order = if range.reverse { "DESC" } else { "ASC" };
    format!(
        "SELECT {columns} FROM kv_entries WHERE ns = ?1 AND key >= ?{start} AND key < ?{end} AND {LIVE} \
         ORDER BY key {order} LIMIT ?{limit}"
    )
}
