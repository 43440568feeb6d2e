//! Deleting: a key with all that is below it, unless it says `exact`; all or what a filter picks.

use std::sync::Arc;

use axum::{extract::Request, response::Response};
use buntime_core::ErrorKind;
use buntime_keyval::{Atomic, Key, Namespace, Range, Versionstamp, engine::Committed, filter::Filter};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    Refused,
    asked::keys,
    caller::{Caller, PathKey},
    list::filter,
    preconditions::Preconditions,
    scan::Walk,
    sent::{Asked, Sent, object, whole},
    show,
};
use crate::ops::Op;

/// Entries of one commit.
const MOST: u32 = 10_000;

/// What of a key is deleted.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct How {
    #[serde(default)]
    exact: Option<bool>,
    #[serde(default, rename = "where")]
    filter: Option<Json>,
}

/// Several keys, and what of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Several {
    #[serde(default)]
    keys: Json,
    #[serde(default)]
    exact: Option<bool>,
    #[serde(default, rename = "where")]
    filter: Option<Json>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InQuery {
    exact: Option<bool>,
}

pub(super) async fn key(
    caller: Caller,
    PathKey(key): PathKey,
    Asked(asked): Asked<InQuery>,
    preconditions: Preconditions,
    request: Request,
) -> Result<Response, Refused> {
    let body = whole(request).await?;
    // A body that cannot be read is not none: it might have said that less is meant.
    let how: How = if body.is_empty() { How::default() } else { object(&body)? };
    let exact = how.exact.or(asked.exact).unwrap_or_default();
    let filter = picked(how.filter.as_ref(), caller.now())?;
    let deleting = async {
        match filter {
            _ if !preconditions.is_empty() && (!exact || filter.is_some()) => {
                Err(Refused::malformed("If-Match and If-None-Match go with ?exact=true and without a filter"))
            }
            None if !preconditions.is_empty() => checked(&caller.kv, key, &preconditions).await,
            None => all(&caller.kv, range(&key, exact)).await,
            Some(filter) => matching(&caller.kv, range(&key, exact), filter).await,
        }
    };
    let count = caller.ops().time(Op::Delete, deleting).await?;
    Ok(show::answer(json!({ "deletedCount": count })))
}

/// All in one commit, or nothing.
pub(super) async fn batch(caller: Caller, Sent(asked): Sent<Several>) -> Result<Response, Refused> {
    let keys = keys(&asked.keys)?;
    let filter = picked(asked.filter.as_ref(), caller.now())?;
    let ranges: Vec<Range> = keys.iter().map(|key| range(key, asked.exact.unwrap_or_default())).collect();
    let deleting = async {
        let Some(filter) = filter else { return Ok(caller.kv.erase_all(ranges, MOST).await?) };
        let mut seen = Vec::new();
        for range in ranges {
            let mut walk = Walk::new(range);
            while find(&caller.kv, &mut walk, &filter, &mut seen).await? {
                if seen.len() > MOST as usize {
                    let words = format!("Too many entries (max {MOST}): delete them in parts");
                    return Err(Refused::new(ErrorKind::PayloadTooLarge, words));
                }
            }
        }
        Ok(caller.kv.erase_if(seen, Arc::new(filter)).await?)
    };
    let count = caller.ops().time(Op::Delete, deleting).await?;
    Ok(show::answer(json!({ "deletedCount": count })))
}

/// A filter of what is deleted. An empty one may be a mistake, and would not be undone.
fn picked(json: Option<&Json>, now: u64) -> Result<Option<Filter>, Refused> {
    let read = filter(json, now)?;
    match json {
        Some(Json::Object(_)) if read.is_none() => {
            Err(Refused::malformed("The filter says nothing; leave `where` out to delete everything"))
        }
        _ => Ok(read),
    }
}

/// A key, and what is below it.
fn range(key: &Key, exact: bool) -> Range {
    if exact {
        return Range::of_key(key);
    }
    // No part begins with that byte.
    let end = [key.as_bytes(), &[0xff]].concat();
    Range { start: key.as_bytes().into(), end: end.into(), limit: u32::MAX, reverse: false }
}

/// Everything, in one commit, or several if it is very much.
async fn all(kv: &Namespace, range: Range) -> Result<u64, Refused> {
    let mut count = 0;
    loop {
        let erased = kv.erase(vec![range.clone()], MOST).await?;
        count += erased.count;
        if !erased.more {
            return Ok(count);
        }
    }
}

/// What a filter picks, so many to a commit.
async fn matching(kv: &Namespace, range: Range, filter: Filter) -> Result<u64, Refused> {
    let (mut walk, mut seen, mut count) = (Walk::new(range), Vec::new(), 0);
    let judge = Arc::new(filter);
    while find(kv, &mut walk, &judge, &mut seen).await? {
        if seen.len() >= MOST as usize {
            count += kv.erase_if(std::mem::take(&mut seen), judge.clone()).await?;
        }
    }
    Ok(count + kv.erase_if(seen, judge).await?)
}

/// One step further: those that the filter picks are seen. `false`: that was all.
async fn find(
    kv: &Namespace,
    walk: &mut Walk,
    filter: &Filter,
    seen: &mut Vec<(Key, Versionstamp)>,
) -> Result<bool, Refused> {
    let step = walk.next(kv).await?;
    let more = !step.is_empty();
    let meant = step.into_iter().filter(|entry| filter.matches(&entry.value));
    seen.extend(meant.map(|entry| (entry.key, entry.versionstamp)));
    Ok(more)
}

/// One entry, if it is the one that is meant.
async fn checked(kv: &Namespace, key: Key, asked: &Preconditions) -> Result<u64, Refused> {
    loop {
        let there = kv.get(&key).await?.map(|entry| entry.versionstamp);
        if !asked.hold(there) {
            return Err(Preconditions::failed());
        }
        if there.is_none() {
            return Ok(0);
        }
        // Who changed it meanwhile made the precondition fail, or it is looked at again.
        let write = Atomic::new().check(key.clone(), there).delete(key.clone());
        if let Committed::Yes(_) = kv.commit(write).await? {
            return Ok(1);
        }
    }
}
