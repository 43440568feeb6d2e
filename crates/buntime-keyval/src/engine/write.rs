//! Atomic writes: decided and done inside the database, whole or not at all.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use buntime_database::{Next, Outcome, Plan, Statement, Value as Sql, args};

use super::{
    Namespace,
    clock::Moment,
    hub::Hub,
    index::{Declared, Documents, Hold, Written},
    mutate,
    news::News,
    queue::enqueue,
    quota::{self, Held},
    refusal::{Refusal, own},
    row::{signed, unsigned, version},
    trigger::{Effect, Triggers},
};
use crate::{Atomic, Change, Committed, Error, Key, Result, Value, Versionstamp};

/// Reads the version of the last commit, and in which shape what is declared is; the first statement of every write.
const LAST: &str = "SELECT version, shape FROM kv_clock WHERE id = 1";
/// Takes the next version, once it is decided that there is something to write: what is not to be leaves nothing that would
/// have to be undone. No two plans run at the same time, so that it is still the next.
const TAKE: &str = "UPDATE kv_clock SET version = ?1 WHERE id = 1 AND version = ?2";
/// Takes the next version first; for plans that say less often that nothing is to be written.
const TICK: &str = "UPDATE kv_clock SET version = version + 1 WHERE id = 1 RETURNING version, shape";

impl Namespace {
    /// Writes, if every check holds. Durable when it returns that it happened.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::TypeMismatch`], [`Error::SumOutOfRange`], what a [`crate::Apply`] refused, or the
    /// database's. Nothing has happened, but for an [`Error::Uncertain`].
    pub async fn commit(&self, write: Atomic) -> Result<Committed> {
        self.limits.check_write(&write, self.engine.clock.now())?;
        Ok(self.commit_with_ids(write).await?.1)
    }

    /// The same without limits; also the ids of the messages.
    pub(super) async fn commit_with_ids(&self, write: Atomic) -> Result<(Vec<String>, Committed)> {
        let plan = Arc::new(WritePlan::new(self, write));
        let done = self.engine.database.planned(Arc::<WritePlan>::clone(&plan)).await.map_err(own)?;
        Ok((plan.ids.clone(), plan.ended(&done.outcomes)?))
    }
}

#[derive(Debug)]
struct WritePlan {
    write: Atomic,
    ns: i64,
    moment: Moment,
    /// Of each message, made beforehand so that a second run of the plan makes the same.
    ids: Vec<String>,
    dedup_window: u64,
    /// The keys whose entries are read, each once, in the order of their statements behind [`LAST`].
    read: Vec<Key>,
    index: Hold,
    /// Of values that are set as they are: made before the database is locked.
    documents: Documents,
    hub: Arc<Hub>,
    triggers: Arc<Triggers>,
    /// Where in what is returned the entries' statements begin, as they were given last.
    written_at: AtomicUsize,
}

/// An entry as the plan leaves it.
#[derive(Debug)]
struct After {
    key: Key,
    entry: Present,
    /// The mutation that set it, if it was set as it is.
    set: Option<usize>,
}

/// An entry while the plan runs.
#[derive(Clone, Debug, Default)]
struct Present {
    value: Option<Value>,
    version: Option<Versionstamp>,
    expires_at: Option<u64>,
}

impl WritePlan {
    fn new(of: &Namespace, write: Atomic) -> Self {
        let mut read: Vec<Key> = write.checks.iter().map(|check| check.key.clone()).collect();
        read.extend(write.mutations.iter().filter(|m| m.change.reads()).map(|m| m.key.clone()));
        read.sort_unstable();
        read.dedup();
        let ids = write.messages.iter().map(|_| enqueue::id()).collect();
        let dedup_window = of.engine.options.dedup_window;
        let index = Hold::new(of.id, &of.declared);
        let set = write.mutations.iter().enumerate().filter_map(|(number, mutation)| match &mutation.change {
            Change::Set(value) => Some((number, &mutation.key, value)),
            _ => None,
        });
        let documents = Documents::prepare(index.known(), set);
        let (hub, triggers) = (of.engine.hub.clone(), of.engine.triggers.clone());
        let (moment, written_at) = (Moment::of(&of.engine.clock), AtomicUsize::new(0));
        Self { write, ns: of.id, moment, ids, dedup_window, read, index, documents, hub, triggers, written_at }
    }

