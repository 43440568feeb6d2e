//! What passes in an HTTP/2 connection, as far as its pace depends on it: where frames begin, and which requests are not
//! whole. The frames themselves are h2's to judge (RFC 9113, section 4.1).

/// The connection preface of RFC 9113, section 3.4.
const PREFACE: usize = 24;
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// Requests with bodies that are kept in mind. h2 lets a client have fewer; one that has more is no longer counted.
const MOST: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes that pass before the next head.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
    /// Streams whose requests have begun and not ended.
    open: Vec<u32>,
    lost_count: bool,
    last: u32,
    requests: u64,
    /// The frame at hand is the last of its request.
    ends: bool,
    whole: u64,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            have: 0,
            open: Vec::new(),
            lost_count: false,
            last: 0,
            requests: 0,
            ends: false,
            whole: 0,
        }
    }

    /// These bytes passed.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                bytes = &bytes[passed..];
                self.note_end();
                continue;
            }
            let taken = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEAD {
                self.have = 0;
                self.frame();
                self.note_end();
            }
        }
    }

    /// Will the client send more without being answered first: the rest of a frame, or of a request?
    pub(super) fn awaits_more(&self) -> bool {
        self.skip > 0 || self.have > 0 || self.lost_count || !self.open.is_empty()
    }

    /// How many requests are whole.
    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// How many requests have begun.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// Counts the request that ends with a frame, once that has passed.
    fn note_end(&mut self) {
        if self.skip == 0 && self.ends {
            self.ends = false;
            self.whole += 1;
        }
    }

    fn frame(&mut self) {
        let [a, b, c, kind, flags, id @ ..] = self.head;
        self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let stream = u32::from_be_bytes(id) & (u32::MAX >> 1);
        let ends = matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
        self.ends = ends;
        match kind {
            HEADERS if stream > self.last => {
                self.last = stream;
                self.requests += 1;
                if !ends && self.open.len() < MOST {
                    self.open.push(stream);
                } else if !ends {
                    self.lost_count = true;
                }
            }
            _ if ends => self.open.retain(|open| *open != stream),
            RST_STREAM => self.open.retain(|open| *open != stream),
            _ => {}
        }
    }
}

/// A frame, as it is sent.
#[cfg(test)]
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_stream_ends() {
        let bytes = [
            vec![b'x'; PREFACE],
            frame(4, 0, 0, &[0; 12]),
            frame(HEADERS, 4, 1, b"head"),
            frame(DATA, 0, 1, b"some"),
            frame(DATA, END_STREAM, 1, b"more"),
            frame(HEADERS, 4 | END_STREAM, 3, b"head"),
            frame(HEADERS, 4, 5, b"head"),
            frame(HEADERS, 4 | END_STREAM, 5, b"trailers"),
            frame(HEADERS, 4, 7, b"head"),
            frame(RST_STREAM, 0, 7, &[0; 4]),
        ]
        .concat();
        // However it is cut.
        for cut in [1, 2, 7, 1000] {
            let mut frames = Frames::new();
            for piece in bytes.chunks(cut) {
                frames.feed(piece);
            }
            assert_eq!((frames.awaits_more(), frames.requests()), (false, 4), "{cut}");
            frames.feed(&frame(HEADERS, 4, 9, b"head"));
            assert!(frames.awaits_more());
            frames.feed(&frame(DATA, END_STREAM, 9, b"all")[..10]);
            assert!(frames.awaits_more());
        }
    }

    #[test]
    fn what_is_kept_in_mind_has_an_end() {
        let mut frames = Frames::new();
        frames.feed(&[0; PREFACE]);
        for stream in 0..1000 {
            frames.feed(&frame(HEADERS, 4, 2 * stream + 1, b""));
        }
        assert!(frames.open.len() == MOST && frames.awaits_more());
    }
}
