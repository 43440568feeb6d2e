//! Reading.

use std::ops::RangeInclusive;

use num_bigint::{BigInt, Sign};

use super::{Failure, FailureName, MAX_DEPTH, Property, Structured, Text, View, ViewKind, are_flags};
use crate::{Error, Result};

/// The formats that are read. V8 changed in them only what is optional: 14 has flags of views, and 16 another order in
/// errors.
const FORMATS: RangeInclusive<u32> = 13..=16;

/// Node's numbers of views; a `Buffer`, the second `Uint8Array`, is one to others.
const NODES: [ViewKind; 13] = [
    ViewKind::Int8,
    ViewKind::Uint8,
    ViewKind::Uint8Clamped,
    ViewKind::Int16,
    ViewKind::Uint16,
    ViewKind::Int32,
    ViewKind::Uint32,
    ViewKind::Float32,
    ViewKind::Float64,
    ViewKind::Data,
    ViewKind::Uint8,
    ViewKind::BigInt64,
    ViewKind::BigUint64,
];

impl Structured {
    /// From what V8 serialized.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if it is not that, is nested deeper than [`MAX_DEPTH`], or has what cannot be stored:
    /// shared or transferred memory, WebAssembly, objects of the host other than Node's views.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { rest: bytes, version: 0, ids: Vec::new(), buffers: Vec::new(), depth: 0 };
        if reader.byte()? != 0xff {
            return Err(bad("it does not begin as V8's do"));
        }
        reader.version = reader.varint()?;
        if !FORMATS.contains(&reader.version) {
            return Err(bad("its format is none of 13 to 16"));
        }
        let value = reader.value()?;
        // V8 itself does not mind what follows, but then it is not what V8 wrote.
        if reader.rest.iter().any(|byte| *byte != 0) {
            return Err(bad("something follows it"));
        }
        Ok(value)
    }
}

fn bad(why: &'static str) -> Error {
    Error::InvalidValue(why.into())
}

