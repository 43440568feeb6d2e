//! Indexes of a remote store: declaring them, searching, listing by them.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};
use serde_json::{Value as Json, json};

use super::{
    Remote, answer,
    exchange::Does,
    rest::{Asked, all, flag, member, millis},
};
use crate::{
    ByIndex, Edge, Error, Hit, Hits, Index, IndexInfo, IndexState, Key, Page, Part, Result, Search, What,
    json::key_to_json,
    rest::{hit_from_json, index_info_from_json, index_to_json, page_from_json},
    within,
};

/// What a server calls an index that cannot be.
const FAILED: &str = "index_failed";
/// How long the server waits for an index at a time.
const WAIT: Duration = Duration::from_secs(20);
const BUILDING: HeaderName = HeaderName::from_static("x-building");
const TRUNCATED: HeaderName = HeaderName::from_static("x-truncated");

/// Indexes, of servers with the REST face.
impl Remote {
    /// Declares an index, and puts into it what is there: a first part before this returns, all the rest behind it. What
    /// was declared at its place (the prefix, the kind, and the name) and differs from it is removed; one that is the same
    /// stays as it is. Sent again when an answer was lost.
    ///
    /// # Errors
    /// [`Error::Limit`] and [`Error::Invalid`] for what cannot be declared; as [`Remote::commit`].
    pub async fn declare(&self, index: &Index) -> Result<IndexInfo> {
        // To declare the same twice is to do it once.
        let asked = Asked::post("/indexes", index_to_json(index), Does::Reads);
        if let Some(answer) = self.0.rest_unless(asked, FAILED).await? {
            return answer::read(index_info_from_json(member(&answer, "index")?), Does::Reads);
        }
        let there = self.indexes().await?.into_iter().find(|there| there.index == *index);
        there.ok_or_else(|| Error::NoIndex("The index was removed at the same time".into()))
    }

    /// What is declared, in the order of prefixes.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn indexes(&self) -> Result<Vec<IndexInfo>> {
        all(&self.0.rest(Asked::get("/indexes")).await?, index_info_from_json)
    }

    /// Removes an index; was it there?
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn undeclare(&self, id: i64) -> Result<bool> {
        let path = format!("/indexes?id={id}");
        flag(&self.0.rest(Asked::delete(&path)).await?, "removed", Does::Writes)
    }

    /// Waits until an index is not being built any more, at most so long; how it is then. `None`: there is none.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn built(&self, id: i64, most: Duration) -> Result<Option<IndexInfo>> {
        let begun = Instant::now();
        loop {
            let waits = most.saturating_sub(begun.elapsed()).min(WAIT);
            let path = format!("/indexes?id={id}&wait={}", millis(waits)?);
            let asked = Asked { waits, ..Asked::get(&path) };
            let info = all(&self.0.rest(asked).await?, index_info_from_json)?.pop();
            let builds = info.as_ref().is_some_and(|info| info.state == IndexState::Building);
            if !builds || begun.elapsed() >= most {
                return Ok(info);
            }
        }
    }

    /// The entries in whose texts that is, ranked, of those whose values the filter means; see `INDEXES.md`.
    ///
    /// # Errors
    /// [`Error::NoIndex`]; [`Error::Query`] and [`Error::Invalid`] for what cannot be understood; as [`Remote::get`].
    pub async fn search(&self, search: &Search, filter: Option<&Json>) -> Result<Hits> {
        search.check()?;
        let mut body = json!({
            "prefix": key_to_json(&search.prefix),
            "query": search.query,
            // None is no number of a request.
            "limit": search.limit.max(1),
            "offset": search.offset,
            "snippets": search.highlight,
        });
        if let Some(filter) = filter {
            body["where"] = filter.clone();
        }
        let answered = self.0.rest_with_headers(Asked::post("/search", body, Does::Reads)).await?;
        let mut hits: Vec<Hit> = all(&answered.json, hit_from_json)?;
        hits.truncate(search.limit);
        let says = |headers: &HeaderMap, name| headers.get(name).is_some_and(|value| value == "true");
        let (building, truncated) = (says(&answered.headers, BUILDING), says(&answered.headers, TRUNCATED));
        Ok(Hits { hits, building, truncated })
    }

    /// The entries that a sorted index selects, in its order and then in that of their keys.
    ///
    /// # Errors
    /// [`Error::NoIndex`], [`Error::Building`], [`Error::Invalid`] for what makes no sense, [`Error::InvalidCursor`]; as
    /// [`Remote::get`].
    pub async fn by_index(&self, selected: &ByIndex) -> Result<Page> {
        within(What::Entries, selected.limit as usize, ByIndex::MOST as usize)?;
        let mut body = json!({
            "prefix": key_to_json(&selected.prefix),
            "name": selected.name,
            "equals": key_to_json(&Key::new(&selected.equals)?),
            "reverse": selected.reverse,
            "limit": selected.limit.max(1),
            "cursor": selected.cursor,
        });
        let mut edge = |edge: &Option<Edge>, with: &str, without: &str| {
            if let Some(Edge { value, included }) = edge {
                body[if *included { with } else { without }] = part(value)?;
            }
            Ok::<_, Error>(())
        };
        edge(&selected.from, "gte", "gt")?;
        edge(&selected.to, "lte", "lt")?;
        let answer = self.0.rest(Asked::post("/indexes/list", body, Does::Reads)).await?;
        let page = answer::read(page_from_json(&answer), Does::Reads)?;
        Ok(if selected.limit == 0 { Page { entries: Vec::new(), cursor: None } } else { page })
    }
}

/// A value as a part of a key is written.
fn part(value: &Part) -> Result<Json> {
    let list = key_to_json(&Key::new(std::slice::from_ref(value))?);
    Ok(list.get(0).cloned().unwrap_or_default())
}
