//! The bytes of the ring's access lines, in segments: the last is open and written to, the others are sealed and
//! shared with who reads them. The oldest are let go as a whole, and the room of one is used again.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    line::{Line, set_time},
    redact::Redactor,
};

/// The least and the most that a segment has room for, in bytes.
const LEAST: usize = 4 << 10;
const MOST: usize = 64 << 10;
/// The part of the ring's memory that one segment takes.
const PART: usize = 32;

/// Lines that were written under the same settings.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    bytes: Vec<u8>,
    redactor: Arc<Redactor>,
}

/// Where a line is. Only its segments know it, and only until it was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// Segments are numbered as they are opened, and the numbers begin again after the last.
    segment: u32,
    offset: u32,
}

#[derive(Debug)]
pub(crate) struct Segments {
    sealed: VecDeque<Counted>,
    open: Segment,
    /// How many lines of the open one are in the ring.
    lines: usize,
    /// The number of the first.
    first: u32,
    room: usize,
    spare: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Counted {
    segment: Arc<Segment>,
    lines: usize,
}

/// Some of the segments, as they were when they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    segments: Vec<Arc<Segment>>,
    first: u32,
}

impl Segment {
    fn new(bytes: Vec<u8>, redactor: Arc<Redactor>) -> Self {
        Self { bytes, redactor }
    }

    fn line(&self, at: At) -> Option<Line<'_>> {
        Line::decode(self.bytes.get(at.offset as usize..)?)
    }
}

impl Segments {
    /// For a ring that may take that many bytes.
    pub(crate) fn new(max_bytes: usize) -> Self {
        let open = Segment::new(Vec::new(), Arc::default());
        let room = room(max_bytes);
        Self { sealed: VecDeque::new(), open, lines: 0, first: 0, room, spare: None }
    }

    pub(crate) fn limit(&mut self, max_bytes: usize) {
        (self.room, self.spare) = (room(max_bytes), None);
    }

    /// Keeps a compact line that happened then, and who redacts it.
    pub(crate) fn push(&mut self, line: &[u8], time: u64, redactor: &Arc<Redactor>) -> At {
        let full = self.open.bytes.len() + line.len() > self.room;
        if full || !Arc::ptr_eq(redactor, &self.open.redactor) {
            self.seal(redactor);
        }
        // A segment is never as long as 4 GB.
        let (number, offset) = (self.first.wrapping_add(self.sealed.len() as u32), self.open.bytes.len());
        self.open.bytes.extend_from_slice(line);
        set_time(&mut self.open.bytes[offset..], time);
        self.lines += 1;
        At { segment: number, offset: offset as u32 }
    }

    fn seal(&mut self, redactor: &Arc<Redactor>) {
        if self.open.bytes.is_empty() {
            self.open.redactor = redactor.clone();
            return;
        }
        let bytes = self.spare.take().unwrap_or_else(|| Vec::with_capacity(self.room));
        let segment = Arc::new(std::mem::replace(&mut self.open, Segment::new(bytes, redactor.clone())));
        self.sealed.push_back(Counted { segment, lines: std::mem::take(&mut self.lines) });
        self.let_go();
    }

    /// Says that the oldest line is in the ring no more.
    pub(crate) fn forget_oldest(&mut self) {
        match self.sealed.front_mut() {
            Some(oldest) => oldest.lines = oldest.lines.saturating_sub(1),
            None => self.lines = self.lines.saturating_sub(1),
        }
        self.let_go();
    }

