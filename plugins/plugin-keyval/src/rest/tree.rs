//! Keys as a tree, page by page.

use axum::response::Response;
use buntime_keyval::{
    Key,
    engine::Child,
    json::{key_to_json, key_to_path},
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    Refused,
    asked::{key_path, limit, text},
    caller::Caller,
    sent::Asked,
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
