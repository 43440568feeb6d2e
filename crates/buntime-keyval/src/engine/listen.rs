//! Hearing of what other nodes commit.

use std::{sync::Arc, time::Duration};

use buntime_database::{Adapter, Error, ErrorKind, Heard, Next, Notifications, Outcome, Plan};
use tokio::time::timeout;

use super::{
    hub::{Hub, Nodes},
    news::News,
    row::unsigned,
    sweep::Ended,
};

/// How long a store that is opened waits until it hears. One that does not looks at everything when it does.
const OPENING: Duration = Duration::from_secs(5);
/// The pauses of a database that cannot be asked.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Hears notifications until the store ends.
pub(super) async fn notified(
    mut notifications: Notifications,
    database: Arc<dyn Adapter>,
    hub: Arc<Hub>,
    mut ended: Ended,
) {
    let hears = async {
        while let Some(heard) = notifications.next().await {
            match heard {
                Heard::Listening => catch_up(&*database, &hub).await,
                Heard::Said(text) => match News::decode(&text) {
                    Some(news) => hub.heard(&news),
                    // Of a node of another version. What it was is in the database.
                    None => catch_up(&*database, &hub).await,
                },
            }
        }
    };
    tokio::select! {
        () = hears => {}
        () = ended.wait() => {}
    }
}

/// Looks whether there are commits that were not heard, until the store ends.
pub(super) async fn polled(every: Duration, database: Arc<dyn Adapter>, hub: Arc<Hub>, mut ended: Ended) {
    let looks = async {
        loop {
            tokio::time::sleep(every).await;
            if hub.is_watched() {
                look(&*database, &hub).await;
            }
        }
    };
    tokio::select! {
        () = looks => {}
        () = ended.wait() => {}
    }
}

/// Are there commits that were not heard?
async fn look(database: &dyn Adapter, hub: &Hub) {
    let version = version(database).await;
    if version <= hub.last_heard() {
        return;
    }
    // It may be this node's, and about to be told: then it is when this had its turn. Should that fail, they look once
    // too often, which does no harm.
    let _ = database.planned(Arc::new(Turn)).await;
    if version > hub.last_heard() {
        hub.missed_until(version);
    }
}

/// Does nothing, in its turn: when it ends, what this process committed before it was asked for has been told.
#[derive(Debug)]
struct Turn;

impl Plan for Turn {
    fn next(&self, _: &[Outcome]) -> buntime_database::Result<Next> {
        Ok(Next::Abandon)
    }
}

/// Whatever was not heard up to now is looked at.
async fn catch_up(database: &dyn Adapter, hub: &Hub) {
    hub.missed_until(version(database).await);
}

/// The last commit, as soon as the database can be asked.
async fn version(database: &dyn Adapter) -> u64 {
    let mut pause = PAUSES.0;
    loop {
        let rows = database.query("SELECT version FROM kv_clock WHERE id = 1", Vec::new()).await;
        match rows.and_then(|rows| rows.first().map_or(Ok(0), |row| row.at(0))) {
            Ok(version) => return unsigned(version),
            Err(error) => tracing::debug!(%error, "the store cannot be asked for its last commit; it is asked again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

impl Nodes {
    /// How nodes of that database hear of each other, and what they hear. From when it returns they do, unless the server
    /// cannot be listened to.
    pub(super) async fn of(
        database: &Arc<dyn Adapter>,
        poll: Duration,
    ) -> buntime_database::Result<(Self, Option<Notifications>)> {
        Ok(match database.notifications(super::hub::CHANNEL).await? {
            Some(mut notifications) => {
                match timeout(OPENING, notifications.next()).await {
                    // The first there is to hear.
                    Ok(Some(Heard::Listening)) => {}
                    Ok(_) => return Err(Error::new(ErrorKind::Closed, "the database is closed")),
                    Err(_) => {
                        tracing::warn!("the database cannot be listened to; watches hear of nothing until it can");
                    }
                }
                (Self::Notified(Arc::clone(database)), Some(notifications))
            }
            None if database.is_shared() => (Self::Polled(poll), None),
            None => (Self::One, None),
        })
    }
}

#[cfg(test)]
mod tests;
