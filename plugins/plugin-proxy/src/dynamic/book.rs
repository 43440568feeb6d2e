//! The rules that run, and the changes to those of the database: thought out, kept, and then put in force, one after
//! the other.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use buntime_core::{ErrorKind, Finding, SettingsProblem, health::Status};
use buntime_database::{Adapter, ErrorKind as DatabaseError};
use buntime_upstream::Cluster;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{
    Dynamic, Failure,
    edit::{self, Sent},
    store::{Kept, Op, Snapshot, Store},
};
use crate::{
    opener::{Missing, Opener},
    table::{Entry, Rules, Table},
};

/// How often a change is thought out anew because another node was faster.
const TRIES: u32 = 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Book {
    options: Options,
    rules: Rules,
    inner: Mutex<Inner>,
}

/// What a book is made of.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) opener: Opener,
    pub(crate) statics: Arc<[Arc<Entry>]>,
    /// Where rules are kept, or why they are not.
    pub(crate) adapter: Result<Arc<dyn Adapter>, &'static str>,
    /// How many may be kept.
    pub(crate) most: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// None before the database could be used for the first time.
    store: Option<Store>,
    version: i64,
    dynamic: Arc<[Dynamic]>,
}

/// A change: what to write, and what the rules are then. Its rules have the version that follows.
struct Change {
    ops: Vec<Op>,
    after: Vec<Dynamic>,
}

/// What an `If-Match` demands; see [`Expected::check`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected(pub(crate) Option<Vec<String>>);

impl Expected {
    fn check(&self, version: i64) -> Result<(), Failure> {
        match &self.0 {
            Some(tags) if !tags.iter().any(|tag| tag == "*" || *tag == format!("\"{version}\"")) => Err(Failure::new(
                ErrorKind::PreconditionFailed,
                format!("It has been changed meanwhile and is at version {version}; look at it again"),
            )),
            _ => Ok(()),
        }
    }
}

impl Book {
    /// With the rules of the file in force.
    pub(crate) fn new(options: Options) -> Self {
        let rules = Rules::new(Table::new(options.statics.clone(), Arc::default(), 0));
        Self { options, rules, inner: Mutex::default() }
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The clusters of services.
    pub(crate) fn services(&self) -> Vec<Arc<Cluster>> {
        self.options.opener.services().map(|services| services.all()).unwrap_or_default()
    }

    /// The clusters that are rules' own, in the rules' order, those that are switched off included.
    pub(crate) fn clusters(&self) -> impl Iterator<Item = Arc<Cluster>> + use<> {
        let table = self.rules.now();
        let kept = table.dynamic().iter().filter_map(|rule| rule.rule.as_ref().ok());
        let entries = table.statics().iter().chain(kept);
        let own: Vec<Arc<Cluster>> = entries.filter_map(|entry| entry.rule.leads.own().cloned()).collect();
        own.into_iter()
    }

    /// How the rules of the database are: those that cannot be used, or whose upstream is not well.
    pub(crate) fn finding(&self) -> Finding {
        let table = self.rules.now();
        let of = |rule: &Dynamic| match &rule.rule {
            Ok(entry) if !rule.enabled || entry.rule.leads.finding().status == Status::Healthy => None,
            Ok(_) | Err(_) => Some(rule.id.to_string()),
        };
        let unwell: Vec<String> = table.dynamic().iter().filter_map(of).collect();
        if unwell.is_empty() {
            return Finding::healthy();
        }
        let (count, some) = (unwell.len(), unwell.iter().take(10).cloned().collect::<Vec<_>>());
        let words = format!("{count} of {} rules lead to what is not well", table.dynamic().len());
        Finding::degraded(words).with_details(serde_json::json!({ "rules": some }))
    }

    /// Are rules kept here at all?
    pub(crate) fn keeps(&self) -> bool {
        self.options.adapter.is_ok()
    }

    /// Takes over what the database has, if that is not in force already. Says whether anything changed.
    ///
    /// # Errors
    /// Why the database cannot be used.
    pub(crate) async fn catch_up(&self) -> buntime_database::Result<bool> {
        let Ok(adapter) = &self.options.adapter else { return Ok(false) };
        let mut inner = self.inner.lock().await;
        let store = match &inner.store {
            Some(store) => {
                if store.version().await? == inner.version {
                    return Ok(false);
                }
                store.clone()
            }
            None => Store::open(adapter.clone()).await?,
        };
        let snapshot = store.load().await?;
        inner.store = Some(store);
        self.take_over(&mut inner, snapshot).await;
        Ok(true)
    }

    /// Adds a rule behind the others.
    pub(crate) async fn add(&self, body: &Map<String, Value>) -> Result<Dynamic, Failure> {
        let sent = edit::whole(body)?;
        let id: Arc<str> = sent.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string()).into();
        self.change(|inner| {
            if inner.dynamic.len() >= self.options.most {
                let what =
                    format!("There are {} rules already, which is the most; remove one first", inner.dynamic.len());
                return Err(Failure::new(ErrorKind::Conflict, what));
            }
            let taken = self.options.statics.iter().any(|entry| entry.rule.id() == &*id)
                || inner.dynamic.iter().any(|rule| rule.id == id);
            if taken {
                return Err(Failure::new(ErrorKind::Conflict, format!("There is a rule with the id `{id}` already")));
            }
            let position = inner.dynamic.last().map_or(0, |last| last.position) + 1;
            let (rule, op) = self.made(inner, &id, position, &sent)?;
            let after = inner.dynamic.iter().cloned().chain([rule]).collect();
            Ok(Change { ops: vec![op], after })
        })
        .await?;
        self.rule(&id).ok_or_else(Failure::not_found)
    }

