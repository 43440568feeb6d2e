//! The last requests: rings of lines of a fixed size, one for each shard of threads, so that remembering one allocates
//! nothing and waits for nobody.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use buntime_core::stats::{SHARDS, shard};

/// How much of each text is remembered: method, path, request id, route, consumer.
const SIZES: [usize; TEXTS] = [16, 240, 128, 80, 48];
const TEXTS: usize = 5;
/// All texts of one line.
const WIDTH: usize = 512;

const _: () = {
    let mut sum = 0;
    let mut at = 0;
    while at < TEXTS {
        sum += SIZES[at];
        at += 1;
    }
    assert!(sum == WIDTH);
};

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'t> {
    /// When it ended, in nanoseconds since 1970.
    pub(crate) ended: u64,
    /// Until its answer's head.
    pub(crate) micros: u64,
    pub(crate) status: u16,
    pub(crate) ip: IpAddr,
    pub(crate) method: &'t str,
    pub(crate) path: &'t str,
    pub(crate) request_id: &'t str,
    /// Empty where there is none.
    pub(crate) route: &'t str,
    /// Empty where there is none.
    pub(crate) consumer: &'t str,
}

/// The same, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ended: u64,
    pub(crate) micros: u64,
    pub(crate) status: u16,
    pub(crate) ip: IpAddr,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) request_id: String,
    pub(crate) route: String,
    pub(crate) consumer: String,
}

/// See the module.
pub(crate) struct Ring {
    shards: [OnceLock<Mutex<Shard>>; SHARDS],
    most: usize,
}

struct Shard {
    slots: Vec<Slot>,
    /// [`WIDTH`] bytes for each slot. Its pages are taken as they are written.
    texts: Vec<u8>,
    /// The slot that is written next once all are.
    next: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    ended: u64,
    micros: u64,
    status: u16,
    ip: IpAddr,
    lengths: [u8; TEXTS],
}

impl Ring {
    /// An empty one for `most` requests.
    pub(crate) fn new(most: usize) -> Self {
        Self { shards: Default::default(), most }
    }

    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().filter_map(|shard| Some(shard.get()?.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Remembers one.
    pub(crate) fn push(&self, line: &Line<'_>) {
        let shard = self.shards[shard()].get_or_init(|| Mutex::new(Shard::new(self.most)));
        shard.lock().unwrap_or_else(PoisonError::into_inner).push(line, self.most);
    }

    /// Those that pass, the newest first, at most so many.
    pub(crate) fn list(&self, most: usize, passes: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        // Each shard has its own last ones, so together they have the last of all.
        let mut found: Vec<Seen> = Vec::new();
        for shard in self.all() {
            found.extend((0..shard.slots.len()).map(|at| shard.read(at)));
        }
        found.sort_by_key(|seen| std::cmp::Reverse(seen.ended));
        found.truncate(self.most);
        found.retain(passes);
        found.truncate(most);
        found
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.all().map(|shard| shard.slots.len()).sum::<usize>().min(self.most)
    }

    /// Forgets them; says how many.
    pub(crate) fn clear(&self) -> usize {
        let count = |mut shard: MutexGuard<'_, Shard>| {
            shard.next = 0;
            let count = shard.slots.len();
            shard.slots.clear();
            count
        };
        self.all().map(count).sum::<usize>().min(self.most)
    }
}

impl Shard {
    fn new(most: usize) -> Self {
        Self { slots: Vec::with_capacity(most), texts: vec![0; most * WIDTH], next: 0 }
    }

    fn push(&mut self, line: &Line<'_>, most: usize) {
        let at = if self.slots.len() < most { self.slots.len() } else { self.next };
        self.next = (at + 1) % most;
        let mut slot =
            Slot { ended: line.ended, micros: line.micros, status: line.status, ip: line.ip, lengths: [0; TEXTS] };
        let mut from = at * WIDTH;
        let texts = [line.method, line.path, line.request_id, line.route, line.consumer];
        for ((text, size), length) in texts.into_iter().zip(SIZES).zip(&mut slot.lengths) {
            let text = &text[..text.floor_char_boundary(size)];
            self.texts[from..from + text.len()].copy_from_slice(text.as_bytes());
            // No size is more than 255.
            *length = u8::try_from(text.len()).unwrap_or(u8::MAX);
            from += size;
        }
        match self.slots.get_mut(at) {
            Some(old) => *old = slot,
            None => self.slots.push(slot),
        }
    }

    fn read(&self, at: usize) -> Seen {
        let slot = &self.slots[at];
        let mut from = at * WIDTH;
        let mut texts = SIZES.into_iter().zip(slot.lengths).map(|(size, length)| {
            let text = &self.texts[from..from + usize::from(length)];
            from += size;
            String::from_utf8_lossy(text).into_owned()
        });
        let mut next = || texts.next().unwrap_or_default();
        Seen {
            ended: slot.ended,
            micros: slot.micros,
            status: slot.status,
            ip: slot.ip,
            method: next(),
            path: next(),
            request_id: next(),
            route: next(),
            consumer: next(),
        }
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, path: &str) -> Line<'_> {
        Line {
            ended: number,
            micros: number * 10,
            status: 200,
            ip: IpAddr::from([192, 0, 2, 1]),
            method: "GET",
            path,
            request_id: "id",
            route: "service:users/all",
            consumer: "",
        }
    }

    #[test]
    fn the_last_are_remembered_whoever_wrote_them() {
        let ring = Ring::new(50);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let ring = &ring;
                scope.spawn(move || {
                    for number in 0..200 {
                        ring.push(&line(number * 4 + thread, "/x"));
                    }
                });
            }
        });
        let numbers: Vec<u64> = ring.list(1_000, |_| true).iter().map(|seen| seen.ended).collect();
        assert_eq!(numbers, (750..800).rev().collect::<Vec<_>>());
        assert_eq!(ring.list(3, |seen| seen.ended % 2 == 0).len(), 3);
        assert_eq!((ring.len(), ring.clear(), ring.len()), (50, 50, 0));
        ring.push(&line(1, "/y"));
        let kept = ring.list(10, |_| true);
        assert_eq!((kept.len(), &*kept[0].path, &*kept[0].route, kept[0].micros), (1, "/y", "service:users/all", 10));
    }

    #[test]
    fn what_is_long_is_cut_between_characters_and_nothing_is_allocated() {
        let ring = Ring::new(4);
        let long = format!("/{}", "é".repeat(300));
        let all = Line { method: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", consumer: "acme", ..line(1, &long) };
        ring.push(&all);
        let seen = &ring.list(1, |_| true)[0];
        assert_eq!((seen.path.len(), seen.method.len(), &*seen.consumer), (239, 16, "acme"));
        let measured = allocation_counter::measure(|| (0..100).for_each(|number| ring.push(&line(number, &long))));
        assert_eq!(measured.count_total, 0);
    }
}
