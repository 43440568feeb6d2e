//! Writing.

use num_bigint::{BigInt, Sign};

use super::{Failure, Property, Structured, Text, View, text::index};

/// The format that is written: all engines since 2022 read it.
pub(crate) const HEAD: [u8; 2] = [0xff, 15];

impl Structured {
    /// As V8 would serialize it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        value(self, &mut out);
        out
    }
}

fn value(from: &Structured, out: &mut Vec<u8>) {
    match from {
        Structured::Undefined => out.push(b'_'),
        Structured::Null => out.push(b'0'),
        Structured::Bool(true) => out.push(b'T'),
        Structured::Bool(false) => out.push(b'F'),
        Structured::Int(number) => int(*number, out),
        Structured::Double(number) => double(b'N', *number, out),
        Structured::BigInt(number) => big(b'Z', number, out),
        Structured::String(from) => text(from, out),
        Structured::Reference(id) => tagged(b'^', *id, out),
        Structured::Date(time) => double(b'D', *time, out),
        Structured::RegExp(source, flags) => {
            out.push(b'R');
            text(source, out);
            varint(*flags, out);
        }
        Structured::Boxed(inner) => boxed(inner, out),
        Structured::Array(elements, rest) => {
            let length = length(elements.len());
            tagged(b'A', length, out);
            for element in elements {
                match element {
                    Some(element) => value(element, out),
                    None => out.push(b'-'),
                }
            }
            properties(rest, b'$', out);
            varint(length, out);
        }
        Structured::Sparse(length, elements) => {
            tagged(b'a', *length, out);
            properties(elements, b'@', out);
            varint(*length, out);
        }
        Structured::Object(all) => {
            out.push(b'o');
            properties(all, b'{', out);
        }
        Structured::Map(entries) => {
            out.push(b';');
            for (key, of) in entries {
                value(key, out);
                value(of, out);
            }
            tagged(b':', length(entries.len()).saturating_mul(2), out);
        }
        Structured::Set(members) => {
            out.push(b'\'');
            for member in members {
                value(member, out);
            }
            tagged(b',', length(members.len()), out);
        }
        Structured::Buffer(bytes, most) => buffer(bytes, *most, out),
        Structured::View(from) => view(from, out),
        Structured::Error(from) => failure(from, out),
    }
}

/// Lengths are of 32 bits; no value of this store comes near.
pub(crate) fn length(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

pub(crate) fn varint(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn tagged(tag: u8, number: u32, out: &mut Vec<u8>) {
    out.push(tag);
    varint(number, out);
}

pub(crate) fn int(number: i32, out: &mut Vec<u8>) {
    tagged(b'I', (number << 1 ^ number >> 31).cast_unsigned(), out);
}

pub(crate) fn double(tag: u8, number: f64, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&number.to_le_bytes());
}

fn big(tag: u8, number: &BigInt, out: &mut Vec<u8>) {
    let (sign, mut digits) = number.to_bytes_le();
    if sign == Sign::NoSign {
        digits.clear();
    }
    // V8's digits are of eight bytes.
    digits.resize(digits.len().next_multiple_of(8), 0);
    tagged(tag, length(digits.len()) << 1 | u32::from(sign == Sign::Minus), out);
    out.extend_from_slice(&digits);
}

fn text(from: &Text, out: &mut Vec<u8>) {
    match from {
        Text::Utf8(text) => string(text, out),
        Text::Utf16(of) => units(of, out),
    }
}

pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        tagged(b'"', length(text.len()), out);
        out.extend_from_slice(text.as_bytes());
    } else if text.chars().all(|c| u32::from(c) < 0x100) {
        tagged(b'"', length(text.chars().count()), out);
        out.extend(text.chars().map(|c| u32::from(c) as u8));
    } else {
        units(&text.encode_utf16().collect::<Vec<_>>(), out);
    }
}

fn units(units: &[u16], out: &mut Vec<u8>) {
    let bytes = length(units.len()).saturating_mul(2);
    let mut head = vec![b'c'];
    varint(bytes, &mut head);
    // Units are aligned.
    if (out.len() + head.len()) % 2 == 1 {
        out.push(0);
    }
    out.extend_from_slice(&head);
    out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
}

fn boxed(inner: &Structured, out: &mut Vec<u8>) {
    match inner {
        Structured::Bool(inner) => out.push(if *inner { b'y' } else { b'x' }),
        Structured::Int(inner) => double(b'n', f64::from(*inner), out),
        Structured::Double(inner) => double(b'n', *inner, out),
        Structured::BigInt(inner) => big(b'z', inner, out),
        Structured::String(inner) => {
            out.push(b's');
            text(inner, out);
        }
        // Nothing else can be boxed, and what is an object already stays what it is.
        other => value(other, out),
    }
}

/// A property's, which is a number if it is an index.
pub(crate) fn name(text: &str, out: &mut Vec<u8>) {
    match index(text).map(|index| (index, i32::try_from(index))) {
        Some((_, Ok(index))) => int(index, out),
        Some((index, Err(_))) => double(b'N', index.into(), out),
        None => string(text, out),
    }
}

fn properties(all: &[Property], end: u8, out: &mut Vec<u8>) {
    for (name, of) in all {
        match name {
            Text::Utf8(text) => self::name(text, out),
            Text::Utf16(of) => units(of, out),
        }
        value(of, out);
    }
    tagged(end, length(all.len()), out);
}

fn buffer(bytes: &[u8], most: Option<u32>, out: &mut Vec<u8>) {
    let length = length(bytes.len());
    match most {
        None => tagged(b'B', length, out),
        Some(most) => {
            tagged(b'~', length, out);
            varint(most, out);
        }
    }
    out.extend_from_slice(bytes);
}

fn view(from: &View, out: &mut Vec<u8>) {
    value(&from.buffer, out);
    tagged(b'V', from.kind.tag().into(), out);
    varint(from.offset, out);
    varint(from.length, out);
    varint(from.flags, out);
}

fn failure(from: &Failure, out: &mut Vec<u8>) {
    out.push(b'r');
    if from.name.tag() != 0 {
        out.push(from.name.tag());
    }
    if let Some(message) = &from.message {
        out.push(b'm');
        text(message, out);
    }
    // The cause is last: V8 once wrote it before the stack, reads any order there, but none other since format 16.
    if let Some(stack) = &from.stack {
        out.push(b's');
        text(stack, out);
    }
    if let Some(cause) = &from.cause {
        out.push(b'c');
        value(cause, out);
    }
    out.push(b'.');
}