    /// Changes a rule: what is left out stays.
    pub(crate) async fn edit(
        &self,
        id: &str,
        body: &Map<String, Value>,
        expected: &Expected,
    ) -> Result<Dynamic, Failure> {
        self.change(|inner| {
            let (index, before) = self.find(inner, id)?;
            expected.check(before.version)?;
            let sent = match &before.rule {
                Ok(entry) => edit::changed(entry.rule.settings(), before.enabled, body)?,
                // Nothing is known of it that could stay.
                Err(_) => edit::whole(body)?,
            };
            if sent.id.as_ref().is_some_and(|sent| *sent != *before.id) {
                let what = "a rule keeps its id; leave it out, or add another rule";
                return Err(Failure::problems(vec![SettingsProblem::new("/id", what)]));
            }
            let (rule, op) = self.made(inner, &before.id, before.position, &sent)?;
            Ok(Change { ops: vec![op], after: replaced(inner, index, rule) })
        })
        .await?;
        self.rule(id).ok_or_else(Failure::not_found)
    }

    /// Switches a rule on or off; without `enabled`, to what it is not.
    pub(crate) async fn switch(
        &self,
        id: &str,
        enabled: Option<bool>,
        expected: &Expected,
    ) -> Result<Dynamic, Failure> {
        self.change(|inner| {
            let (index, before) = self.find(inner, id)?;
            expected.check(before.version)?;
            let mut rule = before.clone();
            rule.enabled = enabled.unwrap_or(!before.enabled);
            rule.version = inner.version + 1;
            let op = Op::Switch { id: rule.id.clone(), enabled: rule.enabled };
            Ok(Change { ops: vec![op], after: replaced(inner, index, rule) })
        })
        .await?;
        self.rule(id).ok_or_else(Failure::not_found)
    }

    /// Removes a rule.
    pub(crate) async fn remove(&self, id: &str, expected: &Expected) -> Result<(), Failure> {
        self.change(|inner| {
            let (index, before) = self.find(inner, id)?;
            expected.check(before.version)?;
            let mut after = inner.dynamic.to_vec();
            let gone = after.remove(index);
            Ok(Change { ops: vec![Op::Delete { id: gone.id }], after })
        })
        .await
    }

