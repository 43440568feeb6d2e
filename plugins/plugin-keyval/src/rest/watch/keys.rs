//! Watches of keys.

use std::collections::VecDeque;

use axum::response::Response;
use buntime_keyval::{Entry, Key, Result as KvResult, Versionstamp, engine::Watch};
use http::HeaderMap;

use super::{
    Watched, paths,
    stream::{News, Polled, Source, Stream},
};
use crate::rest::{Refused, caller::Caller, events, sent::Asked, show};

/// What stands for no entry in the place of a watch.
const NONE: &str = "-";

fn keys(asked: &Watched) -> Result<Vec<Key>, Refused> {
    let keys = paths("keys", asked.keys.as_deref())?;
    if keys.is_empty() {
        return Err(Refused::malformed("Missing 'keys' query parameter"));
    }
    Ok(keys)
}

pub(super) async fn listen(
    caller: Caller,
    headers: HeaderMap,
    Asked(asked): Asked<Watched>,
) -> Result<Response, Refused> {
    let keys = keys(&asked)?;
    let place = events::place(&caller.rest.face)?;
    let mut watch = caller.kv.watch(keys.clone())?;
    let last = asked.last(&headers).and_then(|id| read(&id, keys.len()));
    let known = last.is_some();
    if let Some(last) = last {
        watch.resume(last);
    } else if asked.initial == Some(false) {
        watch.resume(stamps(&caller.kv.get_many(&keys).await?));
    }
    let source = Keys { watch };
    Ok(events::response(Stream {
        source,
        rest: caller.rest,
        most: asked.limit()?,
        known,
        ready: VecDeque::new(),
        _place: place,
    }))
}

pub(super) async fn poll(caller: Caller, Asked(asked): Asked<Watched>) -> Result<Response, Refused> {
    let keys = keys(&asked)?;
    let mut watch = caller.kv.watch(keys.clone())?;
    // By position; what is empty or nobody's is of a key that had no entry.
    let seen = asked.versionstamps.as_ref().map(|list| {
        let mut seen: Vec<Option<Versionstamp>> = list.split(',').map(|stamp| stamp.trim().parse().ok()).collect();
        seen.resize(keys.len(), None);
        seen
    });
    let (first, seen) = (seen.is_none(), seen.unwrap_or_else(|| vec![None; keys.len()]));
    let mut found = caller.kv.get_many(&keys).await?;
    let wait = asked.wait()?;
    if !first && stamps(&found) == seen && !wait.is_zero() {
        watch.resume(seen.clone());
        let told = tokio::select! {
            told = tokio::time::timeout(wait, watch.next()) => told.ok(),
            () = caller.rest.face.stopping.cancelled() => None,
        };
        if let Some(told) = told.transpose()? {
            found = told.into_iter().map(|(_, entry)| entry).collect();
        }
    }
    let now = stamps(&found);
    let each = keys.into_iter().zip(found).zip(now.iter().zip(&seen));
    let changed = each.filter(|(_, (now, seen))| now != seen).map(|(entry, _)| entry).collect();
    let stamp = |stamp: &Option<Versionstamp>| stamp.map_or_else(String::new, |stamp| stamp.to_string());
    let versionstamps: Vec<String> = now.iter().map(stamp).collect();
    Ok(show::answer(Polled::new(&News { entries: changed, reset: false }, versionstamps)))
}

fn stamps(found: &[Option<Entry>]) -> Vec<Option<Versionstamp>> {
    found.iter().map(|entry| entry.as_ref().map(|entry| entry.versionstamp)).collect()
}

/// What was told of each key, as a text.
pub(super) fn write(told: &[Option<Versionstamp>]) -> String {
    let stamp = |stamp: &Option<Versionstamp>| match stamp.and_then(|stamp| stamp.version()) {
        Some(version) => format!("{version:x}"),
        None => NONE.to_owned(),
    };
    told.iter().map(stamp).collect::<Vec<_>>().join(".")
}

/// The same of so many keys; `None` if it is nothing that was told of as many.
pub(super) fn read(text: &str, keys: usize) -> Option<Vec<Option<Versionstamp>>> {
    let stamp = |text: &str| match text {
        NONE => Some(None),
        digits => u64::from_str_radix(digits, 16).ok().map(|version| Some(Versionstamp::new(version))),
    };
    let told = text.split('.').map(stamp).collect::<Option<Vec<_>>>()?;
    (told.len() == keys).then_some(told)
}

struct Keys {
    watch: Watch,
}

impl Source for Keys {
    async fn next(&mut self) -> KvResult<News> {
        let told = self.watch.next().await?;
        let each = self.watch.keys().iter().zip(told);
        let changed = each.filter(|(_, (changed, _))| *changed).map(|(key, (_, entry))| (key.clone(), entry));
        Ok(News { entries: changed.collect(), reset: false })
    }

    fn place(&self) -> String {
        write(self.watch.told())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_comes_back() {
        for told in [vec![None], vec![Some(Versionstamp::new(0x1f)), None, Some(Versionstamp::new(1))]] {
            assert_eq!(read(&write(&told), told.len()), Some(told));
        }
        for wrong in ["", "x", "1.2", "-.-"] {
            assert_eq!(read(wrong, 1), None, "{wrong}");
        }
    }
}
