//! Keys as a tree, page by page, and which namespaces there are.

use axum::{extract::Path, response::Response};
use buntime_keyval::{
    Key, Limits,
    engine::{Child, NamespaceInfo, Quota},
    json::{key_to_json, key_to_path},
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    Refused, Rest,
    asked::{key_path, limit, text},
    caller::Caller,
    sent::{Asked, Sent},
    show,
};
use crate::ops::Op;

/// Below what, and where to go on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Below {
    prefix: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

/// What stands directly below a prefix.
pub(super) async fn children(caller: Caller, Asked(asked): Asked<Below>) -> Result<Response, Refused> {
    let prefix = asked.prefix.as_deref().map(key_path).transpose()?.unwrap_or_default();
    let after = asked.after.as_deref().map(key_path).transpose()?.filter(|key| !key.is_empty());
    let most = limit(text(asked.limit.as_deref()).as_ref())? as usize;
    let mut children = caller.time(Op::List, caller.kv.children(&prefix, after.as_ref(), most + 1)).await?;
    let has_more = children.len() > most;
    children.truncate(most);
    let shown: Vec<Json> = children.iter().map(shown).collect();
    let go_on = children.last().filter(|_| has_more).map(|last| key_to_path(&last.key));
    Ok(show::answer(json!({ "prefix": named(&prefix), "children": shown, "after": go_on })))
}

fn shown(child: &Child) -> Json {
    let mut shown = named(&child.key);
    shown["isEntry"] = child.is_entry.into();
    shown["isPrefix"] = child.is_prefix.into();
    shown
}

fn named(key: &Key) -> Json {
    json!({ "key": key_to_json(key), "path": key_to_path(key) })
}

/// All namespaces.
pub(super) async fn namespaces(rest: axum::extract::State<Rest>) -> Result<Response, Refused> {
    let all = rest.face.engine.namespaces().await?;
    Ok(show::answer(json!({ "namespaces": all.iter().map(quota_of).collect::<Json>() })))
}

fn quota_of(NamespaceInfo { name, quota }: &NamespaceInfo) -> Json {
    let quota = quota.clone().unwrap_or_default();
    json!({ "name": name, "maxEntries": quota.entries, "maxBytes": quota.bytes })
}

/// What a namespace may hold from now on; `null` and nothing are without a limit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct May {
    max_entries: Option<u64>,
    max_bytes: Option<u64>,
}

/// Makes a namespace if need be, and says what it may hold.
pub(super) async fn set_quota(
    rest: axum::extract::State<Rest>,
    Path(name): Path<String>,
    Sent(may): Sent<May>,
) -> Result<Response, Refused> {
    let quota = Quota { entries: may.max_entries, bytes: may.max_bytes };
    let kv = rest.face.engine.namespace(&name, Limits::DENO).await?;
    kv.set_quota(quota.clone()).await?;
    Ok(show::answer(quota_of(&NamespaceInfo { name, quota: Some(quota) })))
}
