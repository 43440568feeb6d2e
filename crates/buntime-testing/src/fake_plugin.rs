//! A plugin that does what a test tells it, and notes what happened to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Body;
use buntime_core::{
    BoxError, BoxFuture, Capability, Changes, Completion, Cx, Error, ErrorKind, Flow, HookSet, Hooks, Http,
    HttpResponse, Metadata, OnFailure, Plugin, PluginContext, Post, Pre, Settings, SettingsSpec, Stage, Stages,
    Startup, Step,
};
use bytes::Bytes;
use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened, in order: `a.startup`, `a.pre`, `b.error(client_closed)`, `a.complete(whole)`.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    /// Notes something.
    pub fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything so far, and forgets it.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything so far on one line.
    pub fn line(&self) -> String {
        self.all().join(" ")
    }
}

type OnCx = dyn Fn(&mut Cx<Http>) + Send + Sync;
type OnPre = dyn Fn(&mut Cx<Http>) -> Pre<Http> + Send + Sync;
type OnChunk = dyn Fn(&mut Option<Bytes>, bool) + Send + Sync;

/// What a hook of a [`FakePlugin`] does.
#[derive(Clone)]
pub enum Act {
    /// Goes on.
    Continue,
    /// Goes on, after having been pending once.
    Later,
    /// Goes on after that long.
    After(Duration),
    /// Answers (`pre`), replaces (`post`) or recovers (`error`) with that status.
    Respond(u16),
    /// Refuses, or turns the response into an error.
    Refuse(ErrorKind),
    /// Fails itself.
    Fail,
    /// Never ends.
    Stall,
    /// Panics.
    Panic,
    /// Fails the first times, then goes on.
    FailFirst(Arc<Mutex<u32>>),
    /// Does this with the context, then goes on.
    Do(Arc<OnCx>),
    /// Does this with the context, then fails.
    DoThenFail(Arc<OnCx>),
    /// Decides by itself (`pre` only).
    Pre(Arc<OnPre>),
    /// Does this with the piece and the end mark (`chunk` only).
    Chunk(Arc<OnChunk>),
}

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Act")
    }
}

/// A plugin that does what a test tells it.
#[derive(Clone)]
pub struct FakePlugin {
    metadata: Metadata,
    journal: Journal,
    acts: HashMap<Stage, Act>,
    sets: Vec<(String, Option<i32>)>,
    changes: Changes,
    startup: Act,
    shutdown: Act,
    offers: Arc<dyn Fn(&mut Startup) + Send + Sync>,
}

/// The settings of a [`FakePlugin`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FakeSettings {
    /// Anything.
    pub(crate) value: u32,
}

impl Settings for FakeSettings {}

impl FakePlugin {
    /// One that only notes `pre`, `post`, `error` and `complete` under its name.
    pub fn new(name: &str, journal: &Journal) -> Self {
        let metadata = Metadata::new(name, "1.0.0")
            .with_description("A plugin for tests.")
            .with_capabilities([Capability::Middleware, Capability::Routes]);
        Self {
            metadata,
            journal: journal.clone(),
            acts: [Stage::Pre, Stage::Post, Stage::Error, Stage::Complete].map(|s| (s, Act::Continue)).into(),
            sets: vec![("main".to_owned(), None)],
            changes: Changes::NONE,
            startup: Act::Continue,
            shutdown: Act::Continue,
            offers: Arc::new(|_| {}),
        }
    }

