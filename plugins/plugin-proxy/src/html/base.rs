//! Puts a tag behind the first `<head …>`, wherever the pieces of a page begin and end.

use std::sync::Arc;

/// Longer names are no names that matter here.
const LONGEST: usize = 8;

/// The state of one page.
pub(super) struct BaseTag {
    tag: Arc<[u8]>,
    state: State,
    /// The name of the tag that is being read, in lower case.
    name: [u8; LONGEST],
    length: usize,
}

enum State {
    Text,
    /// After `<`, within a name.
    Name,
    /// After `<!`, with as many `-` so far.
    Markup(u8),
    /// In a comment, after as many `-` as matter.
    Comment(u8),
    /// In a declaration such as a doctype, up to `>`.
    Declaration,
    /// Behind a name, up to `>`; within quotes or not.
    Tag {
        head: bool,
        quote: Option<u8>,
        value: bool,
    },
    /// The tag is in, or there will be none.
    Done,
}

impl BaseTag {
    pub(super) fn new(tag: Arc<[u8]>) -> Self {
        Self { tag, state: State::Text, name: [0; LONGEST], length: 0 }
    }

    /// Takes a piece and appends what becomes of it: nothing is held back.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for (index, &byte) in piece.iter().enumerate() {
            if self.step(byte) {
                out.extend_from_slice(&piece[..=index]);
                out.extend_from_slice(&self.tag);
                out.extend_from_slice(&piece[index + 1..]);
                return;
            }
            if matches!(self.state, State::Done) {
                break;
            }
        }
        out.extend_from_slice(piece);
    }

    /// Looks at one byte. True: the tag belongs behind it.
    fn step(&mut self, byte: u8) -> bool {
        let mut put = false;
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Done => State::Done,
            State::Text if byte == b'<' => {
                self.length = 0;
                State::Name
            }
            State::Text => State::Text,
            State::Name => self.name(byte, &mut put),
            State::Markup(dashes) => match (byte, dashes) {
                (b'-', 0) => State::Markup(1),
                // `<!-->` and `<!--->` are whole comments.
                (b'-', _) => State::Comment(2),
                (b'>', _) => State::Text,
                _ => State::Declaration,
            },
            State::Comment(dashes) => match byte {
                b'-' => State::Comment(2.min(dashes + 1)),
                b'>' if dashes == 2 => State::Text,
                _ => State::Comment(0),
            },
            State::Declaration if byte == b'>' => State::Text,
            State::Declaration => State::Declaration,
            State::Tag { head, quote, value } => match (quote, byte) {
                (Some(open), byte) => State::Tag { head, quote: Some(open).filter(|open| *open != byte), value: false },
                (None, b'>') => {
                    put = head;
                    if head { State::Done } else { State::Text }
                }
                // A quote opens a value; elsewhere it is part of a name.
                (None, b'"' | b'\'') if value => State::Tag { head, quote: Some(byte), value: false },
                (None, byte) => {
                    let value = byte == b'=' || (value && byte.is_ascii_whitespace());
                    State::Tag { head, quote: None, value }
                }
            },
        };
        put
    }

    fn name(&mut self, byte: u8, put: &mut bool) -> State {
        match byte {
            b'!' | b'?' if self.length == 0 => {
                if byte == b'!' {
                    State::Markup(0)
                } else {
                    State::Declaration
                }
            }
            b'<' if self.length == 0 => State::Name,
            b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r' | 0x0c if self.length > 0 => {
                let name = &self.name[..self.length.min(LONGEST)];
                let head = name == b"head";
                if !head && ends_search(name) {
                    return State::Done;
                }
                if byte == b'>' {
                    *put = head;
                    return if head { State::Done } else { State::Text };
                }
                State::Tag { head, quote: None, value: false }
            }
            // An end tag has its name behind the slash; it is none of those that matter.
            b'/' => State::Declaration,
            byte if self.length > 0 || byte.is_ascii_alphabetic() => {
                if let Some(place) = self.name.get_mut(self.length) {
                    *place = byte.to_ascii_lowercase();
                }
                // Past its end a name is only known to be too long.
                self.length = (self.length + 1).min(LONGEST + 1);
                State::Name
            }
            _ => State::Text,
        }
    }
}

/// What stands only behind the head, or holds text that looks like tags.
fn ends_search(name: &[u8]) -> bool {
    [&b"body"[..], b"frameset", b"script", b"style", b"title", b"textarea"].contains(&name)
}
