//! Searching: what may match is found by the database, what does is decided and ranked here.

pub(super) mod candidates;

use std::{cmp::Ordering, collections::HashMap};

use buntime_database::{ErrorKind, Rows, args};

use self::candidates::Candidates;
use super::{
    IndexKind, IndexState,
    declared::{Declared, Live},
};
use crate::{
    Entry, Error, Hit, Hits, Key, Result, Search, Tokenizer,
    engine::{
        Namespace, places,
        row::{entry, signed, unsigned},
    },
    search::{
        document::Occurrences,
        query::{self, Leaf, Node},
        rank::{self, Found, Lookups},
        snippet,
    },
};

/// Rows that are looked at for a search: so many entries are ranked, divided by the query's words.
const ROWS: usize = 100_000;
/// A word is at most that common.
pub(super) const COMMON: usize = 20_000;
/// How often a search begins anew because what it found was changed meanwhile.
const AGAIN: usize = 3;

/// What is to be kept of what was found.
type Keep<'a> = &'a (dyn Fn(&Entry) -> bool + Send + Sync);

/// A query as its index understands it.
struct Asked<'a> {
    index: &'a Live,
    tokenizer: Tokenizer,
    query: Node,
    lookups: Lookups,
}

impl Namespace {
    /// The entries in whose texts that is, ranked. What has expired is not among them, and of what else matches and `keep`
    /// wants nothing is left out, unless the answer says so. Each is as it was at one moment during the search.
    ///
    /// # Errors
    /// [`Error::NoIndex`]; [`Error::Query`] for what cannot be understood; [`Error::Limit`]; the database's.
    pub async fn search(&self, search: &Search, keep: Keep<'_>) -> Result<Hits> {
        search.check()?;
        let declared = self.declared().await?;
        let (index, tokenizer) = declared.searched(&search.prefix)?;
        let query = query::parse(&search.query, &index.fields, tokenizer)?;
        let asked = Asked { index, tokenizer, lookups: Lookups::of(&query), query };
        let building = index.info.state == IndexState::Building;
        let mut again = 0;
        loop {
            again += 1;
            let (ranked, truncated) = self.ranked(&asked, &search.prefix).await?;
            let (hits, changed) = self.hits(&asked, &ranked, search, keep).await?;
            if !changed || again == AGAIN {
                return Ok(Hits { hits, building, truncated });
            }
        }
    }

    /// The documents that match, the best first; and whether there are more.
    async fn ranked(&self, asked: &Asked<'_>, prefix: &Key) -> Result<(Vec<(i64, f64)>, bool)> {
        let (id, words) = (asked.index.id(), asked.lookups.0.len().max(1));
        let candidates = Candidates::new(asked.index, &asked.query, &asked.lookups, prefix)?;
        let (sql, args) = candidates.counting();
        let counted = self.engine.database.query(&sql, args).await?;
        let mut counts = vec![0; words];
        let (mut documents, mut terms) = (0, 0);
        for row in counted.iter() {
            let (place, count) = (row.at::<i64>(0)?, unsigned(row.at(1)?));
            match usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) {
                Some(slot) => *slot = count,
                None => (documents, terms) = (count, unsigned(row.at(2)?)),
            }
        }
        let mut most = (ROWS / words).max(1000);
        let rows = loop {
            // One more shows that there is more.
            let (sql, args) = candidates.finding(&counts, most + 1);
            match self.engine.database.query(&sql, args).await {
                Ok(rows) => break rows,
                // Long texts with common words.
                Err(error) if error.kind() == ErrorKind::TooBig && most > 100 => most /= 4,
                Err(error) => return Err(error.into()),
            }
        };
        let known = Known { id, query: asked.query.clone(), lookups: asked.lookups.clone(), counts, documents, terms };
        // It may be long.
        let ranking = tokio::task::spawn_blocking(move || known.rank(&rows, most));
        ranking.await.map_err(|_| Error::Closed)?
    }

    /// The entries of documents, as far as they are wanted; and whether one was changed meanwhile.
    async fn hits(
        &self,
        asked: &Asked<'_>,
        ranked: &[(i64, f64)],
        search: &Search,
        keep: Keep<'_>,
    ) -> Result<(Vec<Hit>, bool)> {
        let (mut hits, mut passed, mut changed) = (Vec::new(), 0, false);
        for some in ranked.chunks(places::SOME) {
            if hits.len() >= search.limit {
                break;
            }
            let mut entries = self.entries_of(asked.index, some).await?;
            for (document, score) in some {
                let Some(entry) = entries.remove(document) else {
                    changed = true;
                    continue;
                };
                let gone = entry.expires_at.is_some_and(|at| at <= self.engine.clock.now());
                if gone || !keep(&entry) {
                    continue;
                }
                passed += 1;
                if passed > search.offset && hits.len() < search.limit {
                    let snippets = match search.highlight {
                        true => snippet::snippets(&entry.value, &asked.index.fields, asked.tokenizer, &asked.query),
                        false => Vec::new(),
                    };
                    hits.push(Hit { entry, score: *score, snippets });
                }
            }
        }
        Ok((hits, changed))
    }

    /// The entries that these documents are of, also those that have expired.
    async fn entries_of(&self, index: &Live, documents: &[(i64, f64)]) -> Result<HashMap<i64, Entry>> {
        let mut args = args![index.id(), self.id];
        let numbers: Vec<i64> = documents.iter().map(|(document, _)| *document).collect();
        let places = places::numbers(&numbers, &mut args);
        let sql = format!(
            "SELECT e.key, e.value, e.encoding, e.version, e.expires_at, d.doc FROM kv_docs d \
             JOIN kv_entries e ON e.ns = ?2 AND e.key = d.key WHERE d.idx = ?1 AND d.doc IN ({places})"
        );
        let rows = self.engine.database.query(&sql, args).await?;
        rows.iter().map(|row| Ok((row.at(5)?, entry(row.values())?))).collect()
    }
}

