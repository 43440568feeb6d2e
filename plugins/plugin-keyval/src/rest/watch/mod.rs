//! Watches: of keys, and of prefixes with all that is below them; as streams of events, and by polling.
//!
//! What a client has been told it may say when it comes back (`Last-Event-ID`, `versionstamps`), and is told what is
//! different from that. It is opaque to clients.

mod keys;
mod prefixes;
mod stream;

use std::time::Duration;

use axum::{Router, routing::get};
use http::HeaderMap;
use serde::Deserialize;

use super::{
    Refused, Rest,
    asked::{duration, key_path, limit_up_to, text},
};
use buntime_keyval::Key;

/// Entries of one event, if nobody says how many.
const SOME: u32 = 100;
const MOST: u32 = 1000;
/// The longest that a poll waits, in milliseconds.
const LONGEST_WAIT: u64 = 60_000;

pub(super) fn router(at: &str) -> Router<Rest> {
    let at = |path: &str| format!("{at}{path}");
    Router::new()
        .route(&at("/watch"), get(keys::listen))
        .route(&at("/watch/poll"), get(keys::poll))
        .route(&at("/watch/prefix"), get(prefixes::listen))
        .route(&at("/watch/prefix/poll"), get(prefixes::poll))
}

/// What is watched, and how.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Watched {
    keys: Option<String>,
    // The original's client says the one, its server wants the other.
    #[serde(alias = "prefixes")]
    prefix: Option<String>,
    initial: Option<bool>,
    limit: Option<String>,
    versionstamps: Option<String>,
    wait: Option<String>,
    last_event_id: Option<String>,
}

impl Watched {
    /// Entries of one event or answer.
    fn limit(&self) -> Result<usize, Refused> {
        let limit = limit_up_to(text(self.limit.as_deref()).as_ref(), SOME, MOST)?;
        Ok(usize::try_from(limit).unwrap_or(1))
    }

    fn wait(&self) -> Result<Duration, Refused> {
        let wait = duration("wait", text(self.wait.as_deref()).as_ref())?.unwrap_or_default();
        Ok(Duration::from_millis(wait.min(LONGEST_WAIT)))
    }

    /// What the client was told last: browsers say it in a header, and cannot say it in one when they begin.
    fn last(&self, headers: &HeaderMap) -> Option<String> {
        let header = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        header.or_else(|| self.last_event_id.clone()).filter(|id| !id.is_empty())
    }
}

/// Keys in a query: paths between commas, which a part has as `%2C`.
fn paths(named: &str, paths: Option<&str>) -> Result<Vec<Key>, Refused> {
    let Some(paths) = paths else {
        return Err(Refused::malformed(format!("Missing '{named}' query parameter")));
    };
    paths.split(',').map(str::trim).filter(|path| !path.is_empty()).map(key_path).collect()
}
