//! Turns `src="/x"` and `href='/x'` into `./x`, wherever the pieces of a page begin and end. `//host` stays.

/// The state of one page.
#[derive(Default)]
pub(super) struct RelativePaths {
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// As much of `src=` as that.
    Src(u8),
    /// As much of `href=` as that.
    Href(u8),
    /// Behind `=`.
    Equals,
    /// Behind the quote.
    Quote,
    /// Behind the quote's `/`, which is held back until it is known what follows.
    Slash,
}

impl RelativePaths {
    /// Takes a piece and appends what becomes of it. A `/` at its end may be held back.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut kept = 0;
        for (index, &byte) in piece.iter().enumerate() {
            match self.state {
                State::Slash => {
                    out.extend_from_slice(if byte == b'/' { b"/" } else { b"./" });
                    self.state = begin(byte);
                }
                State::Quote if byte == b'/' => {
                    out.extend_from_slice(&piece[kept..index]);
                    kept = index + 1;
                    self.state = State::Slash;
                }
                state => self.state = next(state, byte),
            }
        }
        out.extend_from_slice(piece.get(kept..).unwrap_or_default());
    }

    /// Appends what was held back.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.state) == State::Slash {
            out.extend_from_slice(b"./");
        }
    }
}

fn next(state: State, byte: u8) -> State {
    let lower = byte.to_ascii_lowercase();
    match state {
        State::Src(known) if b"src="[usize::from(known)] == lower => {
            if known == 3 {
                State::Equals
            } else {
                State::Src(known + 1)
            }
        }
        State::Href(known) if b"href="[usize::from(known)] == lower => {
            if known == 4 {
                State::Equals
            } else {
                State::Href(known + 1)
            }
        }
        State::Equals if matches!(byte, b'"' | b'\'') => State::Quote,
        _ => begin(lower),
    }
}

/// Neither word has its first letter in it again, so a word that breaks off begins anew with that byte or not at all.
fn begin(byte: u8) -> State {
    match byte.to_ascii_lowercase() {
        b's' => State::Src(1),
        b'h' => State::Href(1),
        _ => State::Text,
    }
}
