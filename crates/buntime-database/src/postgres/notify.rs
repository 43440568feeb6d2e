//! `LISTEN` and `NOTIFY`: a connection of its own for each listener, made again whenever it is lost.
//!
//! Channels are of a schema: tenants do not hear each other.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::mpsc, task::AbortHandle, time::timeout};

use super::{calls::Calls, connect::Connection, errors};
use crate::{Error, ErrorKind, Heard, Notifications, Result, Statement, args};

/// Notifications that wait for the listener before the server's wait.
const WAITING: usize = 1024;
/// How often a connection on which nothing is heard is asked whether it is still there: one that was cut says nothing.
const ASK: Duration = Duration::from_secs(10);
/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// The pauses before a lost connection is made again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// The tasks of listeners, which end with the adapter.
#[derive(Debug, Default)]
pub(super) struct Listeners(Mutex<Vec<AbortHandle>>);

impl Listeners {
    pub(super) fn start(&self, calls: &Arc<Calls>, channel: &str) -> Notifications {
        let (sender, heard) = mpsc::channel(WAITING);
        let task = calls.home().spawn(run(Arc::downgrade(calls), channel.to_owned(), sender)).abort_handle();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|task| !task.is_finished());
        all.push(task.clone());
        Notifications::new(heard, task)
    }

    pub(super) fn close(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.iter().for_each(AbortHandle::abort);
    }
}

/// The statement that says something when its transaction is committed.
pub(super) fn statement(channel: &str, payload: &str) -> Statement {
    // Its result is nothing, which is no type of a column.
    let sql = "SELECT CAST(pg_notify('buntime_' || md5(CAST(current_schema() AS TEXT) || '.' || CAST(?1 AS TEXT)), \
               CAST(?2 AS TEXT)) AS TEXT)";
    Statement::new(sql, args![channel, payload])
}

async fn run(calls: Weak<Calls>, channel: String, heard: mpsc::Sender<Heard>) {
    let mut pause = PAUSES.0;
    loop {
        let Some(strong) = calls.upgrade() else { return };
        let connected = connect(&strong, &channel).await;
        drop(strong);
        match connected {
            Ok((on, said)) => {
                pause = PAUSES.0;
                if heard.send(Heard::Listening).await.is_err() || !pass_on(&on, said, &heard).await {
                    return;
                }
                tracing::debug!(channel, "a connection that listens to PostgreSQL was lost; it is made again");
            }
            Err(error) => tracing::debug!(%error, channel, "PostgreSQL cannot be listened to; it is tried again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn connect(calls: &Calls, channel: &str) -> Result<(Connection, mpsc::Receiver<String>)> {
    let (told, said) = mpsc::channel(WAITING);
    let on = calls.connect_listening(told).await?;
    // A name in LISTEN cannot be bound; this one is letters and digits.
    let name = "SELECT 'buntime_' || md5(CAST(current_schema() AS TEXT) || '.' || $1::text)";
    let row = on.client.query_one(name, &[&channel]).await.map_err(|error| errors::running(&error, true).error)?;
    let name: String = row.try_get(0).map_err(|error| Error::new(ErrorKind::Column, error.to_string()))?;
    let listen = on.client.batch_execute(&format!("LISTEN {name}")).await;
    listen.map_err(|error| errors::running(&error, true).error)?;
    Ok((on, said))
}

/// Until the connection is lost (`true`) or nobody listens any more.
async fn pass_on(on: &Connection, mut said: mpsc::Receiver<String>, heard: &mpsc::Sender<Heard>) -> bool {
    loop {
        match timeout(ASK, said.recv()).await {
            Ok(None) => return true,
            Ok(Some(text)) => {
                if heard.send(Heard::Said(text)).await.is_err() {
                    return false;
                }
            }
            Err(_) => {
                if !matches!(timeout(ANSWER, on.client.batch_execute("")).await, Ok(Ok(()))) {
                    return true;
                }
            }
        }
    }
}
