//! The bytes of keys, which order as the keys do: the tuple encoding of `FoundationDB`, as far as Deno uses it.
//!
//! A part is a tag and what follows; texts and bytes end with a zero, and a zero in them is followed by 0xff. Integers
//! of up to eight bytes have their length in the tag; longer ones follow a length. Of a negative one all bytes are
//! inverted. A number's sign bit is flipped, or all its bits if it is negative.

use std::borrow::Cow;

use num_bigint::{BigInt, Sign};

use super::{Part, part::canonical};
use crate::{Error, Result};

const BYTES: u8 = 0x01;
const STRING: u8 = 0x02;
const INTEGER_LONG_NEGATIVE: u8 = 0x0b;
const INTEGER_ZERO: u8 = 0x14;
const INTEGER_LONG: u8 = 0x1d;
/// Between them are the integers whose length is in their tag.
const SHORTEST_NEGATIVE: u8 = INTEGER_LONG_NEGATIVE + 1;
const SHORTEST_POSITIVE: u8 = INTEGER_LONG - 1;
const NUMBER: u8 = 0x21;
const FALSE: u8 = 0x26;
const TRUE: u8 = 0x27;
/// What follows a zero inside a text.
pub(super) const ESCAPE: u8 = 0xff;
/// The longest integer whose length is in its tag.
const SHORT: usize = 8;
const SIGN: u64 = 1 << 63;

pub(super) fn encode(part: &Part, into: &mut Vec<u8>) -> Result<()> {
    match part {
        Part::Bytes(bytes) => escape(BYTES, bytes, into),
        Part::String(text) => escape(STRING, text.as_bytes(), into),
        Part::BigInt(integer) => encode_integer(integer, into)?,
        Part::Number(number) => {
            let bits = canonical(*number).to_bits();
            let ordered = if bits & SIGN == 0 { bits ^ SIGN } else { !bits };
            into.push(NUMBER);
            into.extend_from_slice(&ordered.to_be_bytes());
        }
        Part::Bool(false) => into.push(FALSE),
        Part::Bool(true) => into.push(TRUE),
    }
    Ok(())
}

fn escape(tag: u8, bytes: &[u8], into: &mut Vec<u8>) {
    into.reserve(bytes.len() + 2);
    into.push(tag);
    for byte in bytes {
        into.push(*byte);
        if *byte == 0 {
            into.push(ESCAPE);
        }
    }
    into.push(0);
}

fn encode_integer(integer: &BigInt, into: &mut Vec<u8>) -> Result<()> {
    let (sign, mut magnitude) = integer.to_bytes_be();
    let too_long = || Error::InvalidKey("a bigint of more than 255 bytes cannot be a part of a key".into());
    let length = u8::try_from(magnitude.len()).map_err(|_| too_long())?;
    match (sign, magnitude.len() <= SHORT) {
        (Sign::NoSign, _) => {
            into.push(INTEGER_ZERO);
            return Ok(());
        }
        (Sign::Plus, true) => into.push(INTEGER_ZERO + length),
        (Sign::Plus, false) => into.extend([INTEGER_LONG, length]),
        (Sign::Minus, true) => into.push(INTEGER_ZERO - length),
        (Sign::Minus, false) => into.extend([INTEGER_LONG_NEGATIVE, !length]),
    }
    if sign == Sign::Minus {
        magnitude.iter_mut().for_each(|byte| *byte = !*byte);
    }
    into.append(&mut magnitude);
    Ok(())
}

/// The parts, if these bytes are a key.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    walk(bytes, |raw| {
        parts.push(match raw {
            Raw::Bytes(escaped) => Part::Bytes(unescape(escaped)),
            Raw::String(escaped) => {
                Part::String(String::from_utf8(unescape(escaped)).map_err(|_| Error::InvalidKey(NOT_UTF8.into()))?)
            }
            Raw::Integer(Sign::Minus, inverted) => {
                let magnitude: Vec<u8> = inverted.iter().map(|byte| !*byte).collect();
                Part::BigInt(BigInt::from_bytes_be(Sign::Minus, &magnitude))
            }
            Raw::Integer(sign, magnitude) => Part::BigInt(BigInt::from_bytes_be(sign, magnitude)),
            Raw::Number(number) => Part::Number(number),
            Raw::Bool(bool) => Part::Bool(bool),
        });
        Ok(())
    })?;
    Ok(parts)
}

/// Are these bytes a key, in the one way it is written?
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    walk(bytes, |raw| match raw {
        Raw::String(escaped) => {
            // Escapes are ASCII zeroes followed by 0xff, which is in no text: what lies between them is text, and ends
            // with the zero.
            let mut pieces = escaped.split(|byte| *byte == ESCAPE);
            let is_text = |piece: &[u8]| std::str::from_utf8(piece).is_ok();
            if pieces.next_back().is_some_and(is_text) && pieces.all(|piece| piece.ends_with(&[0]) && is_text(piece)) {
                Ok(())
            } else {
                Err(Error::InvalidKey(NOT_UTF8.into()))
            }
        }
        Raw::Bytes(_) | Raw::Integer(..) | Raw::Number(_) | Raw::Bool(_) => Ok(()),
    })
}

