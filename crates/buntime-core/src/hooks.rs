//! Hooks: what an instance does at the points of an exchange. Each has a default that does nothing.

use std::{borrow::Cow, fmt, ops::BitOr, sync::Arc, time::Duration};

use crate::{
    cx::Cx,
    exec::attempts::Attempts,
    kind::Kind,
    step::{Flow, OnFailure, Post, Pre, Step},
};

/// The hooks of one hook set. Only those that [`stages`](Self::stages) names are called.
///
/// For one exchange: `pre` in chain order; then, in reverse, for every set that was entered, exactly one of `post` and
/// `error`; `chunk` for each streamed piece, in reverse; `complete` exactly once, whatever happened.
pub trait Hooks<K: Kind>: Send + Sync + 'static {
    /// The stages this set takes part in.
    fn stages(&self) -> Stages;

    /// Sees the request before the handler. May change its head, take its body, answer, refuse, or choose the handler.
    fn pre<'a>(&'a self, cx: &'a mut Cx<K>) -> Step<'a, Pre<K>> {
        let _ = cx;
        Step::ready(Pre::Continue)
    }

    /// Sees the response's head before its first byte is sent.
    fn post<'a>(&'a self, cx: &'a mut Cx<K>) -> Step<'a, Post<K>> {
        let _ = cx;
        Step::ready(Post::Continue)
    }

    /// Sees the error that travels back instead of a response.
    fn error<'a>(&'a self, cx: &'a mut Cx<K>, error: &'a K::Error) -> Step<'a, OnFailure<K>> {
        let _ = (cx, error);
        Step::ready(OnFailure::PassOn)
    }

    /// Sees each streamed piece of the response; `None` with `end` when the stream has ended. May replace the piece,
    /// take it (drop it, or hold it back in [`Cx::slot`]), or put one where there was none. A set that changes pieces
    /// says so with [`Changes::RESPONSE_BODY`].
    fn chunk<'a>(&'a self, cx: &'a mut Cx<K>, chunk: &'a mut Option<K::Chunk>, end: bool) -> Step<'a, Flow<K>> {
        let _ = (cx, chunk, end);
        Step::ready(Flow::Continue)
    }

    /// Sees each message of an upgraded connection, in either direction.
    fn message<'a>(
        &'a self,
        cx: &'a mut Cx<K>,
        direction: Direction,
        message: &'a mut Option<K::Message>,
    ) -> Step<'a, Flow<K>> {
        let _ = (cx, direction, message);
        Step::ready(Flow::Continue)
    }

    /// Called exactly once when all is over, off the response path. What it awaits must own what it needs.
    fn complete(&self, cx: &mut Cx<K>, end: &Completion) -> Step<'static, ()> {
        let _ = (cx, end);
        Step::ready(())
    }

    /// Called once before the first of several attempts; may change the targets.
    fn route<'a>(&'a self, cx: &'a mut Cx<K>, attempts: &'a mut Attempts<K>) -> Step<'a, ()> {
        let _ = (cx, attempts);
        Step::ready(())
    }
}

/// A point of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Stage {
    /// Before the handler.
    Pre,
    /// With a response's head.
    Post,
    /// With an error.
    Error,
    /// With each streamed piece.
    Chunk,
    /// With each message of an upgraded connection.
    Message,
    /// When all is over.
    Complete,
    /// Before the first of several attempts.
    Route,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 7] =
        [Self::Pre, Self::Post, Self::Error, Self::Chunk, Self::Message, Self::Complete, Self::Route];

    /// Its name in metrics and in the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
            Self::Error => "error",
            Self::Chunk => "chunk",
            Self::Message => "message",
            Self::Complete => "complete",
            Self::Route => "route",
        }
    }
}

/// A set of stages.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages(u8);

