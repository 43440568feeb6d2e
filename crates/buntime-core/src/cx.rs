//! The exchange's context: what a hook sees and may change, and how its changes are undone when it fails.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::HeaderValue;
use serde_json::Value;

use crate::{
    chain::Chain,
    hooks::{Stage, Stages},
    kind::{Carrier, Kind},
    stats::Outcome,
    step::Handler,
    values::{Identity, RESERVED, ReservedName, Values},
};

/// What is known about an exchange from its first moment on, and is not a hook's to change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Meta {
    /// On every response, error and log line.
    pub request_id: HeaderValue,
    /// Who connected, behind trusted proxies.
    pub client_ip: IpAddr,
    /// The socket's other end.
    pub peer: SocketAddr,
    /// `http` or `https`, as the client sees it.
    pub scheme: &'static str,
    /// When it began.
    pub started: Instant,
    /// When its head must have been answered.
    pub deadline: Option<Instant>,
    /// What was matched; its label is bounded and safe to count by.
    pub route: Option<Arc<Matched>>,
    /// Bytes of the request's body read so far, counted by the edge.
    pub request_bytes: Option<Arc<AtomicU64>>,
}

impl Meta {
    /// Of an exchange that begins now, of an unknown client.
    pub fn new(request_id: HeaderValue) -> Self {
        Self {
            request_id,
            client_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            scheme: "http",
            started: Instant::now(),
            deadline: None,
            route: None,
            request_bytes: None,
        }
    }

    /// The request id as text.
    pub fn request_id_str(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.request_bytes.as_ref().map_or(0, |b| b.load(Ordering::Relaxed))
    }
}

/// What a request was matched to: a proxy rule, a service route, a plugin's routes.
#[derive(Clone)]
pub struct Matched {
    /// A bounded label for metrics and logs, such as `proxy:legacy`.
    pub label: Arc<str>,
    /// The plugin that answers.
    pub plugin: Option<Arc<str>>,
    /// Needs no identity.
    pub public: bool,
    /// What the matching plugin wants to find again.
    pub data: Option<Arc<dyn Any + Send + Sync>>,
}

impl Matched {
    /// The label of what matched nothing.
    pub const UNMATCHED: &str = "unmatched";

    /// Does somebody have the path?
    pub fn is_somebodys(&self) -> bool {
        &*self.label != Self::UNMATCHED
    }
}

impl fmt::Debug for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matched").field("label", &self.label).field("public", &self.public).finish_non_exhaustive()
    }
}

type Slot = Option<Box<dyn Any + Send>>;

type BeforeHandler<K> = Box<dyn FnOnce(&mut Cx<K>) + Send>;

/// What runs an exchange of its own on the rest of a chain.
pub(crate) type Afterwards<K> = Box<dyn FnOnce(Arc<Chain<K>>, Cx<K>) + Send>;

/// The context of one exchange.
pub struct Cx<K: Kind> {
    pub(crate) meta: Meta,
    pub(crate) request: K::Request,
    pub(crate) response: Option<K::Response>,
    pub(crate) handler: Arc<dyn Handler<K>>,
    pub(crate) values: Values,
    pub(crate) slots: Vec<Slot>,
    pub(crate) current: Current,
    pub(crate) stages: Stages,
    pub(crate) hook_log: Option<Vec<HookRecord>>,
    pub(crate) before_handler: Vec<BeforeHandler<K>>,
    pub(crate) afterwards: Option<Box<(K::Request, Afterwards<K>)>>,
    undo: Undo<K>,
}

/// One hook call of an exchange whose hooks are logged.
#[derive(Clone, Debug)]
pub struct HookRecord {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Its hook set.
    pub set: Cow<'static, str>,
    /// The stage.
    pub stage: Stage,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
}

/// Whose hook runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) index: usize,
    pub(crate) auth_provider: bool,
}

impl Current {
    pub(crate) const NONE: Self = Self { index: 0, auth_provider: false };
}

/// What a hook that may fail has changed. Most change nothing, so what is saved stands apart and the exchange stays
/// small.
struct Undo<K: Kind> {
    armed: bool,
    irreversible: bool,
    saved: Option<Box<Saved<K>>>,
}

/// Saved before the first change of each part.
struct Saved<K: Kind> {
    request: Option<<K::Request as Carrier>::Head>,
    response: Option<<K::Response as Carrier>::Head>,
    values: Option<Values>,
    handler: Option<Arc<dyn Handler<K>>>,
}

impl<K: Kind> Undo<K> {
    const fn disarmed() -> Self {
        Self { armed: false, irreversible: false, saved: None }
    }

