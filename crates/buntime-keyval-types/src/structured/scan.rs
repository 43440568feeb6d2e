//! The pieces of what V8 writes: lengths, numbers and strings, each as it lies in the bytes where it can.

use std::{borrow::Cow, ops::RangeInclusive};

use num_bigint::{BigInt, Sign};

use super::Text;
use crate::{Error, Result};

/// The formats that are read. V8 changed in them only what is optional: 14 has flags of views, and 16 another order in
/// errors.
const FORMATS: RangeInclusive<u32> = 13..=16;

pub(super) fn bad(why: &'static str) -> Error {
    Error::InvalidValue(why.into())
}

/// A string, still in the bytes if they are ASCII or UTF-8.
pub(crate) enum Str<'a> {
    /// Whole characters.
    Utf8(Cow<'a, str>),
    /// With a lone surrogate at least.
    Utf16(Vec<u16>),
}

impl From<Str<'_>> for Text {
    fn from(text: Str<'_>) -> Self {
        match text {
            Str::Utf8(text) => Self::Utf8(text.into_owned()),
            Str::Utf16(units) => Self::Utf16(units),
        }
    }
}

/// A way through the bytes.
pub(crate) struct Scanner<'a> {
    rest: &'a [u8],
    version: u32,
}

impl<'a> Scanner<'a> {
    /// Behind the head, if it is of a format that is read.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        let mut scanner = Self { rest: bytes, version: 0 };
        if scanner.byte()? != 0xff {
            return Err(bad("it does not begin as V8's do"));
        }
        scanner.version = scanner.varint()?;
        if !FORMATS.contains(&scanner.version) {
            return Err(bad("its format is none of 13 to 16"));
        }
        Ok(scanner)
    }

    /// Is nothing left but padding?
    pub(crate) fn end(&self) -> Result<()> {
        // V8 itself does not mind what follows, but then it is not what V8 wrote.
        if self.rest.iter().any(|byte| *byte != 0) {
            return Err(bad("something follows it"));
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| bad("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or_else(|| bad("it ends too early"))?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(crate) fn varint(&mut self) -> Result<u32> {
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(number).map_err(|_| bad("a length is too large"));
            }
        }
        Err(bad("a length is too large"))
    }

    pub(crate) fn zigzag(&mut self) -> Result<i32> {
        self.varint().map(|number| (number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn double(&mut self) -> Result<f64> {
        let bytes = self.take(8)?;
        bytes.try_into().map(f64::from_le_bytes).map_err(|_| bad("it ends too early"))
    }

    pub(crate) fn big(&mut self) -> Result<BigInt> {
        let head = self.varint()?;
        let sign = if head & 1 == 1 { Sign::Minus } else { Sign::Plus };
        let digits = self.take((head >> 1) as usize)?;
        Ok(BigInt::from_bytes_le(sign, digits))
    }

    fn skip_padding(&mut self) {
        while let [0, rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    pub(crate) fn tag(&mut self) -> Result<u8> {
        self.skip_padding();
        self.byte()
    }

    /// Is this what comes next? Then it is behind.
    pub(crate) fn eat(&mut self, tag: u8) -> bool {
        self.skip_padding();
        match self.rest.split_first() {
            Some((first, rest)) if *first == tag => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn text(&mut self) -> Result<Str<'a>> {
        let tag = self.tag()?;
        self.text_of(tag)
    }

    pub(crate) fn text_of(&mut self, tag: u8) -> Result<Str<'a>> {
        let length = match tag {
            b'"' | b'c' | b'S' => self.varint()? as usize,
            _ => return Err(bad("a string was expected")),
        };
        let bytes = self.take(length)?;
        Ok(match tag {
            b'"' => Str::Utf8(latin1(bytes)),
            b'S' => Str::Utf8(str::from_utf8(bytes).map_err(|_| bad("a string is not UTF-8"))?.into()),
            _ if length % 2 == 1 => return Err(bad("a string ends within a character")),
            _ => {
                let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
                match Text::from_units(units) {
                    Text::Utf8(text) => Str::Utf8(text.into()),
                    Text::Utf16(units) => Str::Utf16(units),
                }
            }
        })
    }

    /// A property's.
    pub(crate) fn name(&mut self) -> Result<Str<'a>> {
        let index = match self.tag()? {
            b'I' => self.zigzag()?.into(),
            b'U' => self.varint()?.into(),
            b'N' => match self.double()? {
                index if index.fract() == 0.0 && index.abs() < 9e15 => index as i64,
                _ => return Err(bad("a property's name is a number that is no index")),
            },
            tag => return self.text_of(tag),
        };
        Ok(Str::Utf8(index.to_string().into()))
    }

    /// The length of a list whose elements follow, each of a byte at least.
    pub(crate) fn elements(&mut self) -> Result<u32> {
        let length = self.varint()?;
        if length as usize > self.rest.len() {
            return Err(bad("it ends too early"));
        }
        Ok(length)
    }

    /// Flags of a view, of which V8 looks at two.
    pub(crate) fn view_flags(&mut self) -> Result<u32> {
        if self.version >= 14 { self.varint().map(|flags| flags & 3) } else { Ok(0) }
    }

    /// What is counted again at its end.
    pub(crate) fn same(&mut self, number: u32, what: &'static str) -> Result<()> {
        match self.varint()? == number {
            true => Ok(()),
            false => Err(Error::InvalidValue(format!("{what} is wrong").into())),
        }
    }
}

fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => text.into(),
        _ => bytes.iter().copied().map(char::from).collect::<String>().into(),
    }
}

/// A time as a `Date` has it: whole milliseconds, and not too far away. So V8 reads it, too.
pub(crate) fn clip(time: f64) -> f64 {
    const MOST: f64 = 8.64e15;
    if time.abs() <= MOST { time.trunc() + 0.0 } else { f64::NAN }
}
