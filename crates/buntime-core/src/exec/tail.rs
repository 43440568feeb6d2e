//! The rest of an exchange once its head is known: streamed pieces, messages, and the one completion.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use crate::{
    BoxError,
    chain::Chain,
    cx::Cx,
    exec::{
        State,
        call::{ChunkCall, Failure, MessageCall, invoke, note},
        watch::{Pulse, Watched, caught},
    },
    hooks::{Changes, Completion, Direction, Ended, Stage, Stages},
    kind::Kind,
    stats::Outcome,
    step::{BoxFuture, Flow, Step},
};

/// What is left of an exchange. Dropping it says that the client is gone.
pub struct Tail<K: Kind>(Option<Box<State<K>>>);

impl<K: Kind> Tail<K> {
    pub(crate) fn new(state: Option<Box<State<K>>>) -> Self {
        Self(state)
    }

    /// The chain the exchange runs on.
    pub(crate) fn chain(&self) -> Option<&Arc<Chain<K>>> {
        self.0.as_ref().map(|state| &state.chain)
    }

    /// The stages any set of the chain takes part in.
    pub fn stages(&self) -> Stages {
        self.0.as_ref().map_or(Stages::NONE, |state| state.chain.stages())
    }

    /// What any set of the chain changes.
    pub(crate) fn changes(&self) -> Changes {
        self.0.as_ref().map_or(Changes::NONE, |state| state.chain.changes())
    }

    /// The head is answered, and the rest may take long: lets go of the instances that have nothing left to do.
    pub(crate) fn let_go(&mut self) {
        let Some(state) = &mut self.0 else { return };
        let answers = state.cx.meta.route.as_ref().and_then(|route| route.plugin.clone());
        state.chain = Arc::new(state.chain.late(answers.as_deref()));
    }

    /// Is it a probe of a breaker, whose end must be reported?
    pub(crate) fn probing(&self) -> bool {
        self.0.as_ref().is_some_and(|state| !state.pulse.probes.is_empty())
    }

    /// Counts bytes of the response's body.
    pub fn sent(&mut self, bytes: u64) {
        if let Some(state) = &mut self.0 {
            state.response_bytes += bytes;
        }
    }

    /// Counts bytes from the client that the edge does not see: those of an upgraded connection.
    pub fn received(&mut self, bytes: u64) {
        if let Some(state) = &mut self.0 {
            state.upgraded_bytes += bytes;
        }
    }

    /// Shows a piece to the chunk hooks, in reverse order; with `end` for the last time. Returns what is to be sent.
    pub async fn chunk(&mut self, mut piece: Option<K::Chunk>, end: bool) -> Result<Option<K::Chunk>, K::Error> {
        let Some(state) = self.0.as_deref_mut() else { return Ok(piece) };
        let chain = state.chain.clone();
        state.pulse.skip();
        for (index, link) in chain.links().iter().enumerate().rev() {
            if !link.stages.has(Stage::Chunk) || !state.entered.has(index) || (piece.is_none() && !end) {
                continue;
            }
            let mut call = ChunkCall { before: piece.clone(), piece: &mut piece, end };
            match invoke(link, index, &mut state.cx, &mut call, &mut state.pulse).await {
                Flow::Continue => {}
                Flow::Fail(error) => return Err(error),
            }
        }
        Ok(piece)
    }

    /// Shows a message of an upgraded connection to the message hooks: in chain order towards the upstream, in
    /// reverse towards the client. Returns what is to be passed on.
    pub async fn message(&mut self, direction: Direction, message: K::Message) -> Result<Option<K::Message>, K::Error> {
        let mut piece = Some(message);
        let Some(state) = self.0.as_deref_mut() else { return Ok(piece) };
        let chain = state.chain.clone();
        state.pulse.skip();
        let count = chain.links().len();
        for step in 0..count {
            let index = if direction == Direction::ToUpstream { step } else { count - 1 - step };
            let link = &chain.links()[index];
            if !link.stages.has(Stage::Message) || !state.entered.has(index) || piece.is_none() {
                continue;
            }
            let mut call = MessageCall { before: piece.clone(), piece: &mut piece, direction };
            match invoke(link, index, &mut state.cx, &mut call, &mut state.pulse).await {
                Flow::Continue => {}
                Flow::Fail(error) => return Err(error),
            }
        }
        Ok(piece)
    }

