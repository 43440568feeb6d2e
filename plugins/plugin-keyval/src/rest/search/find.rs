//! Searching.

use axum::response::Response;
use buntime_keyval::{Entry, Hit, Key, Search, filter::Filter, rest::HitJson};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    ops::Op,
    rest::{
        Refused,
        asked::{bound, flag, key_path, limit, limit_up_to, prefix, text},
        caller::Caller,
        list::filter,
        sent::{Asked, Sent},
        show,
    },
};

/// Hits that may be passed over.
const MOST_OFFSET: u32 = 10_000;
/// There may be more, since the index is still being built.
const BUILDING: HeaderName = HeaderName::from_static("x-building");
/// There is more that matches than is ranked.
const TRUNCATED: HeaderName = HeaderName::from_static("x-truncated");

/// In a query; keys are paths.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InQuery {
    prefix: Option<String>,
    query: Option<String>,
    start: Option<String>,
    end: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
    reverse: Option<String>,
    highlight: Option<String>,
    snippets: Option<String>,
}

/// In a body; the original's server reads `options`, its client sends what is in them beside the query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InBody {
    prefix: Option<Json>,
    query: Option<Json>,
    options: Option<Options>,
    start: Option<Json>,
    end: Option<Json>,
    limit: Option<Json>,
    offset: Option<Json>,
    reverse: Option<bool>,
    highlight: Option<bool>,
    snippets: Option<bool>,
    #[serde(rename = "where")]
    filter: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    start: Option<Json>,
    end: Option<Json>,
    limit: Option<Json>,
    offset: Option<Json>,
    reverse: Option<bool>,
    highlight: Option<bool>,
    snippets: Option<bool>,
    #[serde(rename = "where")]
    filter: Option<Json>,
}

/// What is searched for, and what of it is wanted.
struct Wanted {
    search: Search,
    marked: Marked,
    /// Not before, and before.
    start: Option<Key>,
    end: Option<Key>,
    filter: Option<Filter>,
    /// The worst of them first.
    reverse: bool,
}

impl Wanted {
    fn keeps(&self, entry: &Entry) -> bool {
        self.start.as_ref().is_none_or(|start| entry.key >= *start)
            && self.end.as_ref().is_none_or(|end| entry.key < *end)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(&entry.value))
    }
}

/// How what was found is marked.
#[derive(Clone, Copy, Debug)]
struct Marked {
    /// As HTML, by field.
    html: bool,
    /// In pieces, for programs.
    pieces: bool,
}

fn search_of(
    below: Key,
    query: Option<String>,
    wanted: u32,
    offset: Option<&Json>,
    marked: Marked,
) -> Result<Search, Refused> {
    let query = query.ok_or_else(|| Refused::malformed("query is required"))?;
    // None is a number too.
    let offset = match offset {
        Some(json) if *json != 0 && *json != "0" => limit_up_to(Some(json), 0, MOST_OFFSET)?,
        _ => 0,
    };
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let highlight = marked.html || marked.pieces;
    Ok(Search { limit: number(wanted), offset: number(offset), highlight, ..Search::new(below, query) })
}

impl InQuery {
    fn read(self) -> Result<Wanted, Refused> {
        let path = |path: Option<String>| path.as_deref().map(key_path).transpose();
        let below = path(self.prefix)?.ok_or_else(|| Refused::malformed("prefix is required"))?;
        let limit = limit(text(self.limit.as_deref()).as_ref())?;
        let offset = text(self.offset.as_deref());
        let html = flag("highlight", self.highlight.as_deref())?;
        let marked = Marked { html, pieces: flag("snippets", self.snippets.as_deref())? };
        Ok(Wanted {
            search: search_of(below, self.query, limit, offset.as_ref(), marked)?,
            marked,
            start: path(self.start)?.filter(|key| !key.is_empty()),
            end: path(self.end)?.filter(|key| !key.is_empty()),
            filter: None,
            reverse: flag("reverse", self.reverse.as_deref())?,
        })
    }
}

impl InBody {
    fn read(self, now: u64) -> Result<Wanted, Refused> {
        // What is in the options counts before what is beside them.
        let inner = self.options.unwrap_or_default();
        let below =
            self.prefix.filter(|json| !json.is_null()).ok_or_else(|| Refused::malformed("prefix is required"))?;
        let below = prefix(&below)?;
        let query = match self.query {
            Some(Json::String(query)) => Some(query),
            None | Some(Json::Null) => None,
            Some(_) => return Err(Refused::malformed("query must be a text")),
        };
        let limit = limit(inner.limit.or(self.limit).as_ref())?;
        let offset = inner.offset.or(self.offset);
        let html = inner.highlight.or(self.highlight).unwrap_or_default();
        let marked = Marked { html, pieces: inner.snippets.or(self.snippets).unwrap_or_default() };
        Ok(Wanted {
            search: search_of(below, query, limit, offset.as_ref(), marked)?,
            marked,
            start: bound(inner.start.or(self.start).as_ref())?,
            end: bound(inner.end.or(self.end).as_ref())?,
            filter: filter(inner.filter.or(self.filter).as_ref(), now)?,
            reverse: inner.reverse.or(self.reverse).unwrap_or_default(),
        })
    }
}

pub(super) async fn search(caller: Caller, Asked(asked): Asked<InQuery>) -> Result<Response, Refused> {
    found(&caller, asked.read()?).await
}

pub(super) async fn search_by(caller: Caller, Sent(asked): Sent<InBody>) -> Result<Response, Refused> {
    found(&caller, asked.read(caller.now())?).await
}

async fn found(caller: &Caller, wanted: Wanted) -> Result<Response, Refused> {
    let keep = |entry: &Entry| wanted.keeps(entry);
    let found = caller.time(Op::Search, caller.kv.search(&wanted.search, &keep)).await?;
    let mut hits: Vec<_> = found.hits.iter().map(|hit| shown(hit, wanted.marked)).collect();
    if wanted.reverse {
        hits.reverse();
    }
    let mut response = show::answer(hits);
    for (name, there) in [(BUILDING, found.building), (TRUNCATED, found.truncated)] {
        if there {
            response.headers_mut().insert(name, HeaderValue::from_static("true"));
        }
    }
    Ok(response)
}

/// An entry with its score, and with its snippets as they are wanted.
fn shown(hit: &Hit, marked: Marked) -> HitJson<'_> {
    let mut shown = HitJson::new(hit);
    if marked.html {
        shown = shown.with_highlights();
    }
    if marked.pieces {
        shown = shown.with_snippets();
    }
    shown
}