impl Stages {
    /// None.
    pub const NONE: Self = Self(0);
    /// See [`Stage::Pre`].
    pub const PRE: Self = Self(1 << Stage::Pre as u8);
    /// See [`Stage::Post`].
    pub const POST: Self = Self(1 << Stage::Post as u8);
    /// See [`Stage::Error`].
    pub const ERROR: Self = Self(1 << Stage::Error as u8);
    /// See [`Stage::Chunk`].
    pub const CHUNK: Self = Self(1 << Stage::Chunk as u8);
    /// See [`Stage::Message`].
    pub const MESSAGE: Self = Self(1 << Stage::Message as u8);
    /// See [`Stage::Complete`].
    pub const COMPLETE: Self = Self(1 << Stage::Complete as u8);
    /// See [`Stage::Route`].
    pub const ROUTE: Self = Self(1 << Stage::Route as u8);

    /// Is that stage among them?
    pub const fn has(self, stage: Stage) -> bool {
        self.0 & (1 << stage as u8) != 0
    }

    /// The stages, in order.
    pub fn iter(self) -> impl Iterator<Item = Stage> {
        Stage::ALL.into_iter().filter(move |s| self.has(*s))
    }
}

impl BitOr for Stages {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Stage::as_str)).finish()
    }
}

/// What a hook set changes beyond heads. At most one set of a parallel batch may declare any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes(u8);

impl Changes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The request's body.
    pub const REQUEST_BODY: Self = Self(1);
    /// The response's body.
    pub const RESPONSE_BODY: Self = Self(2);
    /// Values that later hooks read.
    pub const VALUES: Self = Self(4);

    /// Are all of `other` among them?
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Is there any?
    pub const fn any(self) -> bool {
        self.0 != 0
    }
}

impl BitOr for Changes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the upstream.
    ToUpstream,
    /// From the upstream to the client.
    ToClient,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The whole answer was sent.
    Whole,
    /// The client went away.
    ClientGone,
    /// The answer broke: its source failed, or a hook ended it with an error.
    Broken,
}

/// What `complete` is told.
#[derive(Clone, Debug)]
pub struct Completion {
    /// How it ended.
    pub ended: Ended,
    /// The status that was answered; 499 when the client left before there was one.
    pub status: u16,
    /// The code of the error that was answered, or that broke the answer.
    pub error: Option<&'static str>,
    /// Bytes of the request's body that were read.
    pub request_bytes: u64,
    /// Bytes of the response's body that were sent.
    pub response_bytes: u64,
    /// From the beginning to the response's head.
    pub to_head: Duration,
    /// From the beginning to the end.
    pub total: Duration,
}

/// Hooks that a plugin registers, with a name and a place of their own.
pub struct HookSet<K: Kind> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) priority: Option<i32>,
    pub(crate) changes: Changes,
    pub(crate) observer: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) hooks: Arc<dyn Hooks<K>>,
}

impl<K: Kind> HookSet<K> {
    /// A set of that name, at the plugin's priority.
    pub fn new(name: impl Into<Cow<'static, str>>, hooks: impl Hooks<K>) -> Self {
        let (name, hooks) = (name.into(), Arc::new(hooks));
        Self { name, priority: None, changes: Changes::NONE, observer: false, timeout: None, hooks }
    }

    /// A priority of its own.
    #[must_use]
    pub fn at(mut self, priority: i32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// What it changes beyond heads.
    #[must_use]
    pub fn changing(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    /// A time limit of its own for each of its hooks, where the entry has no `hookTimeout`.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// It only looks: it runs for administrative routes too, and is no subject to policies.
    #[must_use]
    pub fn observing(mut self) -> Self {
        self.observer = true;
        self
    }
}

impl<K: Kind> Clone for HookSet<K> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            priority: self.priority,
            changes: self.changes,
            observer: self.observer,
            timeout: self.timeout,
            hooks: self.hooks.clone(),
        }
    }
}

impl<K: Kind> fmt::Debug for HookSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookSet")
            .field("name", &self.name)
            .field("kind", &K::NAME)
            .field("priority", &self.priority)
            .field("stages", &self.hooks.stages())
            .finish_non_exhaustive()
    }
}