    /// Gives all rules of the database another order, all at once.
    pub(crate) async fn reorder(&self, ids: &[String], expected: &Expected) -> Result<(), Failure> {
        self.change(|inner| {
            expected.check(inner.version)?;
            let order = order(ids, &inner.dynamic, &self.options.statics)?;
            let mut after = Vec::with_capacity(order.len());
            let mut ops = Vec::new();
            for (position, index) in order.into_iter().enumerate() {
                let mut rule = inner.dynamic[index].clone();
                let position = position as i64 + 1;
                if rule.position != position {
                    rule.position = position;
                    ops.push(Op::Move { id: rule.id.clone(), position });
                }
                after.push(rule);
            }
            Ok(Change { ops, after })
        })
        .await
    }

    /// Thinks a change out on top of what there is, keeps it, and puts it in force.
    async fn change(&self, think: impl Fn(&Inner) -> Result<Change, Failure>) -> Result<(), Failure> {
        if let Err(why) = &self.options.adapter {
            return Err(Failure::new(ErrorKind::Conflict, *why));
        }
        let mut inner = self.inner.lock().await;
        for lost in 0..TRIES {
            let Some(store) = inner.store.clone() else {
                let what = "The database that keeps the rules cannot be used yet; nothing was changed";
                return Err(Failure::new(ErrorKind::UpstreamUnavailable, what));
            };
            let Change { ops, after } = think(&inner)?;
            if ops.is_empty() {
                return Ok(());
            }
            match store.commit(inner.version, &ops).await {
                Ok(version) => {
                    inner.version = version;
                    inner.dynamic = after.into();
                    self.put_in_force(&inner).await;
                    return Ok(());
                }
                Err(error) if error.kind() == DatabaseError::Expectation => {
                    let snapshot = store.load().await.map_err(Failure::database)?;
                    self.take_over(&mut inner, snapshot).await;
                    tokio::time::sleep(pause(lost)).await;
                }
                Err(error) => return Err(Failure::database(error)),
            }
        }
        Err(Failure::new(ErrorKind::Conflict, "Other nodes change the rules all the time; try again"))
    }

    /// A rule as it will be, and how to keep it. Opened before it is kept: what cannot be opened is not.
    fn made(&self, inner: &Inner, id: &Arc<str>, position: i64, sent: &Sent) -> Result<(Dynamic, Op), Failure> {
        if let Some(name) = &sent.settings.name {
            let others = inner.dynamic.iter().filter(|rule| rule.id != *id).filter_map(|rule| rule.rule.as_ref().ok());
            if self.options.statics.iter().chain(others).any(|entry| entry.rule.name() == name) {
                return Err(Failure::new(
                    ErrorKind::Conflict,
                    format!("There is a rule named `{name}` already (at /name)"),
                ));
            }
        }
        let name = sent.settings.name.clone().unwrap_or_else(|| id.to_string());
        let entry = self
            .options
            .opener
            .open("", id, &name, sent.settings.clone(), Missing::Refuse)
            .map_err(Failure::problems)?;
        let (enabled, rule) = (sent.enabled, sent.json.clone());
        let op = Op::Put { id: id.clone(), position, enabled, rule };
        let version = inner.version + 1;
        Ok((Dynamic { id: id.clone(), position, enabled, version, rule: Ok(Arc::new(entry)) }, op))
    }

