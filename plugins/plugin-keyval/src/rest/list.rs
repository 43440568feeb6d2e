//! Many keys, read: lists, pages, counts, batches.

use axum::response::Response;
use buntime_keyval::{
    Range,
    filter::Filter,
    rest::{EntryJson, PageJson},
};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    Refused,
    asked::{bound, flag, key_path, keys, limit, prefix_or_all, text},
    caller::Caller,
    scan::{Page, Selection, Walk},
    sent::{Asked, Sent},
    show,
};
use crate::ops::Op;

/// Where a list that is a bare array goes on.
const CURSOR: HeaderName = HeaderName::from_static("x-cursor");

/// A selection in a query; keys are paths.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InQuery {
    prefix: Option<String>,
    start: Option<String>,
    end: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
    reverse: Option<String>,
}

/// A selection in a body; keys are lists of their parts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InBody {
    prefix: Option<Json>,
    start: Option<Json>,
    end: Option<Json>,
    cursor: Option<String>,
    limit: Option<Json>,
    reverse: Option<bool>,
    #[serde(rename = "where")]
    filter: Option<Json>,
}

impl InQuery {
    fn read(self) -> Result<(Selection, u32), Refused> {
        let path = |path: Option<String>| path.as_deref().map(key_path).transpose();
        let reverse = flag("reverse", self.reverse.as_deref())?;
        let selection = Selection {
            prefix: path(self.prefix)?.unwrap_or_default(),
            start: path(self.start)?.filter(|key| !key.is_empty()),
            end: path(self.end)?.filter(|key| !key.is_empty()),
            cursor: self.cursor,
            reverse,
            filter: None,
        };
        Ok((selection, limit(text(self.limit.as_deref()).as_ref())?))
    }
}

impl InBody {
    fn read(self, now: u64) -> Result<(Selection, u32), Refused> {
        let selection = Selection {
            prefix: prefix_or_all(self.prefix.as_ref())?,
            start: bound(self.start.as_ref())?,
            end: bound(self.end.as_ref())?,
            cursor: self.cursor,
            reverse: self.reverse.unwrap_or_default(),
            filter: filter(self.filter.as_ref(), now)?,
        };
        Ok((selection, limit(self.limit.as_ref())?))
    }
}

/// A filter, or none.
pub(super) fn filter(json: Option<&Json>, now: u64) -> Result<Option<Filter>, Refused> {
    let Some(json) = json.filter(|json| !json.is_null()) else { return Ok(None) };
    let filter = Filter::parse(json, now)?;
    Ok((!filter.is_empty()).then_some(filter))
}

pub(super) async fn list(caller: Caller, Asked(asked): Asked<InQuery>) -> Result<Response, Refused> {
    let (selection, limit) = asked.read()?;
    listed(&caller, selection, limit).await
}

pub(super) async fn list_by(caller: Caller, Sent(asked): Sent<InBody>) -> Result<Response, Refused> {
    let (selection, limit) = asked.read(caller.now())?;
    listed(&caller, selection, limit).await
}

async fn listed(caller: &Caller, selection: Selection, limit: u32) -> Result<Response, Refused> {
    let page = caller.ops().time(Op::List, selection.first(&caller.kv, limit)).await?;
    let mut response = show::answer(page.entries.iter().map(EntryJson::new).collect::<Vec<_>>());
    if let Some(cursor) = page.cursor.and_then(|cursor| HeaderValue::try_from(cursor).ok()) {
        response.headers_mut().insert(CURSOR, cursor);
    }
    Ok(response)
}

pub(super) async fn paginate(caller: Caller, Asked(asked): Asked<InQuery>) -> Result<Response, Refused> {
    let (selection, limit) = asked.read()?;
    paged(&caller, &selection, limit).await
}

pub(super) async fn paginate_by(caller: Caller, Sent(asked): Sent<InBody>) -> Result<Response, Refused> {
    let (selection, limit) = asked.read(caller.now())?;
    paged(&caller, &selection, limit).await
}

async fn paged(caller: &Caller, selection: &Selection, limit: u32) -> Result<Response, Refused> {
    let Page { entries, cursor } = caller.ops().time(Op::Paginate, selection.page(&caller.kv, limit)).await?;
    Ok(show::answer(PageJson::new(&entries, cursor.as_deref())))
}

pub(super) async fn count(caller: Caller, Asked(asked): Asked<InQuery>) -> Result<Response, Refused> {
    counted(&caller, asked.read()?.0).await
}

pub(super) async fn count_by(caller: Caller, Sent(asked): Sent<InBody>) -> Result<Response, Refused> {
    let (selection, _) = asked.read(caller.now())?;
    counted(&caller, selection).await
}

async fn counted(caller: &Caller, selection: Selection) -> Result<Response, Refused> {
    let range = selection.range()?;
    let counting = async {
        match &selection.filter {
            None => Ok(caller.kv.count(&range).await?),
            Some(filter) => count_matches(caller, range, filter).await,
        }
    };
    let count = caller.ops().time(Op::Count, counting).await?;
    Ok(show::answer(json!({ "count": count })))
}

async fn count_matches(caller: &Caller, range: Range, filter: &Filter) -> Result<u64, Refused> {
    let (mut walk, mut count) = (Walk::new(range), 0);
    loop {
        let step = walk.next(&caller.kv).await?;
        if step.is_empty() {
            return Ok(count);
        }
        count += step.iter().filter(|entry| filter.matches(&entry.value)).count() as u64;
    }
}

/// Several keys.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Several {
    #[serde(default)]
    keys: Json,
}

pub(super) async fn batch(caller: Caller, Sent(asked): Sent<Several>) -> Result<Response, Refused> {
    let keys = keys(&asked.keys)?;
    let found = caller.time(Op::Get, caller.kv.get_many(&keys)).await?;
    let entries = keys.iter().zip(&found).map(|(key, found)| EntryJson::at(key, found.as_ref()));
    Ok(show::answer(entries.collect::<Vec<_>>()))
}