    /// Other metadata.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(Metadata) -> Metadata) -> Self {
        self.metadata = change(self.metadata);
        self
    }

    /// A priority.
    #[must_use]
    pub fn at(self, priority: i32) -> Self {
        self.with(|metadata| metadata.with_priority(priority))
    }

    /// What its hook of that stage does.
    #[must_use]
    pub fn on(mut self, stage: Stage, act: Act) -> Self {
        self.acts.insert(stage, act);
        self
    }

    /// Takes part in these stages only.
    #[must_use]
    pub fn only(mut self, stages: &[Stage]) -> Self {
        self.acts.retain(|stage, _| stages.contains(stage));
        self
    }

    /// Its hook sets, with priorities of their own.
    #[must_use]
    pub fn with_sets(mut self, sets: &[(&str, Option<i32>)]) -> Self {
        self.sets = sets.iter().map(|(name, priority)| ((*name).to_owned(), *priority)).collect();
        self
    }

    /// What it says it changes.
    #[must_use]
    pub fn changing(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    /// What its startup does.
    #[must_use]
    pub fn on_startup(mut self, act: Act) -> Self {
        self.startup = act;
        self
    }

    /// What its shutdown does.
    #[must_use]
    pub fn on_shutdown(mut self, act: Act) -> Self {
        self.shutdown = act;
        self
    }

    /// What else its startup registers.
    #[must_use]
    pub fn offering(mut self, offers: impl Fn(&mut Startup) + Send + Sync + 'static) -> Self {
        self.offers = Arc::new(offers);
        self
    }

    async fn live(&self, what: &str, act: &Act) -> Result<(), BoxError> {
        self.journal.note(format!("{}.{what}", self.metadata.name));
        match act {
            Act::Fail => Err("told to fail".into()),
            Act::Panic => panic!("told to panic"),
            Act::Stall => std::future::pending().await,
            Act::FailFirst(left) if fails(left) => Err("told to fail first".into()),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for FakePlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakePlugin").field("name", &self.metadata.name).finish_non_exhaustive()
    }
}

fn fails(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
    let fails = *left > 0;
    *left = left.saturating_sub(1);
    fails
}

#[async_trait]
impl Plugin for FakePlugin {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<FakeSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        for (set, priority) in &self.sets {
            let plain = self.metadata.name.to_string();
            let name = if self.sets.len() == 1 { plain } else { format!("{plain}:{set}") };
            let hooks = FakeHooks { name, journal: self.journal.clone(), acts: self.acts.clone() };
            let mut hook_set = HookSet::new(set.clone(), hooks).changing(self.changes);
            if let Some(priority) = priority {
                hook_set = hook_set.at(*priority);
            }
            startup.hooks(hook_set);
        }
        (self.offers)(startup);
        self.live("startup", &self.startup).await
    }

    async fn shutdown(&self, _: &PluginContext) -> Result<(), BoxError> {
        self.live("shutdown", &self.shutdown).await
    }
}

struct FakeHooks {
    name: String,
    journal: Journal,
    acts: HashMap<Stage, Act>,
}

/// What an act comes to, once waiting, failing and panicking are done.
enum Done {
    Go,
    Respond(u16),
    Refuse(ErrorKind),
}

impl FakeHooks {
    fn act<'a, T: Send + 'a>(
        &'a self,
        stage: Stage,
        cx: &'a mut Cx<Http>,
        settle: impl FnOnce(Done) -> T + Send + 'a,
    ) -> Step<'a, T> {
        let act = self.acts.get(&stage).unwrap_or(&Act::Continue);
        let later = |future: BoxFuture<'a, ()>| {
            Step::later(async move {
                future.await;
                Ok(())
            })
        };
        let step: Step<'a, ()> = match act {
            Act::Respond(status) => return Step::ready(settle(Done::Respond(*status))),
            Act::Refuse(kind) => return Step::ready(settle(Done::Refuse(*kind))),
            Act::Continue | Act::Pre(_) | Act::Chunk(_) => Step::ready(()),
            Act::Later => later(Box::pin(tokio::task::yield_now())),
            Act::After(pause) => later(Box::pin(tokio::time::sleep(*pause))),
            Act::Stall => later(Box::pin(std::future::pending())),
            Act::Fail => Step::failed("told to fail"),
            Act::Panic => panic!("told to panic with a secret"),
            Act::FailFirst(left) if fails(left) => Step::failed("told to fail first"),
            Act::FailFirst(_) => Step::ready(()),
            Act::Do(act) => {
                act(cx);
                Step::ready(())
            }
            Act::DoThenFail(act) => {
                act(cx);
                Step::failed("told to fail after a change")
            }
        };
        match step {
            Step::Done(result) => Step::Done(result.map(|()| settle(Done::Go))),
            Step::Later(future) => Step::later(async move {
                future.await?;
                Ok(settle(Done::Go))
            }),
        }
    }

    fn note(&self, what: &str) {
        self.journal.note(format!("{}.{what}", self.name));
    }
}

