//! Keys as paths: parts between slashes.
//!
//! A part that is an integer, written so, is a number, and any other a string. What that cannot say begins with `~`.

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use num_bigint::BigInt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{MAX_SAFE, from_special, read::is_integer, special};
use crate::{Error, Key, Part, Result};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is not written as it is: all but what a URL reserves for nothing.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Digits of the longest bigint of 255 bytes.
const MOST_DIGITS: usize = 615;

/// A key from a path as it is in the URL, still percent-encoded. Empty segments count for nothing.
///
/// # Errors
/// [`Error::InvalidKey`] for what is not percent-encoded UTF-8, and for a `~` that says nothing.
pub fn key_from_path(path: &str) -> Result<Key> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let parts = segments.map(|segment| part_of(&decoded(segment)?)).collect::<Result<Vec<_>>>()?;
    Key::new(&parts)
}

/// The path of a key, without a slash in front.
pub fn key_to_path(key: &Key) -> String {
    let segments = key.parts().iter().map(segment_of).collect::<Vec<_>>();
    segments.join("/")
}

fn decoded(segment: &str) -> Result<String> {
    let mut escapes = segment.split('%').skip(1);
    if !escapes.all(|rest| rest.as_bytes().first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)))
    {
        return Err(Error::InvalidKey("a \"%\" in its path is not followed by two hexadecimal digits".into()));
    }
    let text = percent_decode_str(segment).decode_utf8();
    text.map(Into::into).map_err(|_| Error::InvalidKey("its path is not percent-encoded UTF-8".into()))
}

fn part_of(text: &str) -> Result<Part> {
    let Some(escape) = text.strip_prefix('~') else {
        return Ok(plain_number(text).map_or_else(|| text.into(), Part::Number));
    };
    let wrong = |words: &'static str| Error::InvalidKey(words.into());
    let mut rest = escape.chars();
    let kind = rest.next();
    let rest = rest.as_str();
    match (kind, rest) {
        (Some('s'), text) => Ok(text.into()),
        (Some('n'), text) => {
            double(text).map(Part::Number).ok_or(wrong("after \"~n\" is a number, NaN, Infinity or -Infinity"))
        }
        (Some('i'), text) => bigint(text).map(Part::BigInt).ok_or(wrong("after \"~i\" are up to 615 decimal digits")),
        (Some('t'), "") => Ok(Part::Bool(true)),
        (Some('f'), "") => Ok(Part::Bool(false)),
        (Some('b'), text) => {
            BASE64.decode(text).map(Part::Bytes).map_err(|_| wrong("after \"~b\" are bytes in base64url"))
        }
        _ => Err(wrong(
            "\"~\" begins ~s… a string, ~n… a number, ~i… a bigint, ~b… bytes, ~t true, ~f false; \
             a string that begins with it is written ~s~…",
        )),
    }
}

/// An integer that a double is for sure.
fn plain_number(text: &str) -> Option<f64> {
    let number: f64 = is_integer(text).then(|| text.parse().ok()).flatten()?;
    (number.abs() <= MAX_SAFE).then_some(number)
}

fn double(text: &str) -> Option<f64> {
    if let Some(special) = from_special(text) {
        return Some(special);
    }
    // Rust reads its own names of infinity and of NaN, too.
    let numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| numeric && number.is_finite())
}

fn bigint(text: &str) -> Option<BigInt> {
    let short = text.len() <= MOST_DIGITS + 1;
    (short && is_integer(text)).then(|| text.parse().ok()).flatten()
}

fn segment_of(part: &Part) -> String {
    match part {
        Part::Bytes(bytes) => format!("~b{}", BASE64.encode(bytes)),
        Part::String(text) => {
            // Dots alone are taken for steps by whoever handles URLs.
            let plain = !text.is_empty() && !text.starts_with('~') && plain_number(text).is_none();
            let plain = plain && !matches!(text.as_str(), "." | "..");
            format!("{}{}", if plain { "" } else { "~s" }, utf8_percent_encode(text, ESCAPED))
        }
        Part::BigInt(integer) => format!("~i{integer}"),
        Part::Number(number) => number_segment(*number),
        Part::Bool(true) => "~t".into(),
        Part::Bool(false) => "~f".into(),
    }
}

fn number_segment(number: f64) -> String {
    let negative_zero = number == 0.0 && number.is_sign_negative();
    match number.abs() {
        _ if !number.is_finite() || negative_zero => format!("~n{}", special(number)),
        size if size <= MAX_SAFE && number.fract() == 0.0 => format!("{number}"),
        size if (1e-7..1e21).contains(&size) => format!("~n{number}"),
        _ => format!("~n{number:e}"),
    }
}