    fn find<'a>(&self, inner: &'a Inner, id: &str) -> Result<(usize, &'a Dynamic), Failure> {
        let found = inner.dynamic.iter().enumerate().find(|(_, rule)| *rule.id == *id);
        found.ok_or_else(|| match self.options.statics.iter().position(|entry| entry.rule.id() == id) {
            Some(index) => Failure::new(
                ErrorKind::Conflict,
                format!(
                    "Cannot modify static rules: `{id}` stands in the configuration file, as `rules[{index}]` of \
                         this plugin's settings; change it there"
                ),
            ),
            None => Failure::not_found(),
        })
    }

    /// The rule in force.
    fn rule(&self, id: &str) -> Option<Dynamic> {
        self.rules.now().dynamic().iter().find(|rule| *rule.id == *id).cloned()
    }

    /// Puts in force what the database has. What has not changed keeps its connections.
    async fn take_over(&self, inner: &mut Inner, snapshot: Snapshot) {
        let (opener, before, version) = (self.options.opener.clone(), inner.dynamic.clone(), snapshot.version);
        // Thousands of them take a while.
        let opening = tokio::task::spawn_blocking(move || opened(&opener, &before, snapshot.rules));
        match opening.await {
            Ok(dynamic) => {
                inner.version = version;
                inner.dynamic = dynamic;
                self.put_in_force(inner).await;
            }
            Err(error) => tracing::error!("the rules of the database could not be opened: {error}"),
        }
    }

    async fn put_in_force(&self, inner: &Inner) {
        let (statics, dynamic, version) = (self.options.statics.clone(), inner.dynamic.clone(), inner.version);
        let making = tokio::task::spawn_blocking(move || Table::new(statics, dynamic, version));
        match making.await {
            Ok(table) => self.rules.swap(table),
            Err(error) => tracing::error!("the table of rules could not be made: {error}"),
        }
    }
}

/// So that nodes that change something at the same time do not do so again and again.
fn pause(lost: u32) -> Duration {
    let random = RandomState::new().hash_one(lost);
    Duration::from_millis(random % u64::from(5 * (lost + 1)))
}

/// The rules that are kept, those that have not changed as they were `before`.
fn opened(opener: &Opener, before: &[Dynamic], kept: Vec<Kept>) -> Arc<[Dynamic]> {
    let before: HashMap<&str, &Dynamic> = before.iter().map(|rule| (&*rule.id, rule)).collect();
    let rule = |kept: Kept| {
        let same = before.get(&*kept.id).filter(|rule| rule.version == kept.version);
        let rule = same.map_or_else(|| open(opener, &kept), |same| same.rule.clone());
        Dynamic { id: kept.id, position: kept.position, enabled: kept.enabled, version: kept.version, rule }
    };
    kept.into_iter().map(rule).collect()
}

fn open(opener: &Opener, kept: &Kept) -> Result<Arc<Entry>, Arc<str>> {
    let settings = edit::kept(&kept.rule)?;
    let name = settings.name.clone().unwrap_or_else(|| kept.id.to_string());
    let entry = opener.open("", &kept.id, &name, settings, Missing::Wait).map_err(|problems| {
        let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
        tracing::warn!(rule = &*kept.id, "a rule of the database cannot be used here: {}", list.join("; "));
        Arc::from(list.join("; "))
    })?;
    Ok(Arc::new(entry))
}

fn replaced(inner: &Inner, index: usize, rule: Dynamic) -> Vec<Dynamic> {
    let mut after = inner.dynamic.to_vec();
    after[index] = rule;
    after
}

/// The places of the rules in the order of `ids`, which must be exactly theirs.
fn order(ids: &[String], rules: &[Dynamic], statics: &[Arc<Entry>]) -> Result<Vec<usize>, Failure> {
    let conflict = |what: String| Failure::new(ErrorKind::Conflict, what);
    let mut places: HashMap<&str, usize> = rules.iter().enumerate().map(|(index, rule)| (&*rule.id, index)).collect();
    let mut order = Vec::with_capacity(rules.len());
    for id in ids {
        match places.remove(&**id) {
            Some(index) => order.push(index),
            None if statics.iter().any(|entry| entry.rule.id() == id) => {
                return Err(conflict(format!(
                    "`{id}` stands in the configuration file: those rules come first, in the file's order; leave it out"
                )));
            }
            None if rules.iter().any(|rule| *rule.id == **id) => {
                return Err(conflict(format!("`{id}` is listed twice")));
            }
            None => return Err(conflict(format!("There is no rule `{id}`; look at the list again"))),
        }
    }
    if let Some(left) = rules.iter().find(|rule| places.contains_key(&*rule.id)) {
        return Err(conflict(format!("`{}` is not listed; list every rule of the database", left.id)));
    }
    Ok(order)
}