const NOT_UTF8: &str = "a string in it is not UTF-8";

/// A part as it lies in the bytes.
enum Raw<'a> {
    Bytes(&'a [u8]),
    String(&'a [u8]),
    /// Inverted if it is negative.
    Integer(Sign, &'a [u8]),
    Number(f64),
    Bool(bool),
}

fn walk<'a>(mut bytes: &'a [u8], mut each: impl FnMut(Raw<'a>) -> Result<()>) -> Result<()> {
    while let Some((tag, rest)) = bytes.split_first() {
        let (raw, after) = part(*tag, rest)?;
        each(raw)?;
        bytes = after;
    }
    Ok(())
}

/// Where each part ends.
pub(super) fn ends(bytes: &[u8]) -> Vec<usize> {
    let (mut ends, mut left) = (Vec::new(), bytes);
    while let Some((tag, rest)) = left.split_first() {
        // It was checked when it was made.
        let Ok((_, after)) = part(*tag, rest) else { break };
        ends.push(bytes.len() - after.len());
        left = after;
    }
    ends
}

fn part(tag: u8, rest: &[u8]) -> Result<(Raw<'_>, &[u8])> {
    match tag {
        BYTES => terminated(rest).map(|(text, rest)| (Raw::Bytes(text), rest)),
        STRING => terminated(rest).map(|(text, rest)| (Raw::String(text), rest)),
        INTEGER_LONG_NEGATIVE | INTEGER_LONG => long_integer(tag, rest),
        SHORTEST_NEGATIVE..=SHORTEST_POSITIVE => {
            let (sign, length) = match tag {
                INTEGER_ZERO => (Sign::NoSign, 0),
                _ if tag > INTEGER_ZERO => (Sign::Plus, tag - INTEGER_ZERO),
                _ => (Sign::Minus, INTEGER_ZERO - tag),
            };
            integer(sign, usize::from(length), rest)
        }
        NUMBER => {
            let (eight, rest) = rest.split_first_chunk::<8>().ok_or(SHORT_KEY)?;
            let ordered = u64::from_be_bytes(*eight);
            let number = f64::from_bits(if ordered & SIGN == 0 { !ordered } else { ordered ^ SIGN });
            if canonical(number).to_bits() != number.to_bits() {
                return Err(Error::InvalidKey("a NaN in it is not written as NaNs are".into()));
            }
            Ok((Raw::Number(number), rest))
        }
        FALSE => Ok((Raw::Bool(false), rest)),
        TRUE => Ok((Raw::Bool(true), rest)),
        _ => Err(Error::InvalidKey("a part of it is of no known type".into())),
    }
}

const SHORT_KEY: Error = Error::InvalidKey(Cow::Borrowed("it ends too early"));

fn long_integer(tag: u8, rest: &[u8]) -> Result<(Raw<'_>, &[u8])> {
    let (length, rest) = rest.split_first().ok_or(SHORT_KEY)?;
    let (sign, length) = if tag == INTEGER_LONG { (Sign::Plus, *length) } else { (Sign::Minus, !*length) };
    if usize::from(length) <= SHORT {
        return Err(Error::InvalidKey("a short bigint in it is written as a long one".into()));
    }
    integer(sign, usize::from(length), rest)
}

fn integer(sign: Sign, length: usize, rest: &[u8]) -> Result<(Raw<'_>, &[u8])> {
    let (magnitude, rest) = rest.split_at_checked(length).ok_or(SHORT_KEY)?;
    let zero = if sign == Sign::Minus { 0xff } else { 0 };
    if magnitude.first() == Some(&zero) {
        return Err(Error::InvalidKey("a bigint in it is written with leading zeroes".into()));
    }
    Ok((Raw::Integer(sign, magnitude), rest))
}

/// Up to the zero that ends it.
fn terminated(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut from = 0;
    while let Some(zero) = bytes.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == 0)) {
        let at = from + zero;
        let (text, rest) = (bytes.get(..at).ok_or(SHORT_KEY)?, bytes.get(at + 1..).ok_or(SHORT_KEY)?);
        if rest.first() != Some(&ESCAPE) {
            return Ok((text, rest));
        }
        from = at + 2;
    }
    Err(SHORT_KEY)
}

fn unescape(escaped: &[u8]) -> Vec<u8> {
    if !escaped.contains(&0) {
        return escaped.to_vec();
    }
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut escaped = escaped.iter();
    while let Some(byte) = escaped.next() {
        bytes.push(*byte);
        if *byte == 0 {
            // What follows a zero here is its escape.
            escaped.next();
        }
    }
    bytes
}
