//! Atomic writes over the REST face: of what KV Connect has no words for.

use serde_json::Value as Json;

use super::{Remote, answer, exchange::Does, queue::now, rest::Asked};
use crate::{Atomic, Committed, Result, rest::atomic_to_json};

impl Remote {
    /// Writes, if every check holds, whatever is in it but functions.
    pub(super) async fn commit_by_rest(&self, write: &Atomic) -> Result<Committed> {
        let answer = self.0.rest(Asked::post("/atomic", atomic_to_json(write, now())?, Does::Writes)).await?;
        let committed = committed(&answer);
        committed.ok_or_else(|| answer::unreadable(Does::Writes))
    }
}

fn committed(answer: &Json) -> Option<Committed> {
    if answer.get("ok")?.as_bool()? {
        return Some(Committed::Yes(answer.get("versionstamp")?.as_str()?.parse().ok()?));
    }
    let failed = answer.get("failedChecks")?.as_array()?;
    Some(Committed::No(failed.iter().map(|at| usize::try_from(at.as_u64()?).ok()).collect::<Option<_>>()?))
}
