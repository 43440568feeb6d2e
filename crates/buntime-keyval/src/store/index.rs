//! Indexes and search. A remote store needs the REST face for them. What they promise is in `INDEXES.md`.

use std::time::Duration;

use super::{Store, either};
use crate::{ByIndex, Hits, Index, IndexInfo, Page, Result, Search};

/// Indexes: declared on a prefix and kept by every write, for searching, sorting and counting.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use buntime_keyval::{ByIndex, Edge, Error, Index, IndexState, Search, Selector, Store, key};
/// # use buntime_keyval::{Atomic, Engine, Options, json::value_from_json};
/// # use buntime_database::sqlite::{Options as File, Sqlite};
/// # use serde_json::json;
/// # let engine = Engine::open(std::sync::Arc::new(Sqlite::open(File::memory()).await?), Options::default()).await?;
///
/// let store = Store::in_engine(&engine).await?;
/// # let post = value_from_json(&json!({ "title": "Red wines", "year": 2026 }), None)?;
/// # store.write(Atomic::new().set(key!["posts", 1], post)).await?;
/// let index = store.declare(Index::search(key!["posts"], ["title"])).await?;
/// let built = store.built(index.id, Duration::from_secs(60)).await?;
/// assert!(built.is_some_and(|index| index.state == IndexState::Ready));
/// let found = store.search(&Search { highlight: true, ..Search::new(key!["posts"], "red") }).await?;
/// assert_eq!(found.hits[0].snippets[0].html(), "<mark>Red</mark> wines");
///
/// store.declare(Index::sorted(key!["posts"], ["year"]).unique()).await?;
/// let from = Some(Edge { value: 2020.into(), included: true });
/// let since = ByIndex { prefix: key!["posts"], name: "year".into(), from, limit: 10, ..ByIndex::default() };
/// assert_eq!(store.by_index(&since).await?.entries[0].key, key!["posts", 1]);
/// # let same = value_from_json(&json!({ "year": 2026 }), None)?;
/// let another = store.write(Atomic::new().set(key!["posts", 2], same)).await;
/// assert!(matches!(another, Err(Error::Unique(_))));
///
/// store.declare(Index::count(key!["posts"])).await?;
/// assert_eq!(store.count(&Selector::prefix(key!["posts"])).await?, 1);
/// # engine.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
impl Store {
    /// Declares an index, and puts into it what is there: a first part before this returns, all the rest behind it. What
    /// was declared at its place (the prefix, the kind, and the name) and differs from it is removed; one that is the same
    /// stays as it is.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) and [`Error::Invalid`](crate::Error::Invalid) for what cannot be declared,
    /// [`Error::Refused`](crate::Error::Refused) for one too many; as [`Store::commit`].
    pub async fn declare(&self, index: Index) -> Result<IndexInfo> {
        either!(self, it => it.declare(index).await, it.declare(&index).await)
    }

    /// What is declared, in the order of prefixes.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn indexes(&self) -> Result<Vec<IndexInfo>> {
        either!(self, it => it.indexes().await, it.indexes().await)
    }

    /// Waits until an index is not being built any more, at most so long; how it is then. `None`: there is none.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn built(&self, id: i64, most: Duration) -> Result<Option<IndexInfo>> {
        either!(self, it => it.built(id, most).await, it.built(id, most).await)
    }

    /// Removes an index; was it there? It is no more when this returns; what it took is given back afterwards.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn undeclare(&self, id: i64) -> Result<bool> {
        either!(self, it => it.undeclare(id).await, it.undeclare(id).await)
    }

    /// The entries in whose texts that is, ranked. What has expired is not among them, and nothing else that matches is
    /// left out, unless the answer says so.
    ///
    /// # Errors
    /// [`Error::NoIndex`](crate::Error::NoIndex); [`Error::Query`](crate::Error::Query) for what cannot be understood;
    /// as [`Store::get`].
    pub async fn search(&self, search: &Search) -> Result<Hits> {
        either!(self, it => it.search(search, &|_| true).await, it.search(search, None).await)
    }

    /// The same of the entries whose values a filter means, as [`Filter::parse`](crate::filter::Filter::parse) reads it.
    ///
    /// # Errors
    /// As [`Store::search`], and [`Error::Invalid`](crate::Error::Invalid) for what is no filter.
    #[cfg(feature = "json")]
    pub async fn search_where(&self, search: &Search, filter: &serde_json::Value) -> Result<Hits> {
        either!(
            self,
            it => {
                let filter = crate::filter::Filter::parse(filter, it.engine().clock().now())?;
                it.search(search, &|entry| filter.matches(&entry.value)).await
            },
            it.search(search, Some(filter)).await
        )
    }

    /// The entries that a sorted index selects, in its order and then in that of their keys. An entry with a list there is
    /// listed for each element that is selected.
    ///
    /// # Errors
    /// [`Error::NoIndex`](crate::Error::NoIndex), [`Error::Building`](crate::Error::Building) while it is being built,
    /// [`Error::Invalid`](crate::Error::Invalid) for what makes no sense,
    /// [`Error::InvalidCursor`](crate::Error::InvalidCursor); as [`Store::get`].
    pub async fn by_index(&self, selected: &ByIndex) -> Result<Page> {
        either!(self, it => it.by_index(selected).await, it.by_index(selected).await)
    }
}
