//! The statements that keep indexes, in the transaction that writes the entries.
//!
//! Nothing of an entry as it was is needed: what is deleted is found by the key.

use std::collections::HashMap;

use buntime_database::{Statement, Value as Sql, args};

use super::{
    IndexKind,
    declared::{Declared, Live},
    sorted,
};
use crate::{Error, Key, Result, Value, engine::places, search::document::Document};

/// Documents of a commit are numbered from its version, so that no two have the same number, and later ones a greater.
const DOCUMENT_BITS: u32 = 20;

/// How documents are numbered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Numbers {
    /// Those of the commit of that version.
    Commit(i64),
    /// Those of what was there before the index, after so many: below zero, and so below all others.
    Built(i64),
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Written<'a> {
    pub(in crate::engine) key: &'a Key,
    /// `None`: it is gone.
    pub(in crate::engine) value: Option<&'a Value>,
    /// Under which number it was prepared in [`Documents`], if it was.
    pub(in crate::engine) prepared: Option<usize>,
}

impl<'a> Written<'a> {
    pub(in crate::engine) fn new(key: &'a Key, value: Option<&'a Value>) -> Self {
        Self { key, value, prepared: None }
    }
}

/// Documents that were made before the database was locked, by index and number.
#[derive(Debug, Default)]
pub(in crate::engine) struct Documents(HashMap<(i64, usize), Document>);

impl Documents {
    /// Of values that are set as they are, each with its number.
    pub(in crate::engine) fn prepare<'a>(
        declared: &Declared,
        values: impl Iterator<Item = (usize, &'a Key, &'a Value)>,
    ) -> Self {
        let mut all = HashMap::new();
        if declared.indexes.is_empty() {
            return Self(all);
        }
        for (number, key, value) in values {
            for index in declared.indexes.iter().filter(|index| index.has(key)) {
                if let IndexKind::Search { tokenizer, .. } = index.info.index.kind {
                    all.insert((index.id(), number), Document::of(value, &index.fields, tokenizer));
                }
            }
        }
        Self(all)
    }
}

