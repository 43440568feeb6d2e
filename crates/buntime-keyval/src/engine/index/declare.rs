//! Declaring, listing and removing indexes.

use std::{collections::HashSet, sync::Arc, time::Duration};

use buntime_database::{Next, Outcome, Plan, Statement, args};

use super::{
    Index, IndexInfo, IndexKind, IndexState,
    declared::{Declared, Live, of_namespace},
    hold,
};
use crate::{
    Error, Limits, Result, What,
    engine::{
        Namespace,
        refusal::{self, Refusal},
        row::signed,
    },
    fields::FieldPath,
    within,
};

/// Indexes of a namespace.
const MOST: usize = 64;
/// Fields in which is searched, and by which is sorted.
const SEARCHED: usize = 16;
const SORTED: usize = 8;

/// What a write that was prepared before does not know yet.
pub(in crate::engine) fn another_shape() -> Statement {
    Statement::new("UPDATE kv_clock SET shape = shape + 1 WHERE id = 1", args![])
}

/// # Errors
/// [`Error::Limit`] and [`Error::Invalid`] for what cannot be declared.
fn check(index: &Index, limits: &Limits) -> Result<()> {
    within(What::WrittenKey, index.prefix.len(), limits.key)?;
    let fields = index.kind.fields();
    let most = match &index.kind {
        IndexKind::Search { .. } => SEARCHED,
        IndexKind::Sorted { name, .. } => {
            within(What::Name, name.chars().count(), Limits::NAME)?;
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(Error::Invalid("An index is named by visible characters".into()));
            }
            SORTED
        }
        IndexKind::Count => return Ok(()),
    };
    within(What::Fields, fields.len(), most)?;
    if fields.is_empty() {
        return Err(Error::Invalid("At least one field must be specified".into()));
    }
    let different: HashSet<&str> = fields.iter().map(String::as_str).collect();
    if different.len() != fields.len() {
        return Err(Error::Invalid("A field is named twice".into()));
    }
    fields.iter().try_for_each(|field| FieldPath::new(field).map(drop))
}

fn name_of(index: &Index) -> &str {
    match &index.kind {
        IndexKind::Sorted { name, .. } => name,
        IndexKind::Search { .. } | IndexKind::Count => "",
    }
}

/// Are they at the same place, at which there is one?
fn are_at_one_place(one: &Index, other: &Index) -> bool {
    one.prefix == other.prefix && one.kind.name() == other.kind.name() && name_of(one) == name_of(other)
}

impl Namespace {
    /// Declares an index, and puts into it what is there: a first part before this returns, all the rest behind it. What
    /// was declared at its place (the prefix, the kind, and the name) and differs from it is removed; one that is the same
    /// stays as it is.
    ///
    /// # Errors
    /// [`Error::Limit`] and [`Error::Invalid`] for what cannot be declared; the database's.
    pub async fn declare(&self, index: Index) -> Result<IndexInfo> {
        check(&index, &self.limits)?;
        let plan = Arc::new(DeclarePlan { ns: self.id, index: index.clone(), now: self.engine.clock.now() });
        let done = self.engine.database.planned(plan).await.map_err(refusal::own)?;
        if done.committed {
            self.engine.builders.wake();
            let id = done.outcomes.iter().rev().find_map(|outcome| outcome.rows.first()?.at::<i64>(0).ok());
            if let Some(id) = id {
                self.engine.build(id).await?;
            }
        }
        let there = self.indexes().await?.into_iter().find(|there| there.index == index);
        there.ok_or_else(|| Error::NoIndex("The index was removed at the same time".into()))
    }

    /// What is declared, in the order of prefixes.
    ///
    /// # Errors
    /// The database's.
    pub async fn indexes(&self) -> Result<Vec<IndexInfo>> {
        let mut all: Vec<IndexInfo> = self.declared().await?.indexes.iter().map(|index| index.info.clone()).collect();
        all.sort_by(|a, b| (&a.index.prefix, a.id).cmp(&(&b.index.prefix, b.id)));
        Ok(all)
    }

