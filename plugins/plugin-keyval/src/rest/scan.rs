//! Reading many entries: pages of a selection, and walks through all of it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use buntime_keyval::{Entry, Error, Key, Namespace, Range, Selector, cursor, filter::Filter};

use super::Refused;

/// Bytes that one step of a walk reads at most, or little more; a list that has as many ends there, too.
const STEP_BYTES: usize = 16 << 20;
/// Entries that are looked at for one page of those a filter picks; past that the page ends, and the next goes on.
const LOOKED_AT: usize = 100_000;

/// Which entries: below a prefix, from a start, before an end, behind a cursor, as a filter says.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) prefix: Key,
    pub(super) start: Option<Key>,
    pub(super) end: Option<Key>,
    pub(super) cursor: Option<String>,
    pub(super) reverse: bool,
    pub(super) filter: Option<Filter>,
}

/// Some of them.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// Where the next page begins; `None`: there is none.
    pub(super) cursor: Option<String>,
}

impl Selection {
    /// Its first and last bytes: all bounds hold, and where they leave nothing it is empty.
    pub(super) fn range(&self) -> Result<Range, Refused> {
        let (mut first, mut last) = Selector::prefix(self.prefix.clone()).bounds()?;
        if let Some(start) = &self.start {
            first = first.max(start.as_bytes().to_vec());
        }
        if let Some(end) = &self.end {
            last = last.min(end.as_bytes().to_vec());
        }
        if let Some(cursor) = self.cursor.as_ref().filter(|cursor| !cursor.is_empty()) {
            let mut seen =
                BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Refused::malformed("Cursor is not one of a list"))?;
            if seen < first || seen >= last {
                return Err(Refused::malformed("Cursor out of bounds"));
            }
            if self.reverse {
                last = seen;
            } else {
                seen.push(0);
                first = seen;
            }
        }
        last = last.max(first.clone());
        Ok(Range { start: first.into(), end: last.into(), limit: u32::MAX, reverse: self.reverse })
    }

    /// The next entries, at most so many, and fewer if they are large. Without a filter they are as of one moment.
    pub(super) async fn page(&self, kv: &Namespace, limit: u32) -> Result<Page, Refused> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let range = self.range()?;
        let Some(filter) = &self.filter else {
            return plain(kv, range, limit).await;
        };
        let mut walk = Walk::new(range);
        let (mut page, mut looked, mut bytes) = (Page::default(), 0, 0);
        loop {
            let step = walk.next(kv).await?;
            let Some(last) = step.last().map(|entry| cursor(&entry.key)) else { return Ok(page) };
            looked += step.len();
            for entry in step {
                if filter.matches(&entry.value) {
                    let here = cursor(&entry.key);
                    bytes += entry.value.size();
                    page.entries.push(entry);
                    if page.entries.len() == most || bytes >= STEP_BYTES {
                        page.cursor = Some(here);
                        return Ok(page);
                    }
                }
            }
            if looked >= LOOKED_AT {
                page.cursor = Some(last);
                return Ok(page);
            }
        }
    }

    /// The first of them, at most so many, however many have to be looked at, and fewer if they are large.
    pub(super) async fn first(mut self, kv: &Namespace, limit: u32) -> Result<Page, Refused> {
        let mut all = self.page(kv, limit).await?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        while let Some(on) = all.cursor.take_if(|_| all.entries.len() < most && size(&all.entries) < STEP_BYTES) {
            self.cursor = Some(on);
            let left = limit - u32::try_from(all.entries.len()).unwrap_or(limit);
            let next = self.page(kv, left).await?;
            all.entries.extend(next.entries);
            all.cursor = next.cursor;
        }
        Ok(all)
    }
}

/// A page of whatever is in a range, as of one moment: so many entries, or, if those are more than can be read at once, as
/// many as can be.
async fn plain(kv: &Namespace, range: Range, mut limit: u32) -> Result<Page, Refused> {
    loop {
        // One more shows whether there are more.
        let range = Range { limit: limit.saturating_add(1), ..range.clone() };
        let mut entries = match kv.snapshot(&[range]).await {
            Ok(mut found) => found.pop().unwrap_or_default(),
            Err(Error::TooBig) if limit > 1 => {
                limit /= 2;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = entries.len() > most;
        entries.truncate(most);
        let cursor = entries.last().filter(|_| more).map(|last| cursor(&last.key));
        return Ok(Page { entries, cursor });
    }
}

/// Bytes of their values.
fn size(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.value.size()).sum()
}

/// A way through a range, step by step. Each step sees one moment.
#[derive(Debug)]
pub(super) struct Walk {
    range: Option<Range>,
}

impl Walk {
    pub(super) fn new(range: Range) -> Self {
        Self { range: Some(range) }
    }

    /// The next entries; none: that was all.
    pub(super) async fn next(&mut self, kv: &Namespace) -> Result<Vec<Entry>, Refused> {
        let Some(range) = &mut self.range else { return Ok(Vec::new()) };
        let most = (STEP_BYTES / kv.limits().value.max(1)).clamp(16, 500);
        let limit = u32::try_from(most).unwrap_or(u32::MAX);
        let entries = kv.snapshot(&[Range { limit, ..range.clone() }]).await?.pop().unwrap_or_default();
        match entries.last() {
            Some(last) if entries.len() == most => {
                if range.reverse {
                    range.end = last.key.as_bytes().into();
                } else {
                    range.start = [last.key.as_bytes(), &[0]].concat().into();
                }
            }
            _ => self.range = None,
        }
        Ok(entries)
    }
}