    /// Lets go of the first segments, as long as none of their lines is in the ring.
    fn let_go(&mut self) {
        while let Some(oldest) = self.sealed.pop_front_if(|oldest| oldest.lines == 0) {
            self.first = self.first.wrapping_add(1);
            // Unless somebody reads it.
            if let Some(mut segment) = Arc::into_inner(oldest.segment)
                && segment.bytes.capacity() <= 2 * self.room
            {
                segment.bytes.clear();
                self.spare = Some(segment.bytes);
            }
        }
        if self.sealed.is_empty() && self.lines == 0 {
            self.open.bytes.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.first = self.first.wrapping_add(self.sealed.len() as u32);
        self.sealed.clear();
        self.open.bytes.clear();
        self.lines = 0;
    }

    /// When that line happened, in nanoseconds since 1970.
    pub(crate) fn time(&self, at: At) -> Option<u64> {
        let index = at.segment.wrapping_sub(self.first) as usize;
        let segment = self.sealed.get(index).map_or(&self.open, |counted| &counted.segment);
        Some(segment.line(at)?.time)
    }

    /// From the segment of one line to that of a later one. Only the open one is copied.
    pub(crate) fn show(&self, from: At, to: At) -> Shown {
        let index = |at: At| at.segment.wrapping_sub(self.first) as usize;
        let count = index(to).saturating_sub(index(from)) + 1;
        let sealed = self.sealed.iter().skip(index(from)).take(count).map(|counted| counted.segment.clone());
        let mut segments: Vec<Arc<Segment>> = sealed.collect();
        if index(to) >= self.sealed.len() {
            segments.push(Arc::new(self.open.clone()));
        }
        Shown { segments, first: from.segment }
    }
}

impl Shown {
    /// None of them.
    pub(crate) fn none() -> Self {
        Self { segments: Vec::new(), first: 0 }
    }

    /// A line, and the redactor that was in force when it was written.
    pub(crate) fn line(&self, at: At) -> Option<(Line<'_>, &Arc<Redactor>)> {
        let segment = self.segments.get(at.segment.wrapping_sub(self.first) as usize)?;
        Some((segment.line(at)?, &segment.redactor))
    }
}

fn room(max_bytes: usize) -> usize {
    (max_bytes / PART).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::tests::line;

    struct Fixture {
        segments: Segments,
        redactor: Arc<Redactor>,
        compact: Vec<u8>,
    }

    impl Fixture {
        fn new() -> Self {
            let mut compact = Vec::new();
            line(0, 200, "/users").encode(&mut compact);
            Self { segments: Segments::new(0), redactor: Arc::default(), compact }
        }

        fn fill(&mut self, times: std::ops::Range<u64>) -> Vec<At> {
            times.map(|time| self.segments.push(&self.compact, time, &self.redactor)).collect()
        }

        fn per_segment(&self) -> u64 {
            (LEAST / self.compact.len()) as u64
        }
    }

    #[test]
    fn lines_are_found_until_they_are_forgotten() {
        let mut fixture = Fixture::new();
        let many = 5 * fixture.per_segment();
        let places = fixture.fill(0..many);
        for (time, at) in (0..).zip(&places) {
            assert_eq!(fixture.segments.time(*at), Some(time));
        }
        let shown = fixture.segments.show(places[0], places[places.len() - 1]);
        for _ in &places {
            fixture.segments.forget_oldest();
        }
        assert_eq!((fixture.segments.sealed.len(), fixture.segments.open.bytes.len()), (0, 0));
        for (time, at) in (0..).zip(&places) {
            assert_eq!(shown.line(*at).unwrap().0.time, time, "what was shown stays");
        }
    }

    #[test]
    fn room_is_used_again_and_numbers_may_wrap() {
        let mut fixture = Fixture::new();
        fixture.segments.first = u32::MAX - 1;
        let per_segment = fixture.per_segment();
        let mut places: VecDeque<At> = fixture.fill(0..per_segment).into();
        for time in per_segment..10 * per_segment {
            places.extend(fixture.fill(time..time + 1));
            places.pop_front();
            fixture.segments.forget_oldest();
            assert_eq!(fixture.segments.time(places[0]), Some(time + 1 - per_segment));
            let shown = fixture.segments.show(places[0], places[places.len() - 1]);
            assert_eq!(shown.line(places[places.len() - 1]).unwrap().0.time, time);
            assert!(fixture.segments.sealed.len() <= 2);
        }
    }

    #[test]
    fn each_segment_has_one_redactor() {
        let mut fixture = Fixture::new();
        let first = fixture.fill(0..2);
        let before = std::mem::replace(&mut fixture.redactor, Arc::new(Redactor::new(["x"])));
        let second = fixture.fill(2..4);
        let shown = fixture.segments.show(first[0], second[1]);
        assert!(Arc::ptr_eq(shown.line(first[1]).unwrap().1, &before));
        assert!(Arc::ptr_eq(shown.line(second[0]).unwrap().1, &fixture.redactor));
    }
}
