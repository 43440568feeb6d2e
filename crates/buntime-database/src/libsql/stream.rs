//! A stream of a server: a connection there, kept from one exchange to the next by a baton.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{
    errors::{self, Failed},
    server::{Answers, Server},
    wire::{Answer, Sent},
};
use crate::{Error, ErrorKind, Outcome, Result, Statement};

/// See the module. Dropped, it is ended, and the server rolls back.
#[derive(Debug)]
pub(super) struct Stream {
    server: Arc<Server>,
    baton: Option<String>,
    /// The newest index that was seen.
    pub(super) index: Option<u64>,
}

impl Stream {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        Self { server: Arc::clone(server), baton: None, index: None }
    }

    /// Asks on the stream. What fails as an exchange ends it.
    pub(super) async fn ask(&mut self, sent: &[Sent<'_>], harmless: bool) -> Result<Answers, Failed> {
        // Used up: the next answer has another.
        let baton = self.baton.take();
        let answers = self.server.ask(baton.as_deref(), sent, harmless).await?;
        self.baton.clone_from(&answers.baton);
        self.index = self.index.max(answers.index);
        Ok(answers)
    }

    /// Begins a transaction that writes, and runs these in it; then, and without `begin`, more. The first of them is number
    /// `from`.
    pub(super) async fn chain(&mut self, begin: bool, list: &[Statement], from: usize) -> Result<Vec<Outcome>, Failed> {
        let first = Statement::new("BEGIN IMMEDIATE", Vec::new());
        let steps: Vec<&Statement> = begin.then_some(&first).into_iter().chain(list).collect();
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let before = usize::from(begin);
        let sent = [Sent::Chain(steps)];
        let mut answers = self.ask(&sent, true).await?;
        let (mut outcomes, failed) = match answers.each.next() {
            Some(Ok(Answer::Steps(outcomes, failed))) => (outcomes, failed),
            // Of the whole: what the server's own parser refuses is not of one step.
            Some(Err(failed)) => return Err(self.blame(failed, list, from).await),
            _ => return Err(errors::lost("it answers something else", true)),
        };
        if let Some(failed) = failed {
            // The step that failed is the one after those that ran.
            return Err(match outcomes.len().checked_sub(before) {
                Some(at) => failed.at_statement(from + at),
                None => failed,
            });
        }
        outcomes.drain(..before.min(outcomes.len()));
        for (at, (outcome, statement)) in outcomes.iter().zip(list).enumerate() {
            expected(outcome, statement).map_err(|error| Failed::never(error.at_statement(from + at)))?;
        }
        Ok(outcomes)
    }

    /// Which of them the server cannot read.
    async fn blame(&mut self, failed: Failed, list: &[Statement], from: usize) -> Failed {
        let sent: Vec<Sent<'_>> = list.iter().map(Sent::Parse).collect();
        let Ok(answers) = self.ask(&sent, true).await else { return failed };
        let same = |told: Result<Answer, Failed>| told.is_err_and(|told| told.error.detail() == failed.error.detail());
        match answers.each.map(same).position(|same| same) {
            Some(at) => failed.at_statement(from + at),
            None => failed,
        }
    }

    /// Commits, and ends the stream.
    pub(super) async fn commit(mut self) -> Result<Option<u64>, Failed> {
        let commit = Statement::new("COMMIT", Vec::new());
        let mut answers = self.ask(&[Sent::Execute(&commit), Sent::Close], false).await.map_err(|failed| {
            match failed.error.kind() {
                // It said that there is no such stream: it had rolled back before.
                ErrorKind::Timeout => failed,
                _ => Failed { again: failed.again && failed.error.kind() == ErrorKind::Unavailable, ..failed },
            }
        })?;
        match answers.each.next() {
            Some(Ok(_)) => Ok(self.index),
            Some(Err(failed)) => Err(failed),
            None => Err(errors::lost("it answers nothing", false)),
        }
    }

    /// Rolls back, and ends the stream, without waiting for longer than it takes.
    pub(super) async fn end(mut self) {
        if self.baton.is_some() {
            let _ = self.ask(&[Sent::Close], true).await;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (Some(baton), Ok(runtime)) = (self.baton.take(), Handle::try_current()) else { return };
        let server = Arc::clone(&self.server);
        runtime.spawn(async move {
            let _ = server.ask(Some(&baton), &[Sent::Close], true).await;
        });
    }
}

/// Did it touch as many rows as it was told to expect?
pub(super) fn expected(outcome: &Outcome, statement: &Statement) -> Result<()> {
    use crate::sql::{Class, Dialect, classify};
    let reads = classify(&statement.sql, Dialect::Sqlite) == Class::Read;
    let touched = if reads { outcome.rows.len() as u64 } else { outcome.affected };
    match statement.expect {
        Some(expected) if expected != touched => {
            Err(Error::new(ErrorKind::Expectation, format!("expected {expected} rows, touched {touched}")))
        }
        _ => Ok(()),
    }
}
