//! Lists that read on by themselves.

use std::collections::VecDeque;

use futures_util::{Stream, stream};

use super::Store;
use crate::{Entry, Result, Selector};

/// Entries of one page, if nobody says.
const BATCH: u32 = 100;

/// A list: what is to be listed, and how. Each page is of one moment; pages are of later and later moments.
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `stream` is"]
pub struct List {
    store: Store,
    selector: Selector,
    cursor: Option<String>,
    limit: Option<u64>,
    batch: u32,
    reverse: bool,
}

impl List {
    pub(super) fn new(store: Store, selector: Selector) -> Self {
        Self { store, selector, cursor: None, limit: None, batch: BATCH, reverse: false }
    }

    /// At most so many entries.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// From the last to the first.
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// So many entries are read at once, 1 to 500. Default 100.
    pub fn batch(mut self, batch: u32) -> Self {
        self.batch = batch.clamp(1, 500);
        self
    }

    /// Goes on behind the entry whose [`cursor`](crate::cursor) that is.
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// The entries. An error is the last item.
    pub fn stream(self) -> impl Stream<Item = Result<Entry>> + Send + use<> {
        stream::try_unfold(Reading { list: self, ready: VecDeque::new(), ended: false }, |mut reading| async {
            Ok(reading.next().await?.map(|entry| (entry, reading)))
        })
    }
}

#[derive(Debug)]
struct Reading {
    list: List,
    ready: VecDeque<Entry>,
    /// Nothing follows what is ready.
    ended: bool,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Entry>> {
        if self.ready.is_empty() && !self.ended {
            self.page().await?;
        }
        Ok(self.ready.pop_front())
    }

    async fn page(&mut self) -> Result<()> {
        let List { store, selector, cursor, limit, batch, reverse } = &mut self.list;
        let most = limit.map_or(*batch, |limit| u32::try_from(limit).unwrap_or(u32::MAX).min(*batch));
        if most == 0 {
            self.ended = true;
            return Ok(());
        }
        let range = selector.range(cursor.as_deref(), most, *reverse)?;
        let page = store.snapshot(&[range]).await?.pop().unwrap_or_default();
        let read = u32::try_from(page.len()).unwrap_or(u32::MAX);
        if let Some(limit) = limit {
            *limit = limit.saturating_sub(read.into());
        }
        self.ended = read < most || *limit == Some(0);
        *cursor = page.last().map(|last| crate::cursor(&last.key));
        self.ready = page.into();
        Ok(())
    }
}