struct Reader<'a> {
    rest: &'a [u8],
    version: u32,
    /// Of each object that was numbered by the writer so far: its number here.
    ids: Vec<u32>,
    /// Of each object here so far: its length if it is a buffer.
    buffers: Vec<Option<u32>>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| bad("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn varint(&mut self) -> Result<u32> {
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

    fn double(&mut self) -> Result<f64> {
        let bytes = self.take(8)?;
        bytes.try_into().map(f64::from_le_bytes).map_err(|_| bad("it ends too early"))
    }

    fn skip_padding(&mut self) {
        while let [0, rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn tag(&mut self) -> Result<u8> {
        self.skip_padding();
        self.byte()
    }

    fn eat(&mut self, tag: u8) -> bool {
        self.skip_padding();
        let found = self.rest.first() == Some(&tag);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn object(&mut self) {
        self.ids.push(self.buffers.len() as u32);
        self.buffers.push(None);
    }

    fn value(&mut self) -> Result<Structured> {
        if self.depth >= MAX_DEPTH {
            return Err(bad("it is nested too deep"));
        }
        self.depth += 1;
        let tag = self.tag()?;
        let value = self.after_tag(tag)?;
        let length = match &value {
            Structured::Buffer(bytes, _) => u32::try_from(bytes.len()).ok(),
            Structured::Reference(id) => self.buffers.get(*id as usize).copied().flatten(),
            _ => None,
        };
        let value = match length {
            Some(length) if self.eat(b'V') => self.view(value, length)?,
            _ => value,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn after_tag(&mut self, tag: u8) -> Result<Structured> {
        Ok(match tag {
            b'_' => Structured::Undefined,
            b'0' => Structured::Null,
            b'T' => Structured::Bool(true),
            b'F' => Structured::Bool(false),
            b'I' => Structured::Int(self.zigzag()?),
            b'U' => Structured::number(self.varint()?.into()),
            b'N' => Structured::number(self.double()?),
            b'Z' => Structured::BigInt(self.big()?),
            b'"' | b'c' | b'S' => Structured::String(self.text_of(tag)?),
            b'^' => self.reference()?,
            b'\\' => self.of_node()?,
            _ => self.object_of(tag)?,
        })
    }

    fn object_of(&mut self, tag: u8) -> Result<Structured> {
        let id = self.buffers.len();
        self.object();
        Ok(match tag {
            b'D' => Structured::Date(clip(self.double()?)),
            b'R' => self.regexp()?,
            b'y' => Structured::Boxed(Box::new(Structured::Bool(true))),
            b'x' => Structured::Boxed(Box::new(Structured::Bool(false))),
            b'n' => Structured::Boxed(Box::new(Structured::number(self.double()?))),
            b'z' => Structured::Boxed(Box::new(Structured::BigInt(self.big()?))),
            b's' => Structured::Boxed(Box::new(Structured::String(self.text()?))),
            b'o' => Structured::Object(self.properties(b'{')?),
            b'A' => self.dense()?,
            b'a' => {
                let length = self.varint()?;
                let elements = self.properties(b'@')?;
                self.same(length, "an array's length")?;
                if elements.iter().any(|(name, _)| name.index().is_some_and(|index| index >= length)) {
                    return Err(bad("an array's element is behind its end"));
                }
                Structured::sparse(length, elements)
            }
            b';' => self.map()?,
            b'\'' => self.set()?,
            b'B' | b'~' => {
                let length = self.varint()?;
                let most = if tag == b'~' { Some(self.varint()?) } else { None };
                if most.is_some_and(|most| most < length) {
                    return Err(bad("a buffer is longer than its greatest length"));
                }
                self.buffers[id] = Some(length);
                Structured::Buffer(self.take(length as usize)?.to_vec(), most)
            }
            b'r' => Structured::Error(Box::new(self.failure()?)),
            b't' | b'u' => return Err(bad("memory that is shared or transferred cannot be stored")),
            _ => return Err(bad("it has a tag that is unknown")),
        })
    }

    fn regexp(&mut self) -> Result<Structured> {
        let (source, flags) = (self.text()?, self.varint()?);
        if !are_flags(flags) {
            return Err(bad("a regular expression's flags are unknown"));
        }
        Ok(Structured::RegExp(source, flags))
    }

    fn zigzag(&mut self) -> Result<i32> {
        self.varint().map(|number| (number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn big(&mut self) -> Result<BigInt> {
        let head = self.varint()?;
        let sign = if head & 1 == 1 { Sign::Minus } else { Sign::Plus };
        let digits = self.take((head >> 1) as usize)?;
        Ok(BigInt::from_bytes_le(sign, digits))
    }

    fn text(&mut self) -> Result<Text> {
        let tag = self.tag()?;
        self.text_of(tag)
    }

    fn text_of(&mut self, tag: u8) -> Result<Text> {
        let length = match tag {
            b'"' | b'c' | b'S' => self.varint()? as usize,
            _ => return Err(bad("a string was expected")),
        };
        let bytes = self.take(length)?;
        Ok(match tag {
            b'"' => Text::Utf8(bytes.iter().copied().map(char::from).collect()),
            b'S' => Text::Utf8(String::from_utf8(bytes.to_vec()).map_err(|_| bad("a string is not UTF-8"))?),
            _ if length % 2 == 1 => return Err(bad("a string ends within a character")),
            _ => Text::from_units(bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect()),
        })
    }

    fn reference(&mut self) -> Result<Structured> {
        let id = self.varint()? as usize;
        self.ids.get(id).map(|id| Structured::Reference(*id)).ok_or_else(|| bad("a reference leads nowhere"))
    }

    fn name(&mut self) -> Result<Text> {
        let tag = self.tag()?;
        match tag {
            b'I' => self.zigzag().map(|index| Text::Utf8(index.to_string())),
            b'U' => self.varint().map(|index| Text::Utf8(index.to_string())),
            b'N' => match self.double()? {
                index if index.fract() == 0.0 && index.abs() < 9e15 => Ok(Text::Utf8((index as i64).to_string())),
                _ => Err(bad("a property's name is a number that is no index")),
            },
            _ => self.text_of(tag),
        }
    }

    fn properties(&mut self, end: u8) -> Result<Vec<Property>> {
        let mut all = Vec::new();
        while !self.eat(end) {
            all.push((self.name()?, self.value()?));
        }
        self.same(all.len() as u32, "the number of properties")?;
        Ok(all)
    }

    fn same(&mut self, number: u32, what: &'static str) -> Result<()> {
        match self.varint()? == number {
            true => Ok(()),
            false => Err(Error::InvalidValue(format!("{what} is wrong").into())),
        }
    }

    fn dense(&mut self) -> Result<Structured> {
        let length = self.varint()?;
        // Each takes a byte at least.
        if length as usize > self.rest.len() {
            return Err(bad("it ends too early"));
        }
        let mut elements = Vec::new();
        for _ in 0..length {
            elements.push(if self.eat(b'-') { None } else { Some(self.value()?) });
        }
        let rest = self.properties(b'$')?;
        self.same(length, "an array's length")?;
        if rest.iter().any(|(name, _)| name.index().is_some()) {
            return Err(bad("an array's element is among its other properties"));
        }
        Ok(Structured::Array(elements, rest))
    }

    fn map(&mut self) -> Result<Structured> {
        let mut entries = Vec::new();
        while !self.eat(b':') {
            entries.push((self.value()?, self.value()?));
        }
        self.same(2 * entries.len() as u32, "a map's size")?;
        Ok(Structured::Map(entries))
    }

    fn set(&mut self) -> Result<Structured> {
        let mut members = Vec::new();
        while !self.eat(b',') {
            members.push(self.value()?);
        }
        self.same(members.len() as u32, "a set's size")?;
        Ok(Structured::Set(members))
    }

    fn view(&mut self, buffer: Structured, whole: u32) -> Result<Structured> {
        self.object();
        let kind = ViewKind::from_tag(self.varint()?).ok_or_else(|| bad("a view's kind is unknown"))?;
        let (offset, length) = (self.varint()?, self.varint()?);
        // V8 looks at two of the bits.
        let flags = if self.version >= 14 { self.varint()? & 3 } else { 0 };
        let fits = offset.checked_add(length).is_some_and(|end| end <= whole);
        if !fits || offset % kind.size() != 0 || length % kind.size() != 0 {
            return Err(bad("a view does not fit its buffer"));
        }
        Ok(Structured::View(Box::new(View { kind, offset, length, flags, buffer })))
    }

    /// Views as Node's `v8.serialize` writes them, with the bytes that they show: one object there, and two here.
    fn of_node(&mut self) -> Result<Structured> {
        let kind = self.varint()?;
        let kind = usize::try_from(kind).ok().and_then(|kind| NODES.get(kind));
        let kind = *kind.ok_or_else(|| bad("an object of the host cannot be stored"))?;
        let length = self.varint()?;
        let bytes = self.take(length as usize)?.to_vec();
        if length % kind.size() != 0 {
            return Err(bad("a view does not fit its buffer"));
        }
        self.buffers.push(Some(length));
        self.object();
        let buffer = Structured::Buffer(bytes, None);
        Ok(Structured::View(Box::new(View { kind, offset: 0, length, flags: 0, buffer })))
    }

    fn failure(&mut self) -> Result<Failure> {
        let mut failure = Failure { name: FailureName::Error, message: None, cause: None, stack: None };
        loop {
            match self.varint()? {
                46 => return Ok(failure),                    // .
                109 => failure.message = Some(self.text()?), // m
                99 => failure.cause = Some(self.value()?),   // c
                115 => failure.stack = Some(self.text()?),   // s
                tag => match FailureName::from_tag(tag).filter(|_| tag != 0) {
                    Some(name) => failure.name = name,
                    None => return Err(bad("an error has a field that is unknown")),
                },
            }
        }
    }
}

/// A time as a `Date` has it: whole milliseconds, and not too far away. So V8 reads it, too.
fn clip(time: f64) -> f64 {
    const MOST: f64 = 8.64e15;
    if time.abs() <= MOST { time.trunc() + 0.0 } else { f64::NAN }
}