    /// Removes an index; was it there? It is no more when this returns; what it took is given back afterwards.
    ///
    /// # Errors
    /// The database's.
    pub async fn undeclare(&self, id: i64) -> Result<bool> {
        let plan = Arc::new(RemovePlan { ns: self.id, id });
        let done = self.engine.database.planned(plan).await?;
        self.engine.builders.wake();
        Ok(done.committed)
    }

    /// Waits until an index is not being built any more, at most so long; how it is then. `None`: there is none.
    ///
    /// # Errors
    /// The database's.
    pub async fn built(&self, id: i64, most: Duration) -> Result<Option<IndexInfo>> {
        let look = async {
            loop {
                let changed = self.engine.builders.changed();
                let info = self.indexes().await?.into_iter().find(|info| info.id == id);
                if info.as_ref().is_none_or(|info| info.state != IndexState::Building) {
                    return Ok(info);
                }
                tokio::select! {
                    () = changed => {}
                    // Another node may build it.
                    () = tokio::time::sleep(Duration::from_millis(250)) => {}
                }
            }
        };
        match tokio::time::timeout(most, look).await {
            Ok(info) => info,
            Err(_) => Ok(self.indexes().await?.into_iter().find(|info| info.id == id)),
        }
    }

    /// What is declared now, whoever did so.
    pub(super) async fn declared(&self) -> Result<Arc<Declared>> {
        let rows = self.engine.database.query(&of_namespace(), args![self.id]).await?;
        hold::keep(&self.declared, Declared::read(&rows)?);
        Ok(self.declared.load_full())
    }
}

#[derive(Debug)]
struct DeclarePlan {
    ns: i64,
    index: Index,
    now: u64,
}

impl DeclarePlan {
    fn statements(&self, there: &Declared) -> Result<Option<Vec<Statement>>> {
        let old: Option<&Live> =
            there.indexes.iter().map(AsRef::as_ref).find(|live| are_at_one_place(&live.info.index, &self.index));
        let mut statements = Vec::new();
        match old {
            Some(old) if old.info.index == self.index && !matches!(old.info.state, IndexState::Failed(_)) => {
                return Ok(None);
            }
            Some(old) => statements.push(remove(self.ns, old.id())),
            None if there.indexes.len() >= MOST => {
                return Err(Error::Refused(format!("Too many indexes (max {MOST})").into()));
            }
            None => {}
        }
        let (tokenizer, unique) = match &self.index.kind {
            IndexKind::Search { tokenizer, .. } => (tokenizer.name(), false),
            IndexKind::Sorted { unique, .. } => ("", *unique),
            IndexKind::Count => ("", false),
        };
        statements.push(another_shape());
        statements.push(Statement::new(
            "INSERT INTO kv_indexes (ns, kind, prefix, name, fields, tokenizer, is_unique, state, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'building', ?8) RETURNING id",
            args![
                self.ns,
                self.index.kind.name(),
                self.index.prefix.as_bytes(),
                name_of(&self.index),
                self.index.kind.fields().join("\n"),
                tokenizer,
                unique,
                signed(self.now),
            ],
        ));
        Ok(Some(statements))
    }
}

fn remove(ns: i64, id: i64) -> Statement {
    let sql = "UPDATE kv_indexes SET state = 'removing' WHERE ns = ?1 AND id = ?2 AND state <> 'removing'";
    Statement::new(sql, args![ns, id])
}

impl Plan for DeclarePlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        match done {
            [] => Ok(Next::Run(vec![Statement::new(of_namespace(), args![self.ns])])),
            [there] => {
                let there = Declared::read(&there.rows).map_err(Refusal::write)?;
                Ok(self.statements(&there).map_err(Refusal::write)?.map_or(Next::Abandon, Next::Run))
            }
            _ => Ok(Next::Commit),
        }
    }
}

#[derive(Debug)]
struct RemovePlan {
    ns: i64,
    id: i64,
}

impl Plan for RemovePlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        match done {
            [] => Ok(Next::Run(vec![remove(self.ns, self.id), another_shape()])),
            [removed, _] if removed.affected == 0 => Ok(Next::Abandon),
            _ => Ok(Next::Commit),
        }
    }
}