    /// What is read first.
    fn reads(&self) -> Vec<Statement> {
        let mut statements = Vec::with_capacity(1 + self.read.len());
        statements.push(Statement::new(LAST, Vec::new()).expecting(1));
        let live = "SELECT value, encoding, version, expires_at FROM kv_entries WHERE ns = ?1 AND key = ?2 \
                    AND (expires_at IS NULL OR expires_at > ?3)";
        let read = |key: &Key| Statement::new(live, args![self.ns, key.as_bytes(), signed(self.moment.now())]);
        statements.extend(self.read.iter().map(read));
        statements
    }

    fn present(&self, done: &[Outcome]) -> Result<HashMap<&Key, Present>> {
        let mut present = HashMap::with_capacity(self.read.len());
        for (key, outcome) in self.read.iter().zip(done.iter().skip(1)) {
            let entry = match outcome.rows.first() {
                None => Present::default(),
                Some(row) => Present {
                    value: Some(Value::from_parts(row.at(1)?, row.at::<Vec<u8>>(0)?)?),
                    version: Some(version(row.at(2)?)),
                    expires_at: row.at::<Option<i64>>(3)?.map(unsigned),
                },
            };
            present.insert(key, entry);
        }
        Ok(present)
    }

    /// That of the commit.
    fn version(done: &[Outcome]) -> Result<i64> {
        match done.first().and_then(|last| last.rows.first()) {
            Some(row) => Ok(row.at::<i64>(0)? + 1),
            None => Err(Error::Database("there is no clock".into())),
        }
    }

    fn failed_checks(&self, present: &HashMap<&Key, Present>) -> Vec<usize> {
        let holds =
            |check: &crate::Check| present.get(&check.key).and_then(|entry| entry.version) == check.versionstamp;
        self.write.checks.iter().enumerate().filter(|(_, check)| !holds(check)).map(|(at, _)| at).collect()
    }

    /// How the entries are afterwards, given how they are.
    fn after(&self, done: &[Outcome], present: &HashMap<&Key, Present>) -> Result<Vec<After>> {
        let committed = Self::version(done)?;
        let mut after: Vec<After> = Vec::with_capacity(self.write.mutations.len());
        let mut places: HashMap<Key, usize> = HashMap::new();
        for (number, mutation) in self.write.mutations.iter().enumerate() {
            let key = target(mutation, committed)?;
            let place = *places.entry(key.clone()).or_insert_with(|| {
                let entry = present.get(&key).cloned().unwrap_or_default();
                after.push(After { key, entry, set: None });
                after.len() - 1
            });
            let Some(After { entry, set, .. }) = after.get_mut(place) else { continue };
            let value = mutate::apply(&mutation.change, entry.value.as_ref())?;
            let kept = if matches!(mutation.change, Change::Set(_) | Change::SetVersionstamped(_)) {
                None
            } else {
                entry.expires_at
            };
            entry.expires_at = if value.is_some() { mutation.expires_at.or(kept) } else { None };
            entry.value = value;
            *set = matches!(mutation.change, Change::Set(_)).then_some(number);
        }
        Ok(after)
    }

    /// What is written. The first of it will be number `at` of what is returned.
    fn writes(
        &self,
        done: &[Outcome],
        after: &[After],
        declared: &Declared,
        held: Option<&Held<'_>>,
        at: usize,
    ) -> Result<Vec<Statement>> {
        let committed = Self::version(done)?;
        let written = if declared.is_empty() { Vec::new() } else { self.written(after) };
        let mut statements = Vec::with_capacity(1 + after.len());
        statements.push(Statement::new(TAKE, args![committed, committed - 1]).expecting(1));
        declared.before(self.ns, &written, &mut statements);
        self.written_at.store(at + statements.len(), Ordering::Relaxed);
        statements.extend(after.iter().map(|after| self.put(&after.key, &after.entry, committed)));
        declared.with(&written, committed, &self.documents, &mut statements)?;
        for (message, id) in self.write.messages.iter().zip(&self.ids) {
            enqueue::statements(self.ns, message, id, committed, self.moment.now(), self.dedup_window, &mut statements);
        }
        statements.extend(held.map(|held| held.account(self.ns)));
        Ok(statements)
    }

