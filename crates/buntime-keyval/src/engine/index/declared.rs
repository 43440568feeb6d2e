//! What is declared, as the tables have it.

use std::sync::Arc;

use buntime_database::{Outcome, Row, Rows, Statement, Value as Sql};

use super::{Index, IndexInfo, IndexKind, IndexState};
use crate::{
    Error, Key, Result, Tokenizer,
    engine::{Quota, places, row::unsigned},
    fields::FieldPath,
};

/// The shape, and what is declared in it, as far as what follows says which: one row at least.
const SELECT: &str = "SELECT c.shape, i.id, i.ns, i.kind, i.prefix, i.name, i.fields, i.tokenizer, i.is_unique, i.state, \
     i.reached, i.reason, i.entries, i.created_at, i.built";
const FROM: &str = "FROM kv_clock c LEFT JOIN kv_indexes i ON i.state <> 'removing'";

/// The statement for those of the namespace that is its argument, with its quota.
pub(in crate::engine) fn of_namespace() -> String {
    format!(
        "{SELECT}, n.max_entries, n.max_bytes {FROM} AND i.ns = ?1 LEFT JOIN kv_namespaces n ON n.id = ?1 WHERE c.id = 1"
    )
}

/// Statements for those of several namespaces, for [`Declared::of_outcomes`].
pub(in crate::engine) fn of_namespaces(all: &[i64]) -> Vec<Statement> {
    let some = |some: &[i64]| {
        let mut args = Vec::new();
        let places = places::numbers(some, &mut args);
        Statement::new(format!("{SELECT} {FROM} AND i.ns IN ({places}) WHERE c.id = 1"), args)
    };
    all.chunks(places::SOME).map(some).collect()
}

/// The statement for the one whose number is its argument.
pub(super) fn of_index() -> String {
    format!("{SELECT} {FROM} AND i.id = ?1 WHERE c.id = 1")
}

/// What is declared in a namespace, or in some, as of a shape.
#[derive(Debug, Default)]
pub(in crate::engine) struct Declared {
    pub(super) shape: i64,
    /// Of the one namespace; of several it is not read.
    pub(in crate::engine) quota: Option<Quota>,
    pub(super) indexes: Vec<Arc<Live>>,
}

/// An index that is there.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) info: IndexInfo,
    pub(super) ns: i64,
    pub(super) fields: Vec<FieldPath>,
    /// The last key that was put into it while it is being built.
    pub(super) reached: Option<Key>,
    /// How many documents that made.
    pub(super) built: i64,
}

impl Declared {
    /// # Errors
    /// [`Error::Database`], if that is not what was written.
    pub(in crate::engine) fn read(rows: &Rows) -> Result<Self> {
        let shape = rows.first().map(|row| row.at(0)).transpose()?.unwrap_or(0);
        let there = rows.iter().filter(|row| !matches!(row.values().get(1), None | Some(Sql::Null)));
        let indexes = there.map(|row| Live::read(row).map(Arc::new)).collect::<Result<_>>()?;
        let most = |at| match rows.first().and_then(|row| row.values().get(at).cloned()) {
            Some(Sql::Integer(most)) => Some(most),
            _ => None,
        };
        Ok(Self { shape, quota: Quota::of(most(15), most(16)), indexes })
    }

    /// Of several namespaces.
    ///
    /// # Errors
    /// As [`Declared::read`].
    pub(in crate::engine) fn of_outcomes(outcomes: &[Outcome]) -> Result<Self> {
        let mut all = Self::default();
        for outcome in outcomes {
            let some = Self::read(&outcome.rows)?;
            all.shape = some.shape;
            all.indexes.extend(some.indexes);
        }
        Ok(all)
    }

    /// Is no index declared?
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    /// Is one of them being built that has that key?
    pub(super) fn builds(&self, key: &Key) -> bool {
        self.indexes.iter().any(|index| index.info.state == IndexState::Building && index.has(key))
    }
}

impl Live {
    fn read(row: Row<'_>) -> Result<Self> {
        let strange = |what: &str| Error::Database(format!("an index has a {what} that nobody wrote").into());
        let prefix = Key::trusted(row.at::<Vec<u8>>(4)?);
        let fields: String = row.at(6)?;
        let fields: Vec<String> = fields.lines().map(ToOwned::to_owned).collect();
        let paths = fields.iter().map(|field| FieldPath::new(field)).collect::<Result<_>>()?;
        let kind = match row.at::<String>(3)?.as_str() {
            "search" => IndexKind::Search {
                fields,
                tokenizer: Tokenizer::from_name(&row.at::<String>(7)?).ok_or_else(|| strange("tokenizer"))?,
            },
            "sorted" => IndexKind::Sorted { name: row.at(5)?, fields, unique: row.at(8)? },
            "count" => IndexKind::Count,
            _ => return Err(strange("kind")),
        };
        let state = match row.at::<String>(9)?.as_str() {
            "building" => IndexState::Building,
            "ready" => IndexState::Ready,
            "failed" => IndexState::Failed(row.at::<Option<String>>(11)?.unwrap_or_default()),
            _ => return Err(strange("state")),
        };
        let sorted = matches!(kind, IndexKind::Sorted { .. });
        let info = IndexInfo {
            id: row.at(1)?,
            index: Index { prefix, kind },
            state,
            entries: if sorted { None } else { Some(unsigned(row.at(12)?)) },
            created_at: unsigned(row.at(13)?),
        };
        let reached = row.at::<Option<Vec<u8>>>(10)?.map(Key::trusted);
        Ok(Self { info, ns: row.at(2)?, fields: paths, reached, built: row.at(14)? })
    }

    pub(super) fn id(&self) -> i64 {
        self.info.id
    }

    /// Is that key one of those it is of, and is it kept?
    pub(super) fn has(&self, key: &Key) -> bool {
        !matches!(self.info.state, IndexState::Failed(_)) && key.is_below(&self.info.index.prefix)
    }

    /// Has that key been counted, or will it yet be?
    pub(super) fn counted(&self, key: &Key) -> bool {
        self.info.state != IndexState::Building || self.reached.as_ref().is_some_and(|reached| key <= reached)
    }

    /// How it is called in messages.
    pub(super) fn called(&self) -> String {
        let Index { prefix, kind } = &self.info.index;
        match kind {
            IndexKind::Sorted { name, .. } => format!("`{name}` of {prefix:?}"),
            _ => format!("{} of {prefix:?}", kind.name()),
        }
    }
}
