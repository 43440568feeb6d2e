//! The chunked transfer coding, followed byte by byte. Strict: CRLF only, plain hexadecimal sizes, short extensions,
//! trailers within limits.

use super::{
    WireLimits,
    head::{is_token, is_value},
};

/// Bytes of chunk extensions that a whole body may carry. Nobody uses them but to make servers busy.
const MAX_EXTENSIONS: usize = 4 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size { digits: u8 },
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
}

/// Where in a chunked body the connection is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    at: At,
    size: u64,
    extensions: usize,
    trailer_bytes: usize,
    trailers: usize,
}

/// What became of the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All of them belong to the body, and more is to come.
    More,
    /// The body ended with the byte before this index.
    Done(usize),
    /// The byte at this index cannot be.
    Broken(usize),
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { at: At::Size { digits: 0 }, size: 0, extensions: 0, trailer_bytes: 0, trailers: 0 }
    }

    /// Goes on with `bytes`.
    pub(super) fn advance(&mut self, bytes: &[u8], limits: &WireLimits) -> Step {
        let mut index = 0;
        while index < bytes.len() {
            if self.at == At::Data {
                let take = self.size.min((bytes.len() - index) as u64);
                self.size -= take;
                // At most what is left of a slice: fits.
                index += take as usize;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            match self.byte(bytes[index], limits) {
                Some(false) => index += 1,
                Some(true) => return Step::Done(index + 1),
                None => return Step::Broken(index),
            }
        }
        Step::More
    }

    /// One byte of framing. `Some(true)`: the last one. `None`: it cannot be here.
    fn byte(&mut self, byte: u8, limits: &WireLimits) -> Option<bool> {
        let next = match (self.at, byte) {
            (At::Size { digits }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = (byte as char).to_digit(16)?;
                self.size = self.size.checked_mul(16)?.checked_add(u64::from(digit))?;
                At::Size { digits: digits + 1 }
            }
            (At::Size { digits: 1.. } | At::Extension, b'\r') => At::SizeLf,
            (At::Size { digits: 1.. }, b';') => self.extension()?,
            (At::Extension, _) if is_value(byte) => self.extension()?,
            (At::SizeLf, b'\n') => {
                if self.size == 0 {
                    At::TrailerStart
                } else {
                    At::Data
                }
            }
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size { digits: 0 },
            (At::TrailerStart, b'\r') => At::EndLf,
            (At::TrailerStart, _) if is_token(byte) => {
                self.trailers += 1;
                if self.trailers > limits.max_headers {
                    return None;
                }
                self.trailer(At::TrailerName, limits)?
            }
            (At::TrailerName, b':') => self.trailer(At::TrailerValue, limits)?,
            (At::TrailerName, _) if is_token(byte) => self.trailer(At::TrailerName, limits)?,
            (At::TrailerValue, b'\r') => At::TrailerLf,
            (At::TrailerValue, _) if is_value(byte) => self.trailer(At::TrailerValue, limits)?,
            (At::TrailerLf, b'\n') => At::TrailerStart,
            (At::EndLf, b'\n') => return Some(true),
            _ => return None,
        };
        self.at = next;
        Some(false)
    }

    fn extension(&mut self) -> Option<At> {
        self.extensions += 1;
        (self.extensions <= MAX_EXTENSIONS).then_some(At::Extension)
    }

    fn trailer(&mut self, next: At, limits: &WireLimits) -> Option<At> {
        self.trailer_bytes += 1;
        (self.trailer_bytes <= limits.max_header_bytes).then_some(next)
    }
}