    /// What has to be looked at before it may be written: what a quota's namespace holds, who has what is unique.
    fn looks(&self, declared: &Declared, written: &[Written<'_>]) -> Result<Looks> {
        let mut looks = Looks::default();
        if declared.quota.is_some() && !written.is_empty() {
            let keys: Vec<&Key> = written.iter().map(|one| one.key).collect();
            looks.statements = quota::look(self.ns, &keys);
        }
        looks.held = looks.statements.len();
        if declared.is_unique() {
            looks.statements.extend(declared.probes(self.ns, self.moment.now(), written)?);
        }
        Ok(looks)
    }

    /// May it be written, given what the looks found? What a quota's namespace holds then.
    fn allowed<'a>(
        declared: &'a Declared,
        written: &[Written<'_>],
        looks: &Looks,
        found: &[Outcome],
    ) -> Result<Option<Held<'a>>> {
        let (held, probes) = found.split_at_checked(looks.held).unwrap_or((found, &[]));
        if declared.is_unique() {
            declared.taken(written, probes)?;
        }
        let Some(quota) = declared.quota.as_ref().filter(|_| looks.held > 0) else { return Ok(None) };
        let mut held = Held::read(quota, held)?;
        for one in written {
            held.put(one.key, one.value);
        }
        held.check()?;
        Ok(Some(held))
    }

    /// The same, as far as indexes and quotas care.
    fn written<'a>(&self, after: &'a [After]) -> Vec<Written<'a>> {
        let live = |entry: &&Present| entry.expires_at.is_none_or(|at| at > self.moment.now());
        let written = |after: &'a After| Written {
            key: &after.key,
            value: Some(&after.entry).filter(live).and_then(|entry| entry.value.as_ref()),
            prepared: after.set,
        };
        after.iter().map(written).collect()
    }

    fn put(&self, key: &Key, entry: &Present, committed: i64) -> Statement {
        let expires: Option<i64> = entry.expires_at.map(signed);
        match &entry.value {
            // What is written to be gone already is gone.
            Some(value) if entry.expires_at.is_none_or(|at| at > self.moment.now()) => Statement::new(
                "INSERT INTO kv_entries (ns, key, value, encoding, version, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (ns, key) DO UPDATE SET value = excluded.value, encoding = excluded.encoding, \
                 version = excluded.version, expires_at = excluded.expires_at",
                args![self.ns, key.as_bytes(), value.to_data(), value.encoding(), committed, expires],
            ),
            _ => Statement::new("DELETE FROM kv_entries WHERE ns = ?1 AND key = ?2", args![self.ns, key.as_bytes()]),
        }
    }

    /// Of what it did.
    fn news(&self, done: &[Outcome]) -> News {
        let committed = Self::version(done).map_or(0, unsigned);
        // A key that cannot be made would have failed the plan.
        let key = |mutation| target(mutation, signed(committed)).ok().map(|key| (self.ns, key));
        let queue = |message: &crate::Message| (self.ns, message.queue.clone());
        News {
            keys: self.write.mutations.iter().filter_map(key).collect(),
            queues: self.write.messages.iter().map(queue).collect(),
            expires: self.write.mutations.iter().filter_map(|mutation| mutation.expires_at).min(),
            ..News::of(committed)
        }
    }

    fn ended(&self, done: &[Outcome]) -> Result<Committed> {
        let failed = self.failed_checks(&self.present(done)?);
        if failed.is_empty() { Ok(Committed::Yes(version(Self::version(done)?))) } else { Ok(Committed::No(failed)) }
    }

    fn first(&self) -> usize {
        1 + self.read.len()
    }
}

