//! Reading.

use super::{
    Failure, FailureName, MAX_DEPTH, Property, Structured, View, ViewKind, are_flags,
    scan::{Scanner, bad, clip},
};
use crate::Result;

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
    /// [`InvalidValue`](crate::Error::InvalidValue) if it is not that, is nested deeper than [`MAX_DEPTH`], or has what
    /// cannot be stored: shared or transferred memory, WebAssembly, objects of the host other than Node's views.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { from: Scanner::new(bytes)?, ids: Vec::new(), buffers: Vec::new(), depth: 0 };
        let value = reader.value()?;
        reader.from.end()?;
        Ok(value)
    }
}

struct Reader<'a> {
    from: Scanner<'a>,
    /// Of each object that was numbered by the writer so far: its number here.
    ids: Vec<u32>,
    /// Of each object here so far: its length if it is a buffer.
    buffers: Vec<Option<u32>>,
    depth: usize,
}

impl Reader<'_> {
    fn object(&mut self) {
        self.ids.push(self.buffers.len() as u32);
        self.buffers.push(None);
    }

    fn value(&mut self) -> Result<Structured> {
        if self.depth >= MAX_DEPTH {
            return Err(bad("it is nested too deep"));
        }
        self.depth += 1;
        let tag = self.from.tag()?;
        let value = self.after_tag(tag)?;
        let length = match &value {
            Structured::Buffer(bytes, _) => u32::try_from(bytes.len()).ok(),
            Structured::Reference(id) => self.buffers.get(*id as usize).copied().flatten(),
            _ => None,
        };
        let value = match length {
            Some(length) if self.from.eat(b'V') => self.view(value, length)?,
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
            b'I' => Structured::Int(self.from.zigzag()?),
            b'U' => Structured::number(self.from.varint()?.into()),
            b'N' => Structured::number(self.from.double()?),
            b'Z' => Structured::BigInt(self.from.big()?),
            b'"' | b'c' | b'S' => Structured::String(self.from.text_of(tag)?.into()),
            b'^' => self.reference()?,
            b'\\' => self.of_node()?,
            _ => self.object_of(tag)?,
        })
    }

    fn object_of(&mut self, tag: u8) -> Result<Structured> {
        let id = self.buffers.len();
        self.object();
        Ok(match tag {
            b'D' => Structured::Date(clip(self.from.double()?)),
            b'R' => self.regexp()?,
            b'y' => Structured::Boxed(Box::new(Structured::Bool(true))),
            b'x' => Structured::Boxed(Box::new(Structured::Bool(false))),
            b'n' => Structured::Boxed(Box::new(Structured::number(self.from.double()?))),
            b'z' => Structured::Boxed(Box::new(Structured::BigInt(self.from.big()?))),
            b's' => Structured::Boxed(Box::new(Structured::String(self.from.text()?.into()))),
            b'o' => Structured::Object(self.properties(b'{')?),
            b'A' => self.dense()?,
            b'a' => {
                let length = self.from.varint()?;
                let elements = self.properties(b'@')?;
                self.from.same(length, "an array's length")?;
                if elements.iter().any(|(name, _)| name.index().is_some_and(|index| index >= length)) {
                    return Err(bad("an array's element is behind its end"));
                }
                Structured::sparse(length, elements)
            }
            b';' => self.map()?,
            b'\'' => self.set()?,
            b'B' | b'~' => {
                let length = self.from.varint()?;
                let most = if tag == b'~' { Some(self.from.varint()?) } else { None };
                if most.is_some_and(|most| most < length) {
                    return Err(bad("a buffer is longer than its greatest length"));
                }
                self.buffers[id] = Some(length);
                Structured::Buffer(self.from.take(length as usize)?.to_vec(), most)
            }
            b'r' => Structured::Error(Box::new(self.failure()?)),
            b't' | b'u' => return Err(bad("memory that is shared or transferred cannot be stored")),
            _ => return Err(bad("it has a tag that is unknown")),
        })
    }

    fn regexp(&mut self) -> Result<Structured> {
        let (source, flags) = (self.from.text()?.into(), self.from.varint()?);
        if !are_flags(flags) {
            return Err(bad("a regular expression's flags are unknown"));
        }
        Ok(Structured::RegExp(source, flags))
    }

    fn reference(&mut self) -> Result<Structured> {
        let id = self.from.varint()? as usize;
        self.ids.get(id).map(|id| Structured::Reference(*id)).ok_or_else(|| bad("a reference leads nowhere"))
    }

    fn properties(&mut self, end: u8) -> Result<Vec<Property>> {
        let mut all = Vec::new();
        while !self.from.eat(end) {
            all.push((self.from.name()?.into(), self.value()?));
        }
        self.from.same(all.len() as u32, "the number of properties")?;
        Ok(all)
    }

    fn dense(&mut self) -> Result<Structured> {
        let length = self.from.elements()?;
        let mut elements = Vec::new();
        for _ in 0..length {
            elements.push(if self.from.eat(b'-') { None } else { Some(self.value()?) });
        }
        let rest = self.properties(b'$')?;
        self.from.same(length, "an array's length")?;
        if rest.iter().any(|(name, _)| name.index().is_some()) {
            return Err(bad("an array's element is among its other properties"));
        }
        Ok(Structured::Array(elements, rest))
    }

    fn map(&mut self) -> Result<Structured> {
        let mut entries = Vec::new();
        while !self.from.eat(b':') {
            entries.push((self.value()?, self.value()?));
        }
        self.from.same(2 * entries.len() as u32, "a map's size")?;
        Ok(Structured::Map(entries))
    }

    fn set(&mut self) -> Result<Structured> {
        let mut members = Vec::new();
        while !self.from.eat(b',') {
            members.push(self.value()?);
        }
        self.from.same(members.len() as u32, "a set's size")?;
        Ok(Structured::Set(members))
    }

    fn view(&mut self, buffer: Structured, whole: u32) -> Result<Structured> {
        self.object();
        let kind = ViewKind::from_tag(self.from.varint()?).ok_or_else(|| bad("a view's kind is unknown"))?;
        let (offset, length) = (self.from.varint()?, self.from.varint()?);
        let flags = self.from.view_flags()?;
        let fits = offset.checked_add(length).is_some_and(|end| end <= whole);
        if !fits || offset % kind.size() != 0 || length % kind.size() != 0 {
            return Err(bad("a view does not fit its buffer"));
        }
        Ok(Structured::View(Box::new(View { kind, offset, length, flags, buffer })))
    }

    /// Views as Node's `v8.serialize` writes them, with the bytes that they show: one object there, and two here.
    fn of_node(&mut self) -> Result<Structured> {
        let kind = self.from.varint()?;
        let kind = usize::try_from(kind).ok().and_then(|kind| NODES.get(kind));
        let kind = *kind.ok_or_else(|| bad("an object of the host cannot be stored"))?;
        let length = self.from.varint()?;
        let bytes = self.from.take(length as usize)?.to_vec();
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
            match self.from.varint()? {
                46 => return Ok(failure),                                // .
                109 => failure.message = Some(self.from.text()?.into()), // m
                99 => failure.cause = Some(self.value()?),               // c
                115 => failure.stack = Some(self.from.text()?.into()),   // s
                tag => match FailureName::from_tag(tag).filter(|_| tag != 0) {
                    Some(name) => failure.name = name,
                    None => return Err(bad("an error has a field that is unknown")),
                },
            }
        }
    }
}