    /// All is over. Runs the complete hooks.
    pub fn finish(mut self, ended: Ended) {
        if let Some(mut state) = self.0.take() {
            state.complete(ended);
        }
    }

    /// All is over because the body broke with this error.
    pub fn broke(mut self, code: &'static str) {
        if let Some(mut state) = self.0.take() {
            state.error = Some(code);
            state.complete(Ended::Broken);
        }
    }
}

impl<K: Kind> Drop for Tail<K> {
    fn drop(&mut self) {
        if let Some(mut state) = self.0.take() {
            state.complete(Ended::ClientGone);
        }
    }
}

impl<K: Kind> std::fmt::Debug for Tail<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tail")
    }
}

impl<K: Kind> State<K> {
    /// Calls `complete` of every entered set, in reverse. What is not ready at once goes to a tracked task.
    pub(crate) fn complete(&mut self, ended: Ended) {
        let now = Instant::now();
        let total = now.saturating_duration_since(self.cx.meta.started);
        let end = Completion {
            ended,
            status: self.status,
            error: self.error,
            request_bytes: self.cx.meta.bytes_read() + self.upgraded_bytes,
            response_bytes: self.response_bytes,
            to_head: self.to_head.unwrap_or(total),
            total,
        };
        self.pulse.skip_to(now);
        for (index, link) in self.chain.links().iter().enumerate().rev() {
            if !self.entered.has(index) {
                continue;
            }
            if link.stages.has(Stage::Complete) {
                complete_one(&self.chain, index, &mut self.cx, &mut self.pulse, &end);
            }
            if self.pulse.probes.has(index) {
                link.member.breaker.probe_succeeded();
            }
        }
    }
}

fn complete_one<K: Kind>(chain: &Arc<Chain<K>>, index: usize, cx: &mut Cx<K>, pulse: &mut Pulse, end: &Completion) {
    let link = &chain.links()[index];
    cx.current = link.current(index);
    pulse.begin();
    let called = caught(|| link.hooks.complete(cx, end));
    let result = match called {
        Ok(Step::Done(result)) => result.map_err(Failure::Error),
        Ok(Step::Later(mut future)) => {
            let polled = caught(|| (&mut future).now_or_never());
            match polled {
                Ok(Some(result)) => result.map_err(Failure::Error),
                Ok(None) => return complete_later(chain, index, pulse, future),
                Err(text) => Err(Failure::Panic(text)),
            }
        }
        Err(text) => Err(Failure::Panic(text)),
    };
    let took = pulse.lap();
    settle(chain, index, pulse, result, took, took);
}

fn complete_later<K: Kind>(
    chain: &Arc<Chain<K>>,
    index: usize,
    pulse: &mut Pulse,
    future: BoxFuture<'static, Result<(), BoxError>>,
) {
    let mut own = Pulse::new(Instant::now(), pulse.measured);
    pulse.skip();
    let kept = chain.clone();
    chain.spawn(async move {
        let limit = kept.links()[index].timeout;
        let (watched, busy) = own.watch(future, Some(limit)).await;
        let result = match watched {
            Watched::Finished(result) => result.map_err(Failure::Error),
            Watched::TimedOut => Err(Failure::Timeout(limit)),
            Watched::Panicked(text) => Err(Failure::Panic(text)),
        };
        let took = own.lap();
        settle(&kept, index, &mut own, result, took, busy);
    });
}

fn settle<K: Kind>(
    chain: &Chain<K>,
    index: usize,
    pulse: &mut Pulse,
    result: Result<(), Failure>,
    took: Duration,
    busy: Duration,
) {
    let link = &chain.links()[index];
    let outcome = match &result {
        Ok(()) => Outcome::Continue,
        Err(failure) => failure.outcome(),
    };
    if pulse.measured {
        link.stats.record(Stage::Complete, outcome, took, busy);
    }
    if let Err(failure) = result {
        note(link, index, Stage::Complete, pulse, &failure);
    }
}
