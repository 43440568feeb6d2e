//! A query as SQL: which documents may match, and what is known of their terms.
//!
//! One word of a conjunction, the rarest, says where to look; the others are looked up in what it gives. Places of terms
//! are not compared here: what is found is a little more than what matches, never less.

use std::fmt::Write;

use buntime_database::{Value as Sql, args};

use super::{COMMON, limit};
use crate::{
    Key, Result, Selector,
    engine::index::declared::Live,
    search::{
        query::{Leaf, Node},
        rank::{Lookup, Lookups},
    },
};

/// The statements of one search.
pub(in crate::engine::index) struct Candidates<'a> {
    query: &'a Node,
    lookups: &'a Lookups,
    /// The index's number is `?1`; then what is looked up.
    args: Vec<Sql>,
    /// Of each lookup, what its term is to be.
    terms: Vec<String>,
    /// First and last key, where only a part of the index is looked at.
    bounds: Option<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Candidates<'a> {
    pub(in crate::engine::index) fn new(
        index: &Live,
        query: &'a Node,
        lookups: &'a Lookups,
        prefix: &Key,
    ) -> Result<Self> {
        let mut args = args![index.id()];
        let mut term = |lookup: &Lookup| {
            args.push(lookup.term.as_bytes().into());
            let at = args.len();
            if !lookup.prefix {
                return format!("p.term = ?{at}");
            }
            // No text has this byte.
            args.push([lookup.term.as_bytes(), &[0xff]].concat().into());
            format!("p.term >= ?{at} AND p.term < ?{}", at + 1)
        };
        let terms = lookups.0.iter().map(&mut term).collect();
        let whole = index.info.index.prefix == *prefix;
        let bounds = (!whole).then(|| Selector::prefix(prefix.clone()).bounds()).transpose()?;
        Ok(Self { query, lookups, args, terms, bounds })
    }

    /// How many documents have each lookup's term, up to a number from which on it makes no difference; then, numbered
    /// -1, how many documents and terms there are.
    pub(in crate::engine::index) fn counting(&self) -> (String, Vec<Sql>) {
        let mut args = self.args.clone();
        args.push(limit(COMMON));
        let most = args.len();
        let mut sql = "SELECT -1 AS place, entries, terms FROM kv_indexes WHERE id = ?1".to_owned();
        for (place, term) in self.terms.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(
                sql,
                " UNION ALL SELECT {place}, (SELECT count(*) FROM (SELECT p.doc FROM kv_postings p \
                 WHERE p.idx = ?1 AND {term} LIMIT ?{most}) AS some{place}), 0"
            );
        }
        (sql, args)
    }

    /// The place of a lookup, the document, and the term's occurrences there; of at most so many documents.
    pub(in crate::engine::index) fn finding(&self, counts: &[u64], most: usize) -> (String, Vec<Sql>) {
        let mut args = self.args.clone();
        let (_, drivers) = self.drivers(self.query, counts);
        let of = |place: &usize| {
            let term = self.terms.get(*place).map(String::as_str).unwrap_or_default();
            format!("SELECT p.doc FROM kv_postings p WHERE p.idx = ?1 AND {term}")
        };
        let from: Vec<String> = drivers.iter().map(of).collect();
        let mut found = format!("SELECT d.doc FROM kv_docs d WHERE d.idx = ?1 AND d.doc IN ({})", from.join(" UNION "));
        let driver = match drivers.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        if let Some(condition) = self.condition(self.query, driver) {
            let _ = write!(found, " AND {condition}");
        }
        if let Some((first, end)) = &self.bounds {
            args.extend([first.as_slice().into(), end.as_slice().into()]);
            let _ = write!(found, " AND d.key >= ?{} AND d.key < ?{}", args.len() - 1, args.len());
        }
        args.push(limit(most));
        let _ = write!(found, " ORDER BY d.doc DESC LIMIT ?{}", args.len());
        // A cross join is made in that order by SQLite: each of what was found is looked up. What begins so is first looked
        // up in the index by documents, which has all that this needs: else all of it would be gone through for each.
        let each = self.terms.iter().zip(&self.lookups.0).enumerate().map(|(place, (term, lookup))| {
            let (named, from) = match lookup.prefix {
                true => ("q.data", " CROSS JOIN kv_postings q"),
                false => ("p.data", ""),
            };
            let same = if lookup.prefix { " AND q.idx = p.idx AND q.term = p.term AND q.doc = p.doc" } else { "" };
            format!(
                "SELECT {place} AS place, f.doc, {named} FROM found f CROSS JOIN kv_postings p{from} \
                 WHERE p.idx = ?1 AND p.doc = f.doc AND {term}{same}"
            )
        });
        let each: Vec<String> = each.collect();
        (format!("WITH found AS ({found}) {}", each.join(" UNION ALL ")), args)
    }

    fn places<'b>(&'b self, leaf: &'b Leaf) -> impl Iterator<Item = usize> + 'b {
        leaf.lookups().filter_map(|lookup| self.lookups.place(&lookup))
    }

    /// The lookups in one of which every document is that matches, and how many these are at most.
    fn drivers(&self, node: &Node, counts: &[u64]) -> (u64, Vec<usize>) {
        match node {
            Node::Leaf(leaf) => {
                let counted = self.places(leaf).map(|place| (counts.get(place).copied().unwrap_or(0), vec![place]));
                counted.min().unwrap_or_default()
            }
            Node::And { all, .. } => all.iter().map(|node| self.drivers(node, counts)).min().unwrap_or_default(),
            Node::Or(any) => any.iter().fold((0, Vec::new()), |(sum, mut places), node| {
                let (count, more) = self.drivers(node, counts);
                places.extend(more.into_iter().filter(|place| !places.contains(place)).collect::<Vec<_>>());
                (sum.saturating_add(count), places)
            }),
        }
    }

    /// What holds of every document that matches; `None`: nothing that would have to be looked up.
    fn condition(&self, node: &Node, driver: Option<usize>) -> Option<String> {
        match node {
            Node::Leaf(leaf) => {
                let needed = self.places(leaf).filter(|place| driver != Some(*place));
                together(&needed.filter_map(|place| self.there(place)).collect::<Vec<_>>(), " AND ")
            }
            Node::And { all, not } => {
                let mut needed: Vec<String> = all.iter().filter_map(|node| self.condition(node, driver)).collect();
                needed.extend(not.iter().filter_map(|node| Some(format!("NOT {}", self.exactly(node)?))));
                together(&needed, " AND ")
            }
            // Within it a driver is no longer in all of them.
            Node::Or(any) => {
                let any: Option<Vec<String>> = any.iter().map(|node| self.condition(node, None)).collect();
                together(&any?, " OR ")
            }
        }
    }

    /// What holds of a document if and only if it matches; `None`: that cannot be said without looking at places.
    fn exactly(&self, node: &Node) -> Option<String> {
        match node {
            Node::Leaf(leaf) if leaf.field.is_none() && leaf.terms.len() == 1 => self.there(self.places(leaf).next()?),
            Node::Leaf(_) => None,
            Node::And { all, not } => {
                let mut needed = all.iter().map(|node| self.exactly(node)).collect::<Option<Vec<_>>>()?;
                for node in not {
                    needed.push(format!("NOT {}", self.exactly(node)?));
                }
                together(&needed, " AND ")
            }
            Node::Or(any) => together(&any.iter().map(|node| self.exactly(node)).collect::<Option<Vec<_>>>()?, " OR "),
        }
    }

    fn there(&self, place: usize) -> Option<String> {
        let term = self.terms.get(place)?;
        Some(format!("EXISTS (SELECT 1 FROM kv_postings p WHERE p.idx = ?1 AND p.doc = d.doc AND {term})"))
    }
}

fn together(parts: &[String], with: &str) -> Option<String> {
    if parts.is_empty() { None } else { Some(format!("({})", parts.join(with))) }
}