    /// Where to save what a hook is about to change; `None` when nothing has to be.
    fn saving(&mut self) -> Option<&mut Saved<K>> {
        let nothing = || Box::new(Saved { request: None, response: None, values: None, handler: None });
        self.armed.then(|| &mut **self.saved.get_or_insert_with(nothing))
    }
}

impl<K: Kind> Cx<K> {
    pub(crate) fn new(meta: Meta, request: K::Request, handler: Arc<dyn Handler<K>>) -> Self {
        Self {
            meta,
            request,
            response: None,
            handler,
            values: Values::default(),
            slots: Vec::new(),
            current: Current::NONE,
            stages: Stages::NONE,
            hook_log: None,
            before_handler: Vec::new(),
            afterwards: None,
            undo: Undo::disarmed(),
        }
    }

    /// What is known from the first moment on.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// What was matched.
    pub fn route(&self) -> Option<&Arc<Matched>> {
        self.meta.route.as_ref()
    }

    /// The stages any set of the chain takes part in: a handler need not prepare what nobody will look at.
    pub fn stages(&self) -> Stages {
        self.stages
    }

    /// The request's head.
    pub fn request(&self) -> &<K::Request as Carrier>::Head {
        self.request.head()
    }

    /// The request's head, to change.
    pub fn request_mut(&mut self) -> &mut <K::Request as Carrier>::Head {
        if let Some(saved) = self.undo.saving()
            && saved.request.is_none()
        {
            saved.request = Some(self.request.head().clone());
        }
        self.request.head_mut()
    }

    /// The response's head; `None` before the handler and after the head was sent.
    pub fn response(&self) -> Option<&<K::Response as Carrier>::Head> {
        self.response.as_ref().map(Carrier::head)
    }

    /// The response's head, to change.
    pub fn response_mut(&mut self) -> Option<&mut <K::Response as Carrier>::Head> {
        let response = self.response.as_mut()?;
        if let Some(saved) = self.undo.saving()
            && saved.response.is_none()
        {
            saved.response = Some(response.head().clone());
        }
        Some(response.head_mut())
    }

    /// The whole request. A hook that uses this cannot be undone: its failure fails the exchange.
    pub fn whole_request_mut(&mut self) -> &mut K::Request {
        self.undo.irreversible = true;
        &mut self.request
    }

    /// The whole response. A hook that uses this cannot be undone: its failure fails the exchange.
    pub fn whole_response_mut(&mut self) -> Option<&mut K::Response> {
        self.undo.irreversible = true;
        self.response.as_mut()
    }

    /// What answers.
    pub fn handler(&self) -> &Arc<dyn Handler<K>> {
        &self.handler
    }

    /// Chooses what answers, or wraps it, and lets the chain go on. The last to choose wins.
    pub fn set_handler(&mut self, handler: Arc<dyn Handler<K>>) {
        let before = std::mem::replace(&mut self.handler, handler);
        if let Some(saved) = self.undo.saving()
            && saved.handler.is_none()
        {
            saved.handler = Some(before);
        }
    }

    /// Runs this when the pre hooks are done and the first handler is about to be called, and never when a hook ends the
    /// exchange before that: for who must see the request as the handler does. It must not wait. Lost in a parallel
    /// batch.
    pub fn before_handler(&mut self, run: impl FnOnce(&mut Self) + Send + 'static) {
        self.before_handler.push(Box::new(run));
    }

