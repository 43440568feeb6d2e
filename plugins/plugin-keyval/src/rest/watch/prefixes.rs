//! Watches of prefixes: of what is below each, and of the entry that is at the prefix itself.

use std::collections::{HashSet, VecDeque};

use axum::response::Response;
use buntime_keyval::{
    Key, Namespace, Result as KvResult, Versionstamp,
    engine::{Changes, Place, Told, Watch, WatchFrom},
};
use futures_util::future::{OptionFuture, select_all};
use http::HeaderMap;

use super::{
    Watched, keys, paths,
    stream::{News, Polled, Source, Stream},
};
use crate::rest::{Refused, caller::Caller, events, sent::Asked, show};

/// Prefixes of one watch.
const MOST: usize = 100;

fn prefixes(asked: &Watched) -> Result<Vec<Key>, Refused> {
    let mut prefixes = paths("prefix", asked.prefix.as_deref())?;
    // Each once, in the order in which they were named first.
    let mut known = HashSet::new();
    prefixes.retain(|prefix| known.insert(prefix.clone()));
    if prefixes.is_empty() {
        // Of everything.
        prefixes.push(Key::default());
    }
    if prefixes.len() > MOST {
        let words = format!("Too many keys (max {MOST})");
        return Err(Refused::new(buntime_core::ErrorKind::PayloadTooLarge, words));
    }
    Ok(prefixes)
}

pub(super) async fn listen(
    caller: Caller,
    headers: HeaderMap,
    Asked(asked): Asked<Watched>,
) -> Result<Response, Refused> {
    let prefixes = prefixes(&asked)?;
    let last = asked.last(&headers).and_then(|id| From::read(&id, &prefixes));
    let known = last.is_some();
    let from = last.unwrap_or(if asked.initial == Some(false) { From::Now } else { From::Everything });
    // Before they are opened, since that reads and is looked at by every commit.
    let place = events::places(&caller.rest.face, prefixes.len())?;
    let source = Prefixes::open(&caller.kv, prefixes, from).await?;
    let (rest, most) = (caller.rest, asked.limit()?);
    Ok(events::response(Stream { source, rest, most, known, ready: VecDeque::new(), _place: place }))
}

pub(super) async fn poll(caller: Caller, Asked(asked): Asked<Watched>) -> Result<Response, Refused> {
    let prefixes = prefixes(&asked)?;
    let (most, wait) = (asked.limit()?, asked.wait()?);
    let last = asked.versionstamps.as_deref().and_then(|text| From::read(text, &prefixes));
    let known = last.is_some();
    let _place = events::places(&caller.rest.face, prefixes.len())?;
    let mut source = Prefixes::open(&caller.kv, prefixes, last.unwrap_or(From::Everything)).await?;
    let mut all = source.now(most).await?;
    all.reset &= known;
    if all.entries.is_empty() && known && !wait.is_zero() {
        let told = tokio::select! {
            told = tokio::time::timeout(wait, source.next()) => told.ok(),
            () = caller.rest.face.stopping.cancelled() => None,
        };
        all = told.transpose()?.unwrap_or_default();
    }
    Ok(show::answer(Polled::new(&all, source.place())))
}

/// Where a watch begins.
enum From {
    Now,
    Everything,
    /// Where another was: of each prefix, and of each entry that is at one.
    Places(Vec<Place>, Vec<Option<Versionstamp>>),
}

impl From {
    /// What [`Prefixes::place`] wrote for as many prefixes; `None` if it is anything else.
    fn read(text: &str, prefixes: &[Key]) -> Option<Self> {
        let (places, told) = text.split_once('|')?;
        let places = places.split('.').map(|place| place.parse().ok()).collect::<Option<Vec<Place>>>()?;
        let own = own_keys(prefixes).len();
        let told = if own == 0 { Vec::new() } else { keys::read(told, own)? };
        (places.len() == prefixes.len()).then_some(Self::Places(places, told))
    }
}

/// The prefixes that are keys of entries themselves: all but that of everything.
fn own_keys(prefixes: &[Key]) -> Vec<Key> {
    prefixes.iter().filter(|prefix| !prefix.is_empty()).cloned().collect()
}

struct Prefixes {
    below: Vec<Changes>,
    /// Of the entries at the prefixes.
    own: Option<Watch>,
    /// Has nothing been told of them yet?
    fresh: bool,
}

impl Prefixes {
    async fn open(kv: &Namespace, prefixes: Vec<Key>, from: From) -> Result<Self, Refused> {
        let keys = own_keys(&prefixes);
        let mut own = if keys.is_empty() { None } else { Some(kv.watch(keys.clone())?) };
        let fresh = matches!(from, From::Everything);
        let (places, told) = match from {
            From::Everything => (vec![WatchFrom::Everything; prefixes.len()], None),
            From::Now => {
                let found = kv.get_many(&keys).await?;
                let told = found.iter().map(|entry| entry.as_ref().map(|entry| entry.versionstamp)).collect();
                (vec![WatchFrom::Now; prefixes.len()], Some(told))
            }
            From::Places(places, told) => (places.into_iter().map(WatchFrom::Place).collect(), Some(told)),
        };
        if let (Some(own), Some(told)) = (&mut own, told) {
            own.resume(told);
        }
        let mut below = Vec::with_capacity(prefixes.len());
        for (prefix, from) in prefixes.into_iter().zip(places) {
            below.push(kv.watch_below(prefix, from).await?);
        }
        Ok(Self { below, own, fresh })
    }

    /// What is to be told now, without waiting for anything to change: so many entries, or little more.
    async fn now(&mut self, most: usize) -> KvResult<News> {
        let own = match &mut self.own {
            Some(own) => own.look().await?,
            None => None,
        };
        let mut all = own.map(|told| self.of_own(told)).unwrap_or_default();
        for changes in &mut self.below {
            while changes.pending() && all.entries.len() < most {
                let told = changes.next().await?;
                all.reset |= told.reset;
                all.entries.extend(told.entries);
            }
        }
        Ok(all)
    }

    fn of_own(&mut self, told: Vec<(bool, Option<buntime_keyval::Entry>)>) -> News {
        let first = std::mem::take(&mut self.fresh);
        let keys = self.own.as_ref().map(|own| own.keys().to_vec()).unwrap_or_default();
        // That there is none is news only where there was one.
        let changed = |(_, (changed, entry)): &(Key, (bool, Option<_>))| *changed && (!first || entry.is_some());
        let entries = keys.into_iter().zip(told).filter(changed).map(|(key, (_, entry))| (key, entry)).collect();
        News { entries, reset: false }
    }
}

impl std::convert::From<Told> for News {
    fn from(told: Told) -> Self {
        Self { entries: told.entries, reset: told.reset }
    }
}

impl Source for Prefixes {
    async fn next(&mut self) -> KvResult<News> {
        let own: OptionFuture<_> = self.own.as_mut().map(Watch::next).into();
        let below = select_all(self.below.iter_mut().map(|changes| Box::pin(changes.next())));
        let told = tokio::select! {
            Some(told) = own => told?,
            (told, ..) = below => return told.map(News::from),
        };
        Ok(self.of_own(told))
    }

    fn place(&self) -> String {
        let below: Vec<String> = self.below.iter().map(|changes| changes.place().to_string()).collect();
        let own = self.own.as_ref().map_or_else(String::new, |own| keys::write(own.told()));
        format!("{}|{own}", below.join("."))
    }
}