/// What is known of a query and its index when documents are ranked.
struct Known {
    id: i64,
    query: Node,
    lookups: Lookups,
    /// How many documents have the term of each lookup.
    counts: Vec<u64>,
    documents: u64,
    terms: u64,
}

impl Known {
    /// Those of the candidates that match, the best first; and whether there were more than `most`.
    fn rank(&self, candidates: &Rows, most: usize) -> Result<(Vec<(i64, f64)>, bool)> {
        let found = self.read(candidates)?;
        let truncated = found.len() > most;
        let rarity = |leaf: &Leaf| {
            let having =
                leaf.lookups().filter_map(|lookup| self.counts.get(self.lookups.place(&lookup)?).copied()).min();
            rank::rarity(self.documents, having.unwrap_or(0))
        };
        let average = if self.documents > 0 { self.terms as f64 / self.documents as f64 } else { 0.0 };
        let matching = found.into_iter().filter(|(_, found)| found.matches(&self.query, &self.lookups));
        let mut ranked: Vec<(i64, f64)> = matching
            .map(|(document, found)| (document, found.score(&self.query, &self.lookups, average, &rarity)))
            .collect();
        ranked.sort_unstable_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(b.0.cmp(&a.0)));
        Ok((ranked, truncated))
    }

    fn read(&self, candidates: &Rows) -> Result<HashMap<i64, Found>> {
        let broken =
            || Error::Database(format!("the index {} has terms that are not what was written", self.id).into());
        let mut all: HashMap<i64, Found> = HashMap::new();
        for row in candidates.iter() {
            let (place, document) = (row.at::<i64>(0)?, row.at::<i64>(1)?);
            let (length, occurrences) = Occurrences::read(&row.at::<Vec<u8>>(2)?).ok_or_else(broken)?;
            let place = usize::try_from(place).map_err(|_| broken())?;
            let words = self.counts.len();
            let one = all.entry(document).or_insert_with(|| Found { length, occurrences: vec![None; words] });
            if let Some(slot) = one.occurrences.get_mut(place) {
                slot.get_or_insert_default().merge(occurrences);
            }
        }
        Ok(all)
    }
}

impl Declared {
    /// The index in which is searched what is below a prefix.
    fn searched(&self, prefix: &Key) -> Result<(&Live, Tokenizer)> {
        let has = |index: &&Live| index.info.index.prefix == *prefix || prefix.is_below(&index.info.index.prefix);
        let fits = |index: &Live| match (&index.info.index.kind, &index.info.state) {
            (_, IndexState::Failed(_)) => None,
            (IndexKind::Search { tokenizer, .. }, _) => Some(*tokenizer),
            _ => None,
        };
        let all = self.indexes.iter().map(AsRef::as_ref).filter(has);
        let all = all.filter_map(|index| Some((index, fits(index)?)));
        let longest = all.max_by_key(|(index, _)| index.info.index.prefix.len());
        longest.ok_or_else(|| Error::NoIndex(format!("There is no search index of {prefix:?}").into()))
    }
}

/// A number of rows for a statement.
fn limit(most: usize) -> buntime_database::Value {
    signed(most as u64).into()
}