impl Declared {
    /// What comes before the entries are written: how many of them are new is only known then.
    pub(in crate::engine) fn before(&self, ns: i64, written: &[Written<'_>], into: &mut Vec<Statement>) {
        for index in self.indexes.iter().filter(|index| index.info.index.kind == IndexKind::Count) {
            let theirs: Vec<_> = written.iter().filter(|one| index.has(one.key) && index.counted(one.key)).collect();
            for some in theirs.chunks(places::SOME) {
                let kept = some.iter().filter(|one| one.value.is_some()).count();
                let mut args = args![index.id(), ns, number(kept)];
                let keys: Vec<&Key> = some.iter().map(|one| one.key).collect();
                let places = places::keys(&keys, &mut args);
                let sql = format!(
                    "UPDATE kv_indexes SET entries = entries + ?3 - (SELECT count(*) FROM kv_entries \
                     WHERE ns = ?2 AND key IN ({places})) WHERE id = ?1"
                );
                into.push(Statement::new(sql, args));
            }
        }
    }

    /// What comes with the entries of that commit.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more entries than a commit may have in an index.
    pub(in crate::engine) fn with(
        &self,
        written: &[Written<'_>],
        version: i64,
        documents: &Documents,
        into: &mut Vec<Statement>,
    ) -> Result<()> {
        for index in &self.indexes {
            let theirs = written.iter().enumerate().filter(|(_, one)| index.has(one.key));
            index.put(theirs, Numbers::Commit(version), documents, into)?;
        }
        Ok(())
    }

    /// What comes after entries of a namespace have been deleted, all of which were there.
    pub(in crate::engine) fn gone(&self, ns: i64, keys: &[&Key], into: &mut Vec<Statement>) {
        for index in self.indexes.iter().filter(|index| index.ns == ns) {
            let theirs: Vec<&Key> = keys.iter().copied().filter(|key| index.has(key)).collect();
            if index.info.index.kind == IndexKind::Count {
                let fewer = theirs.iter().filter(|key| index.counted(key)).count();
                if fewer > 0 {
                    let sql = "UPDATE kv_indexes SET entries = entries - ?2 WHERE id = ?1";
                    into.push(Statement::new(sql, args![index.id(), number(fewer)]));
                }
            } else {
                index.forget(&theirs, 0, 0, into);
            }
        }
    }
}

impl Live {
    pub(super) fn put<'a>(
        &self,
        written: impl Iterator<Item = (usize, &'a Written<'a>)>,
        numbers: Numbers,
        documents: &Documents,
        into: &mut Vec<Statement>,
    ) -> Result<()> {
        let written: Vec<_> = written.collect();
        if written.is_empty() {
            return Ok(());
        }
        let keys: Vec<&Key> = written.iter().map(|(_, one)| one.key).collect();
        match self.info.index.kind {
            IndexKind::Count => {}
            IndexKind::Sorted { .. } => {
                self.forget(&keys, 0, 0, into);
                let values = written.iter().filter_map(|(_, one)| Some((one.key, one.value?)));
                let rows: Vec<(&Key, Vec<u8>)> = values
                    .flat_map(|(key, value)| {
                        sorted::values(value, &self.fields).into_iter().map(move |value| (key, value))
                    })
                    .collect();
                let row = |(key, value): &(&Key, Vec<u8>), args: &mut Vec<Sql>| {
                    args.extend([value.as_slice().into(), key.as_bytes().into()]);
                    format!("(?1, ?{}, ?{})", args.len() - 1, args.len())
                };
                let insert = "INSERT INTO kv_sorted (idx, value, key) VALUES ";
                places::rows(
                    &rows,
                    row,
                    |rows, args| into.push(Statement::new(format!("{insert}{rows}"), args)),
                    &args![self.id()],
                );
            }
            IndexKind::Search { tokenizer, .. } => {
                let mut own = Vec::new();
                for (at, one) in &written {
                    let Some(value) = one.value else { continue };
                    let prepared = one.prepared.and_then(|number| documents.0.get(&(self.id(), number)));
                    let made = prepared.cloned().unwrap_or_else(|| Document::of(value, &self.fields, tokenizer));
                    if made.length > 0 {
                        own.push((one.key, numbers.at(*at)?, made));
                    }
                }
                let terms = own.iter().map(|(.., document)| i64::from(document.length)).sum();
                self.forget(&keys, number(own.len()), terms, into);
                self.put_documents(&own, into);
            }
        }
        Ok(())
    }

    fn put_documents(&self, all: &[(&Key, i64, Document)], into: &mut Vec<Statement>) {
        let row = |(key, number, document): &(&Key, i64, Document), args: &mut Vec<Sql>| {
            args.extend([key.as_bytes().into(), (*number).into(), document.length.into()]);
            let last = args.len();
            format!("(?1, ?{}, ?{}, ?{last})", last - 2, last - 1)
        };
        let insert = "INSERT INTO kv_docs (idx, key, doc, terms) VALUES ";
        places::rows(
            all,
            row,
            |rows, args| into.push(Statement::new(format!("{insert}{rows}"), args)),
            &args![self.id()],
        );
        for (_, number, document) in all {
            let row = |(term, data): &(String, Vec<u8>), args: &mut Vec<Sql>| {
                args.extend([term.as_bytes().into(), data.as_slice().into()]);
                format!("(?1, ?{}, ?2, ?{})", args.len() - 1, args.len())
            };
            let insert = "INSERT INTO kv_postings (idx, term, doc, data) VALUES ";
            let shared = args![self.id(), *number];
            places::rows(
                &document.terms,
                row,
                |rows, args| into.push(Statement::new(format!("{insert}{rows}"), args)),
                &shared,
            );
        }
    }

    /// Takes out what these keys had; of a search index the sums of what will be there instead are added.
    pub(super) fn forget(&self, keys: &[&Key], documents: i64, terms: i64, into: &mut Vec<Statement>) {
        let searches = match self.info.index.kind {
            IndexKind::Count => return,
            IndexKind::Sorted { .. } => false,
            IndexKind::Search { .. } => true,
        };
        for (at, some) in keys.chunks(places::SOME).enumerate() {
            let mut args = args![self.id()];
            let places = places::keys(some, &mut args);
            if !searches {
                into.push(Statement::new(format!("DELETE FROM kv_sorted WHERE idx = ?1 AND key IN ({places})"), args));
                continue;
            }
            let theirs = format!("FROM kv_docs WHERE idx = ?1 AND key IN ({places})");
            let (documents, terms) = if at == 0 { (documents, terms) } else { (0, 0) };
            let mut sums = args.clone();
            sums.extend(args![documents, terms]);
            let (n, m) = (sums.len() - 1, sums.len());
            let sql = format!(
                "UPDATE kv_indexes SET entries = entries + ?{n} - (SELECT count(*) {theirs}), \
                 terms = terms + ?{m} - (SELECT coalesce(sum(terms), 0) {theirs}) WHERE id = ?1"
            );
            into.push(Statement::new(sql, sums));
            // By the whole of its key, and in this order: of less, or in another, SQLite looks through all of the index.
            let sql = format!(
                "DELETE FROM kv_postings WHERE (idx, term, doc) IN (SELECT p.idx, p.term, p.doc FROM kv_docs d \
                 CROSS JOIN kv_postings p WHERE d.idx = ?1 AND d.key IN ({places}) AND p.idx = ?1 AND p.doc = d.doc)"
            );
            into.push(Statement::new(sql, args.clone()));
            into.push(Statement::new(format!("DELETE {theirs}"), args));
        }
    }
}

impl Numbers {
    fn at(self, at: usize) -> Result<i64> {
        let most = 1_i64 << DOCUMENT_BITS;
        let at = i64::try_from(at).ok().filter(|at| *at < most);
        let number = at.and_then(|at| match self {
            Self::Commit(version) => version.checked_mul(most)?.checked_add(at),
            Self::Built(before) => before.checked_add(at)?.checked_neg()?.checked_sub(1),
        });
        number.ok_or_else(|| Error::Invalid(format!("A commit has at most {most} entries in an index").into()))
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
