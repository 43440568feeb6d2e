//! Dead letters of a remote store.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;

use super::{
    Remote, answer,
    exchange::Does,
    rest::{Asked, all, flag, number, text},
};
use crate::{DeadLetter, Result, What, rest::dead_letter_from_json, within};

/// What a server calls a letter that is not there.
const NONE: &str = "no_dead_letter";

/// Dead letters, of servers with the REST face.
impl Remote {
    /// Dead letters of a queue, or of all, the newest first: at most `limit`, up to [`DeadLetter::MOST`], behind the first
    /// `offset`.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn dead_letters(&self, queue: Option<&str>, limit: u32, offset: u64) -> Result<Vec<DeadLetter>> {
        within(What::Entries, limit as usize, DeadLetter::MOST as usize)?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut path = format!("/queue/dlq?limit={limit}&offset={offset}");
        if let Some(queue) = queue {
            path = format!("{path}&queue={}", utf8_percent_encode(queue, NON_ALPHANUMERIC));
        }
        all(&self.0.rest(Asked::get(&path)).await?, dead_letter_from_json)
    }

    /// One dead letter.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        let Some(path) = path(id) else { return Ok(None) };
        let answer: Option<Json> = self.0.rest_unless(Asked::get(&path), NONE).await?;
        answer::read(answer.as_ref().map(dead_letter_from_json).transpose(), Does::Reads)
    }

    /// Puts a dead letter back into its queue; returns the new message's id. `None`: there is no such letter.
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn requeue(&self, id: &str) -> Result<Option<String>> {
        let Some(path) = path(id) else { return Ok(None) };
        let asked = format!("{path}/requeue");
        let answer = self.0.rest_unless(Asked::post(&asked, Json::Null, Does::Writes), NONE).await?;
        answer::read(answer.map(|answer| text(&answer, "id")).transpose(), Does::Writes)
    }

    /// Deletes a dead letter; was it there?
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn delete_dead_letter(&self, id: &str) -> Result<bool> {
        let Some(path) = path(id) else { return Ok(false) };
        flag(&self.0.rest(Asked::delete(&path)).await?, "deleted", Does::Writes)
    }

    /// Deletes the dead letters of a queue, or of all; how many were there?
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn purge_dead_letters(&self, queue: Option<&str>) -> Result<u64> {
        let path = match queue {
            Some(queue) => format!("/queue/dlq?queue={}", utf8_percent_encode(queue, NON_ALPHANUMERIC)),
            None => "/queue/dlq".to_owned(),
        };
        answer::read(number(&self.0.rest(Asked::delete(&path)).await?, "deletedCount"), Does::Writes)
    }
}

/// Where a letter is; `None`: nowhere, since no letter has such an id. What else might stand there could be taken for
/// another path on the way, such as that of all letters.
fn path(id: &str) -> Option<String> {
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| format!("/queue/dlq/{id}"))
}