fn response(status: u16) -> Box<HttpResponse> {
    let response = Response::builder().status(status).body(Body::from(format!("fake {status}")));
    Box::new(response.unwrap_or_else(|error| panic!("status {status}: {error}")).into())
}

impl Hooks<Http> for FakeHooks {
    fn stages(&self) -> Stages {
        let of = |stage: &Stage| match stage {
            Stage::Pre => Stages::PRE,
            Stage::Post => Stages::POST,
            Stage::Error => Stages::ERROR,
            Stage::Chunk => Stages::CHUNK,
            Stage::Message => Stages::MESSAGE,
            Stage::Complete => Stages::COMPLETE,
            Stage::Route => Stages::ROUTE,
        };
        self.acts.keys().map(of).fold(Stages::NONE, |all, one| all | one)
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        self.note("pre");
        if let Some(Act::Pre(decide)) = self.acts.get(&Stage::Pre) {
            return Step::ready(decide(cx));
        }
        self.act(Stage::Pre, cx, |done| match done {
            Done::Go => Pre::Continue,
            Done::Respond(status) => Pre::Respond(response(status)),
            Done::Refuse(kind) => Pre::fail(kind),
        })
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        self.note("post");
        self.act(Stage::Post, cx, |done| match done {
            Done::Go => Post::Continue,
            Done::Respond(status) => Post::Replace(response(status)),
            Done::Refuse(kind) => Post::fail(kind),
        })
    }

    fn error<'a>(&'a self, cx: &'a mut Cx<Http>, error: &'a Error) -> Step<'a, OnFailure<Http>> {
        self.note(&format!("error({})", error.code()));
        self.act(Stage::Error, cx, |done| match done {
            Done::Go => OnFailure::PassOn,
            Done::Respond(status) => OnFailure::Recover(response(status)),
            Done::Refuse(kind) => OnFailure::Replace(kind.into()),
        })
    }

    fn chunk<'a>(&'a self, cx: &'a mut Cx<Http>, chunk: &'a mut Option<Bytes>, end: bool) -> Step<'a, Flow<Http>> {
        let seen = chunk.as_ref().map(|c| String::from_utf8_lossy(c).into_owned()).unwrap_or_default();
        self.note(&format!("chunk({seen}{})", if end { "$" } else { "" }));
        if let Some(Act::Chunk(change)) = self.acts.get(&Stage::Chunk) {
            change(chunk, end);
        }
        self.act(Stage::Chunk, cx, |done| match done {
            Done::Refuse(kind) => Flow::Fail(kind.into()),
            Done::Go | Done::Respond(_) => Flow::Continue,
        })
    }

    fn complete(&self, cx: &mut Cx<Http>, end: &Completion) -> Step<'static, ()> {
        let ended = serde_json::to_value(end.ended).unwrap_or_default();
        self.note(&format!("complete({})", ended.as_str().unwrap_or_default()));
        match self.acts.get(&Stage::Complete) {
            Some(Act::Do(act)) => {
                act(cx);
                Step::ready(())
            }
            Some(Act::Later) => {
                let (journal, name) = (self.journal.clone(), self.name.clone());
                Step::later(async move {
                    tokio::task::yield_now().await;
                    journal.note(format!("{name}.settled"));
                    Ok(())
                })
            }
            Some(Act::Fail) => Step::failed("told to fail"),
            Some(Act::Panic) => panic!("told to panic"),
            Some(Act::Stall) => Step::later(std::future::pending()),
            _ => Step::ready(()),
        }
    }
}