    /// State of this hook set for this exchange; made on first use, kept until the end.
    pub fn slot<T: Default + Send + 'static>(&mut self) -> &mut T {
        let index = self.current.index;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        let slot = &mut self.slots[index];
        if slot.as_deref().and_then(|s| s.downcast_ref::<T>()).is_none() {
            *slot = Some(Box::new(T::default()));
        }
        match slot.as_deref_mut().and_then(|s| s.downcast_mut()) {
            Some(state) => state,
            None => unreachable!("the slot was just filled with this type"),
        }
    }

    fn values_mut(&mut self) -> &mut Values {
        if let Some(saved) = self.undo.saving()
            && saved.values.is_none()
        {
            saved.values = Some(self.values.clone());
        }
        &mut self.values
    }

    /// A value by its type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.values.typed.get()
    }

    /// Leaves a value for later hooks, by its type.
    pub fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.values_mut().typed.insert(value);
    }

    /// A named value.
    pub fn named(&self, name: &str) -> Option<&Value> {
        self.values.named.as_ref()?.get(name)
    }

    /// Leaves a named value for hooks that are not compiled in.
    pub fn set_named(&mut self, name: &str, value: Value) -> Result<(), ReservedName> {
        if RESERVED.contains(&name) {
            return Err(ReservedName::Named(name.to_owned()));
        }
        self.values_mut().named.get_or_insert_default().insert(name.to_owned(), value);
        Ok(())
    }

    /// Who is calling, if an `auth_provider` has said so.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.values.identity.as_ref()
    }

    /// Says who is calling. Only for plugins with the `auth_provider` capability.
    pub fn set_identity(&mut self, identity: Arc<Identity>) -> Result<(), ReservedName> {
        if !self.current.auth_provider {
            return Err(ReservedName::Capability("identity"));
        }
        self.values_mut().identity = Some(identity);
        Ok(())
    }

    /// The consumer that was found.
    pub fn consumer(&self) -> Option<&Arc<str>> {
        self.values.consumer.as_ref()
    }

    /// Says which consumer is calling. Only for plugins with the `auth_provider` capability.
    pub fn set_consumer(&mut self, consumer: Arc<str>) -> Result<(), ReservedName> {
        if !self.current.auth_provider {
            return Err(ReservedName::Capability("consumer"));
        }
        self.values_mut().consumer = Some(consumer);
        Ok(())
    }

    /// Logs the hook calls of this exchange from now on, the first 256, for traces. Costs an allocation and a copy per
    /// call.
    pub fn log_hooks(&mut self) {
        self.hook_log.get_or_insert_default();
    }

    /// The hook calls logged so far.
    pub fn logged_hooks(&self) -> &[HookRecord] {
        self.hook_log.as_deref().unwrap_or_default()
    }

    /// Before a hook whose failure must leave no trace.
    pub(crate) fn arm(&mut self, armed: bool) {
        self.undo.armed = armed;
        self.undo.irreversible = false;
    }

    /// After a hook that succeeded: forgets what was saved.
    pub(crate) fn keep(&mut self) {
        if self.undo.armed {
            self.undo = Undo::disarmed();
        }
    }

    /// After a hook that failed: puts everything back. False when it did something that cannot be undone.
    pub(crate) fn undo(&mut self) -> bool {
        let undo = std::mem::replace(&mut self.undo, Undo::disarmed());
        if let Some(saved) = undo.saved {
            let Saved { request, response, values, handler } = *saved;
            if let Some(head) = request {
                *self.request.head_mut() = head;
            }
            if let (Some(head), Some(response)) = (response, self.response.as_mut()) {
                *response.head_mut() = head;
            }
            if let Some(values) = values {
                self.values = values;
            }
            if let Some(handler) = handler {
                self.handler = handler;
            }
        }
        undo.armed && !undo.irreversible
    }

    /// The context of another exchange that goes on where this one ended: the same caller, values and handler, a time
    /// of its own.
    pub(crate) fn again(&self, request: K::Request) -> Self {
        let mut meta = self.meta.clone();
        meta.started = Instant::now();
        meta.deadline = self.meta.deadline.map(|at| meta.started + at.saturating_duration_since(self.meta.started));
        meta.request_bytes = None;
        let mut again = Self::new(meta, request, self.handler.clone());
        again.values = self.values.clone();
        again
    }

    /// A context for one hook of a parallel batch.
    pub(crate) fn fork(&mut self, index: usize, request_body: bool, response_body: bool) -> Self {
        let slot = self.slots.get_mut(index).and_then(Option::take);
        let mut slots = Vec::new();
        if slot.is_some() {
            slots.resize_with(index, || None);
            slots.push(slot);
        }
        Self {
            meta: self.meta.clone(),
            request: self.request.fork(request_body),
            response: self.response.as_mut().map(|r| r.fork(response_body)),
            handler: self.handler.clone(),
            values: self.values.clone(),
            slots,
            current: self.current,
            stages: self.stages,
            hook_log: None,
            before_handler: Vec::new(),
            afterwards: None,
            undo: Undo::disarmed(),
        }
    }

    /// Takes back the slot of a fork, whatever became of it.
    pub(crate) fn take_slot(&mut self, fork: &mut Self, index: usize) {
        if let Some(slot) = fork.slots.get_mut(index).and_then(Option::take) {
            if self.slots.len() <= index {
                self.slots.resize_with(index + 1, || None);
            }
            self.slots[index] = Some(slot);
        }
    }
}

impl<K: Kind> fmt::Debug for Cx<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("kind", &K::NAME).field("meta", &self.meta).finish_non_exhaustive()
    }
}
