//! A chain: the frozen, ordered hook sets of one kind in one scope. Computed when configuration changes, never per
//! request.

use std::{any::Any, cmp::Ordering, fmt, sync::Arc};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

pub use crate::link::{DEFAULT_HOOK_TIMEOUT, LastError, Link, Member, OrderKey};
use crate::{
    clock::Clock,
    error::Error,
    hooks::{Changes, Stage, Stages},
    kind::Kind,
    metadata::PluginName,
    options::{Fallback, Mode, OnError},
    step::BoxFuture,
};

/// A chain holds at most this many hook sets.
pub const MAX_SETS: usize = 128;

/// What a chain needs of its surroundings.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Shutdown waits for these.
    pub tasks: TaskTracker,
    /// Where tasks go when the thread has no runtime.
    pub home: Option<Handle>,
    /// The clock of breakers and backoffs.
    pub clock: Clock,
    /// Leave out the measuring of hooks?
    pub unmeasured: bool,
}

/// A frozen, ordered list of hook sets.
pub struct Chain<K: Kind> {
    links: Box<[Link<K>]>,
    /// For each link that begins a parallel batch, where it ends.
    batches: Box<[(usize, usize)]>,
    stages: Stages,
    changes: Changes,
    pub(crate) around: Surroundings,
    /// The first link behind the last auth provider and its batch: from there on the chain may branch.
    split: usize,
    pub(crate) branches: Option<Arc<dyn Branches<K>>>,
    /// What must live as long as the chain: the instances.
    keep: Vec<Kept>,
}

/// An instance that a chain keeps alive.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) member: Arc<Member>,
    pub(crate) _instance: Arc<dyn Any + Send + Sync>,
}

/// Where a chain goes on once it is known who calls.
pub(crate) trait Branches<K: Kind>: Send + Sync {
    /// The chain of that consumer: the same links up to the split, its own from there on.
    fn of(&self, base: &Arc<Chain<K>>, consumer: &str) -> Branch<K>;
}

/// How a chain goes on.
pub(crate) enum Branch<K: Kind> {
    /// As it is: nothing is configured for who calls.
    Same,
    /// On this one.
    On(Arc<Chain<K>>),
    /// On one that has to be built first.
    Later(BoxFuture<'static, Result<Arc<Chain<K>>, Error>>),
}

/// Something a chain does otherwise than configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainWarning {
    /// The plugin.
    pub plugin: PluginName,
    /// What is done instead, and why.
    pub message: String,
}

/// More hook sets than a chain holds.
#[derive(Debug, thiserror::Error)]
#[error("a chain holds at most {MAX_SETS} hook sets, this one has {0}; switch plugins off or split the scope")]
pub struct TooManySets(usize);

impl<K: Kind> Chain<K> {
    /// Sorts the links by their keys and freezes them.
    pub fn new(mut links: Vec<Link<K>>, around: Surroundings) -> Result<(Self, Vec<ChainWarning>), TooManySets> {
        if links.len() > MAX_SETS {
            return Err(TooManySets(links.len()));
        }
        links.sort_by(|a, b| a.key.cmp(&b.key).then(Ordering::Equal));
        let mut warnings = Vec::new();
        resolve_fallbacks(&mut links, &mut warnings);
        Ok((Self::frozen(links, around, &mut warnings), warnings))
    }

    fn frozen(links: Vec<Link<K>>, around: Surroundings, warnings: &mut Vec<ChainWarning>) -> Self {
        let batches = batches(&links, warnings);
        let auth = links.iter().rposition(|link| link.auth_provider);
        let end_of = |index: usize| batches.iter().find(|(start, end)| (*start..*end).contains(&index)).map(|b| b.1);
        Self {
            split: auth.map_or(0, |index| end_of(index).unwrap_or(index + 1)),
            stages: links.iter().fold(Stages::NONE, |all, link| all | link.stages),
            changes: links.iter().fold(Changes::NONE, |all, link| all | link.changes),
            links: links.into(),
            batches,
            around,
            branches: None,
            keep: Vec::new(),
        }
    }

    /// A chain without hooks.
    pub fn empty(around: Surroundings) -> Self {
        Self::frozen(Vec::new(), around, &mut Vec::new())
    }

    /// Keeps these instances for as long as it lives.
    pub(crate) fn keeping(mut self, keep: Vec<Kept>) -> Self {
        self.keep = keep;
        self
    }

    /// Goes on otherwise for consumers that configure something.
    pub(crate) fn branching(mut self, branches: Arc<dyn Branches<K>>) -> Self {
        self.branches = Some(branches);
        self
    }

    /// How many of its links stand up to the last auth provider: what runs before it is known who calls. None without
    /// one.
    pub fn split(&self) -> usize {
        self.split
    }

    /// Does that set stand behind the split, and has it not run before it? One that this chain has behind the split does
    /// so wherever who calls would have it: it must not be lost.
    pub(crate) fn may_follow(&self, link: &Link<K>) -> bool {
        let (head, rest) = self.links.split_at(self.split);
        let is_same = |other: &Link<K>| other.member.plugin == link.member.plugin && other.set == link.set;
        let stands_behind = head.last().is_none_or(|last| link.key > last.key) || rest.iter().any(is_same);
        stands_behind && !head.iter().any(is_same)
    }