/// The key that a mutation is of, in that commit.
fn target(mutation: &crate::Mutation, committed: i64) -> Result<Key> {
    match mutation.change {
        Change::SetVersionstamped(_) => mutation.key.join(&version(committed).to_string().into()),
        _ => Ok(mutation.key.clone()),
    }
}

impl WritePlan {
    /// What is declared, and where in what is returned what comes then begins; or what has to be read before.
    fn declared(&self, done: &[Outcome]) -> Result<Either> {
        let at = self.first();
        let Some(clock) = done.first() else { return Ok(Either::Ask(self.reads())) };
        let committed = Self::version(done)?;
        let keys = self.write.mutations.iter().filter_map(|mutation| target(mutation, committed).ok());
        Ok(match self.index.ask(clock, keys)? {
            None => Either::Known(self.index.declared(None)?, at),
            Some(ask) if done.len() <= at => Either::Ask(vec![ask]),
            Some(_) => Either::Known(self.index.declared(done.get(at))?, at + 1),
        })
    }

    fn step(&self, done: &[Outcome]) -> Result<Next> {
        let (declared, mut at) = match self.declared(done)? {
            Either::Ask(statements) => return Ok(Next::Run(statements)),
            Either::Known(declared, at) => (declared, at),
        };
        let present = self.present(done)?;
        if !self.failed_checks(&present).is_empty() {
            return Ok(Next::Abandon);
        }
        let after = self.after(done, &present)?;
        let mut held = None;
        if declared.is_unique() || declared.quota.is_some() {
            let written = self.written(&after);
            let looks = self.looks(&declared, &written)?;
            let found = done.get(at..).unwrap_or_default();
            if found.len() < looks.statements.len() {
                return Ok(Next::Run(looks.statements));
            }
            held = Self::allowed(&declared, &written, &looks, found)?;
            at += found.len();
        }
        let mut statements = self.writes(done, &after, &declared, held.as_ref(), at)?;
        if self.hub.says() {
            statements.extend(self.hub.saying(&self.news(done)));
        }
        Ok(Next::Finish(statements))
    }

    /// What became of each entry.
    fn effects(&self, done: &[Outcome]) -> Result<Vec<(Key, Effect)>> {
        let after = self.after(done, &self.present(done)?)?;
        let wrote = done.iter().skip(self.written_at.load(Ordering::Relaxed));
        let effect = |(After { key, entry, .. }, wrote): (After, &Outcome)| {
            let what = match entry.value {
                Some(value) if entry.expires_at.is_none_or(|at| at > self.moment.now()) => {
                    Effect::Set { value, expires_at: entry.expires_at }
                }
                _ if wrote.affected > 0 => Effect::Deleted,
                _ => return None,
            };
            Some((key, what))
        };
        Ok(after.into_iter().zip(wrote).filter_map(effect).collect())
    }
}

/// Statements that look, those first that are for a quota.
#[derive(Default)]
struct Looks {
    statements: Vec<Statement>,
    held: usize,
}

/// What comes next.
enum Either {
    Ask(Vec<Statement>),
    Known(Arc<Declared>, usize),
}

impl Plan for WritePlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        self.moment.of_try(done);
        self.step(done).map_err(Refusal::write)
    }

    fn committed(&self, done: &[Outcome]) {
        let news = self.news(done);
        self.hub.committed(&news);
        if let Ok(Either::Known(_, at)) = self.declared(done)
            && at > self.first()
        {
            self.index.learn(done.get(at - 1));
        }
        if self.triggers.any(self.ns)
            && let (Ok(effects), Some(version)) = (self.effects(done), news.version)
        {
            self.triggers.committed(self.ns, version, effects.into_iter());
        }
    }
}

/// [`TICK`] for other plans. Each commit that ticks tells the [`Hub`] of it: it sees gaps.
pub(super) fn tick() -> Statement {
    Statement::new(TICK, Vec::<Sql>::new()).expecting(1)
}

/// The version that a [`tick`] returned.
pub(super) fn ticked(clock: &Outcome) -> u64 {
    clock.rows.first().and_then(|row| row.at(0).ok()).map_or(0, unsigned)
}
