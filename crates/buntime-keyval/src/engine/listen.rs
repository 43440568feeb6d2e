//! Hearing of what other nodes commit.

use std::{sync::Arc, time::Duration};

use buntime_database::{Adapter, Heard, Notifications};

use super::{
    hub::{Hub, Nodes},
    news::News,
    row::unsigned,
    sweep::Ended,
};

/// How long a commit of this node may be under way before it is taken for another's.
const UNDER_WAY: Duration = Duration::from_millis(250);
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
            if !hub.is_watched() {
                continue;
            }
            let version = version(&*database).await;
            if version <= hub.last_heard() {
                continue;
            }
            // It may be this node's, and about to be told.
            tokio::time::sleep(UNDER_WAY).await;
            if version > hub.last_heard() {
                hub.missed_until(version);
            }
        }
    };
    tokio::select! {
        () = looks => {}
        () = ended.wait() => {}
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
    /// How nodes of that database hear of each other, and what they hear.
    pub(super) async fn of(
        database: &Arc<dyn Adapter>,
        poll: Duration,
    ) -> buntime_database::Result<(Self, Option<Notifications>)> {
        Ok(match database.notifications(super::hub::CHANNEL).await? {
            Some(notifications) => (Self::Notified(Arc::clone(database)), Some(notifications)),
            None if database.is_shared() => (Self::Polled(poll), None),
            None => (Self::One, None),
        })
    }
}