    /// The chain of somebody who was found out at the split: its links up to there, then those of `rest` that may
    /// follow them. What would stand before the split follows it at once.
    pub(crate) fn branch(&self, rest: Vec<Link<K>>, keep: Vec<Kept>) -> Result<Self, TooManySets> {
        let mut rest: Vec<Link<K>> = rest.into_iter().filter(|link| self.may_follow(link)).collect();
        if let Some(last) = self.split.checked_sub(1).and_then(|last| self.links.get(last)) {
            rest.iter_mut().for_each(|link| link.key = link.key.max(last.key));
        }
        rest.sort_by_key(|link| link.key);
        let mut links: Vec<Link<K>> = self.links[..self.split].iter().cloned().chain(rest).collect();
        if links.len() > MAX_SETS {
            return Err(TooManySets(links.len()));
        }
        resolve_fallbacks(&mut links, &mut Vec::new());
        let mut branch = Self::frozen(links, self.around.clone(), &mut Vec::new()).keeping(keep);
        branch.split = self.split;
        Ok(branch)
    }

    /// The sets behind that one, for an exchange that goes on from there. It is known who calls by then.
    pub(crate) fn behind(&self, index: usize) -> Self {
        let links = self.links.get(index + 1..).unwrap_or_default().to_vec();
        Self::frozen(links, self.around.clone(), &mut Vec::new()).keeping(self.keep.clone())
    }

    /// The same chain for what may go on for long after the head was answered. Keeps only the instances that still
    /// have something to do, and that of the plugin that answers.
    pub(crate) fn late(&self, answers: Option<&str>) -> Self {
        let busy = |stages: Stages| [Stage::Chunk, Stage::Message, Stage::Complete].into_iter().any(|s| stages.has(s));
        let needed = |kept: &&Kept| {
            answers.is_some_and(|name| PluginName::new(name) == kept.member.plugin)
                || self.links.iter().any(|link| Arc::ptr_eq(&link.member, &kept.member) && busy(link.stages))
        };
        Self {
            links: self.links.clone(),
            batches: self.batches.clone(),
            stages: self.stages,
            changes: self.changes,
            around: self.around.clone(),
            split: self.split,
            branches: None,
            keep: self.keep.iter().filter(needed).cloned().collect(),
        }
    }

    /// Its links, in order.
    pub fn links(&self) -> &[Link<K>] {
        &self.links
    }

    /// The stages any of its sets takes part in.
    pub fn stages(&self) -> Stages {
        self.stages
    }

    /// What any of its sets changes.
    pub fn changes(&self) -> Changes {
        self.changes
    }

    /// The same chain with only the sets that look.
    pub fn observers(&self) -> Self {
        let links: Vec<_> = self.links.iter().filter(|link| link.observer).cloned().collect();
        Self::frozen(links, self.around.clone(), &mut Vec::new()).keeping(self.keep.clone())
    }

    /// Where the parallel batch that begins at `index` ends.
    pub(crate) fn batch_at(&self, index: usize) -> Option<usize> {
        if self.batches.is_empty() {
            return None;
        }
        self.batches.iter().find(|(start, _)| *start == index).map(|(_, end)| *end)
    }

    /// Runs a task that shutdown waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match (Handle::try_current(), &self.around.home) {
            (Ok(here), _) => drop(self.around.tasks.spawn_on(task, &here)),
            (Err(_), Some(home)) => drop(self.around.tasks.spawn_on(task, home)),
            (Err(_), None) => tracing::error!("no runtime is left to complete an exchange on"),
        }
    }
}

impl<K: Kind> fmt::Debug for Chain<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.links).finish()
    }
}

/// Finds the hooks of the plugins that `onError.fallback` names: those of the same place in their plugin, else its
/// first set.
fn resolve_fallbacks<K: Kind>(links: &mut [Link<K>], warnings: &mut Vec<ChainWarning>) {
    for index in 0..links.len() {
        let OnError::Fallback(Fallback { plugin: Some(name), response }) = &links[index].on_error else { continue };
        let plugin = links[index].member.plugin.clone();
        let of_name = |link: &&Link<K>| link.member.plugin == *name && link.member.plugin != plugin;
        let same_set = links.iter().filter(of_name).find(|link| link.set == links[index].set);
        let found = same_set.or_else(|| links.iter().find(of_name)).map(|link| link.hooks.clone());
        if found.is_none() {
            let instead = if response.is_some() { "the fixed response is used" } else { "the exchange fails" };
            let message = format!("onError.fallback names `{name}`, which has no hooks in this chain; {instead}");
            warnings.push(ChainWarning { plugin, message });
        }
        links[index].fallback = found;
    }
}

/// Neighbours of equal placement and priority that say `parallel`. A second one that changes what only one may, runs
/// alone.
fn batches<K: Kind>(links: &[Link<K>], warnings: &mut Vec<ChainWarning>) -> Box<[(usize, usize)]> {
    let mut batches = Vec::new();
    let mut start = 0;
    while start < links.len() {
        let first = &links[start];
        let mut end = start + 1;
        let mut exclusive = first.exclusive();
        while first.mode == Mode::Parallel && end < links.len() {
            let next = &links[end];
            let neighbours = next.mode == Mode::Parallel
                && (next.key.placement, next.key.priority) == (first.key.placement, first.key.priority);
            if !neighbours {
                break;
            }
            if exclusive && next.exclusive() {
                warnings.push(ChainWarning {
                    plugin: next.member.plugin.clone(),
                    message: format!(
                        "runs after its batch: `{}` in it already changes bodies or shared values",
                        first.member.plugin
                    ),
                });
                break;
            }
            exclusive |= next.exclusive();
            end += 1;
        }
        if end - start > 1 {
            batches.push((start, end));
        }
        start = end;
    }
    batches.into()
}
