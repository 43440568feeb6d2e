//! From JSON to values.

use base64::{Engine, prelude::BASE64_STANDARD};
use num_bigint::BigInt;
use serde_json::{Map, Number, Value as Json};

use super::{ESCAPE, MOST_DIGITS, MOST_HEX, NOW, date, from_special, tag, unknown, wrong};
use crate::{
    Error, Result, Value,
    structured::{Failure, FailureName, MAX_DEPTH, Property, Structured, Text, View, ViewKind, regexp_bits},
};

pub(super) fn value(json: &Json, now: Option<u64>) -> Result<Value> {
    match tag(json)? {
        Some(("u64", value)) => {
            let number = value.as_str().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            let number = number.and_then(|digits| digits.parse().ok());
            return number
                .map(Value::U64)
                .ok_or_else(|| wrong("u64", "a string of digits, up to 18446744073709551615"));
        }
        Some(("bytes", value)) => return Ok(Value::Bytes(base64("bytes", value)?.into())),
        _ => {}
    }
    let mut reader = Reader { now: now.map(|now| now as f64), depth: 0, doubtful: false };
    let data = reader.any(json)?.encode();
    if reader.doubtful {
        Structured::decode(&data)?;
    }
    Ok(Value::V8(data.into()))
}

struct Reader {
    now: Option<f64>,
    depth: usize,
    /// Is there what has to fit other parts of it?
    doubtful: bool,
}

impl Reader {
    fn any(&mut self, json: &Json) -> Result<Structured> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::InvalidValue(format!("it is nested deeper than {MAX_DEPTH}").into()));
        }
        self.depth += 1;
        let value = match json {
            Json::Null => Structured::Null,
            Json::Bool(json) => Structured::Bool(*json),
            Json::Number(json) => number(json),
            Json::String(json) => Structured::String(json.as_str().into()),
            Json::Array(json) => {
                let elements = json.iter().map(|element| self.any(element).map(Some)).collect::<Result<_>>()?;
                Structured::Array(elements, Vec::new())
            }
            Json::Object(object) => match tag(json)? {
                Some((name, value)) => self.tagged(name, value)?,
                None => self.object(object)?,
            },
        };
        self.depth -= 1;
        Ok(value)
    }

    fn tagged(&mut self, name: &str, value: &Json) -> Result<Structured> {
        Ok(match name {
            "undefined" => Structured::Undefined,
            "bigint" | "number" | "string" => primitive(name, value)?,
            "bytes" => bytes_view(base64(name, value)?)?,
            "date" => Structured::Date(moment(value)?),
            "map" => {
                let entry = |pair: &Json| match pair.as_array().map(Vec::as_slice) {
                    Some([key, of]) => Ok((self.any(key)?, self.any(of)?)),
                    _ => Err(wrong(name, "a list of keys with values: [[key,value],…]")),
                };
                Structured::Map(list(name, value)?.iter().map(entry).collect::<Result<_>>()?)
            }
            "set" => Structured::Set(list(name, value)?.iter().map(|one| self.any(one)).collect::<Result<_>>()?),
            "regexp" => regexp(value)?,
            "array" => self.array(value)?,
            "error" => self.failure(value)?,
            "view" => self.view(value)?,
            "arraybuffer" => buffer(value)?,
            "boxed" => boxed(value)?,
            "reference" => self.reference(value)?,
            "object" => Structured::Object(self.properties(name, value)?),
            "u64" => return Err(Error::InvalidValue("a \"u64\" is a whole value, never a part of one".into())),
            "hole" => return Err(Error::InvalidValue("a \"hole\" is only in the elements of an \"array\"".into())),
            other => return Err(unknown(&other.into())),
        })
    }

    fn object(&mut self, object: &Map<String, Json>) -> Result<Structured> {
        if let Some(now) = self.now
            && object.contains_key(NOW)
        {
            return moved(now, object);
        }
        let property = |(name, value): (&String, &Json)| Ok((Text::from(name.as_str()), self.any(value)?));
        Ok(Structured::Object(object.iter().map(property).collect::<Result<_>>()?))
    }

    fn properties(&mut self, name: &str, value: &Json) -> Result<Vec<Property>> {
        let property = |pair: &Json| match pair.as_array().map(Vec::as_slice) {
            Some([name, of]) => Ok((text(name)?, self.any(of)?)),
            _ => Err(wrong(name, "a list of names with values: [[\"name\",value],…]")),
        };
        list(name, value)?.iter().map(property).collect()
    }

    fn array(&mut self, value: &Json) -> Result<Structured> {
        const NAME: &str = "array";
        self.doubtful = true;
        fields(NAME, value, &["elements", "length", "properties"])?;
        let none = Json::Array(Vec::new());
        let rest = value.get("properties").unwrap_or(&none);
        match (value.get("elements"), value.get("length").and_then(as_u32)) {
            (Some(elements), None) => {
                let element = |json: &Json| match tag(json)? {
                    Some(("hole", _)) => Ok(None),
                    _ => self.any(json).map(Some),
                };
                let elements = list(NAME, elements)?.iter().map(element).collect::<Result<_>>()?;
                Ok(Structured::Array(elements, self.properties(NAME, rest)?))
            }
            (None, Some(length)) => Ok(Structured::sparse(length, self.properties(NAME, rest)?)),
            _ => Err(wrong(NAME, "an object with either \"elements\" or \"length\", and \"properties\"")),
        }
    }

    fn failure(&mut self, value: &Json) -> Result<Structured> {
        const NAME: &str = "error";
        fields(NAME, value, &["name", "message", "cause", "stack"])?;
        let name = value.get("name").map_or(Some(FailureName::Error), |name| FailureName::from_name(name.as_str()?));
        let name = name.ok_or_else(|| wrong(NAME, "an object whose \"name\" is one of JavaScript's own errors"))?;
        let message = value.get("message").map(text).transpose()?;
        let stack = value.get("stack").map(text).transpose()?;
        let cause = value.get("cause").map(|cause| self.any(cause)).transpose()?;
        Ok(Structured::Error(Box::new(Failure { name, message, cause, stack })))
    }

    fn view(&mut self, value: &Json) -> Result<Structured> {
        const NAME: &str = "view";
        self.doubtful = true;
        fields(NAME, value, &["kind", "offset", "length", "flags", "buffer"])?;
        let kind = value.get("kind").and_then(Json::as_str).and_then(ViewKind::from_name);
        let kind = kind.ok_or_else(|| wrong(NAME, "an object whose \"kind\" is \"Uint8Array\" or the like"))?;
        let count = |field: &str| value.get(field).and_then(as_u32);
        let (Some(offset), Some(length)) = (count("offset"), count("length")) else {
            return Err(wrong(NAME, "an object whose \"offset\" and \"length\" count bytes"));
        };
        let flags = if value.get("flags").is_some() { count("flags") } else { Some(0) };
        let flags =
            flags.filter(|flags| *flags <= 3).ok_or_else(|| wrong(NAME, "an object whose \"flags\" are 0 to 3"))?;
        let buffer = match value.get("buffer").map(tag).transpose()?.flatten() {
            Some(("arraybuffer", value)) => buffer(value)?,
            Some(("reference", value)) => self.reference(value)?,
            _ => return Err(wrong(NAME, "an object whose \"buffer\" is an \"arraybuffer\" or a \"reference\" to one")),
        };
        Ok(Structured::View(Box::new(View { kind, offset, length, flags, buffer })))
    }

    fn reference(&mut self, value: &Json) -> Result<Structured> {
        self.doubtful = true;
        let id = as_u32(value).ok_or_else(|| wrong("reference", "the number of an object, from 0"))?;
        Ok(Structured::Reference(id))
    }
}

fn number(json: &Number) -> Structured {
    // As JavaScript reads it: integers beyond 2^53 are rounded.
    Structured::number(json.as_f64().unwrap_or(f64::NAN))
}

fn primitive(name: &str, value: &Json) -> Result<Structured> {
    Ok(match name {
        "bigint" => Structured::BigInt(big(value)?),
        "number" => {
            let special = value.as_str().and_then(from_special);
            let special = special.ok_or_else(|| wrong(name, "\"NaN\", \"Infinity\", \"-Infinity\" or \"-0\""))?;
            Structured::Double(special)
        }
        _ => {
            let unit = |unit: &Json| unit.as_u64().and_then(|unit| u16::try_from(unit).ok());
            let units = value.as_array().and_then(|units| units.iter().map(unit).collect::<Option<_>>());
            Structured::String(Text::from_units(units.ok_or_else(|| wrong(name, "a list of UTF-16 units"))?))
        }
    })
}

pub(super) fn big(value: &Json) -> Result<BigInt> {
    let number = value.as_str().and_then(|text| {
        let (minus, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let number = match digits.strip_prefix("0x") {
            Some(digits) if digits.len() <= MOST_HEX && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                BigInt::parse_bytes(digits.as_bytes(), 16)?
            }
            None if digits.len() <= MOST_DIGITS && !digits.starts_with('-') && is_integer(digits) => {
                digits.parse().ok()?
            }
            _ => return None,
        };
        Some(if minus { -number } else { number })
    });
    number.ok_or_else(|| {
        wrong("bigint", "a string of up to 10000 decimal digits, or of 2097152 hexadecimal ones after \"0x\"")
    })
}

/// Digits, and perhaps a minus.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn base64(name: &str, value: &Json) -> Result<Vec<u8>> {
    let decoded = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    decoded.ok_or_else(|| wrong(name, "a string in base64"))
}

fn bytes_view(bytes: Vec<u8>) -> Result<Structured> {
    let length = u32::try_from(bytes.len()).map_err(|_| Error::InvalidValue("it is too large".into()))?;
    let buffer = Structured::Buffer(bytes, None);
    Ok(Structured::View(Box::new(View { kind: ViewKind::Uint8, offset: 0, length, flags: 0, buffer })))
}

fn text(json: &Json) -> Result<Text> {
    if let Some(text) = json.as_str() {
        return Ok(text.into());
    }
    match tag(json)? {
        Some(("string", units)) => match primitive("string", units)? {
            Structured::String(text) => Ok(text),
            _ => Err(wrong("string", "a list of UTF-16 units")),
        },
        _ => Err(Error::InvalidValue("a string was expected, as a name, a message or a source".into())),
    }
}

fn moment(value: &Json) -> Result<f64> {
    let time = match value {
        Json::Null => Some(f64::NAN),
        Json::String(text) => date::parse(text),
        // As the language clips them: whole, and never -0.
        value => value.as_f64().filter(|time| time.abs() <= date::MOST).map(|time| time.trunc() + 0.0),
    };
    time.ok_or_else(|| {
        wrong("date", "a time like \"2026-01-31T23:59:59.999Z\", milliseconds since 1970 up to 8.64e15, or null")
    })
}

fn regexp(value: &Json) -> Result<Structured> {
    fields("regexp", value, &["source", "flags"])?;
    let source = text(value.get("source").unwrap_or(&Json::Null))?;
    let flags = value.get("flags").map_or(Some(0), |flags| regexp_bits(flags.as_str()?));
    let flags = flags.ok_or_else(|| wrong("regexp", "an object whose \"flags\" are some of \"dgimsuvy\""))?;
    Ok(Structured::RegExp(source, flags))
}

fn buffer(value: &Json) -> Result<Structured> {
    const NAME: &str = "arraybuffer";
    if value.is_string() {
        return Ok(Structured::Buffer(base64(NAME, value)?, None));
    }
    fields(NAME, value, &["bytes", "maxByteLength"])?;
    let bytes = base64(NAME, value.get("bytes").unwrap_or(&Json::Null))?;
    let most = value.get("maxByteLength").and_then(as_u32).filter(|most| *most as usize >= bytes.len());
    let most =
        most.ok_or_else(|| wrong(NAME, "base64, or that as \"bytes\" with a \"maxByteLength\" not below theirs"))?;
    Ok(Structured::Buffer(bytes, Some(most)))
}

fn boxed(value: &Json) -> Result<Structured> {
    let inner = match value {
        Json::Bool(json) => Structured::Bool(*json),
        Json::Number(json) => number(json),
        Json::String(json) => Structured::String(json.as_str().into()),
        _ => match tag(value)? {
            Some((name @ ("bigint" | "number" | "string"), value)) => primitive(name, value)?,
            _ => return Err(wrong("boxed", "a boolean, number, bigint or string")),
        },
    };
    Ok(Structured::Boxed(Box::new(inner)))
}

/// The time of the write, plus an offset.
fn moved(now: f64, object: &Map<String, Json>) -> Result<Structured> {
    let known = |name: &String| matches!(name.as_str(), NOW | "$offset" | "offset");
    let offset = match (object.get("$offset"), object.get("offset")) {
        (None, None) => Some(0.0),
        (Some(offset), None) | (None, Some(offset)) => offset.as_f64(),
        (Some(_), Some(_)) => None,
    };
    match offset {
        Some(offset) if object.get(NOW) == Some(&Json::Bool(true)) && object.keys().all(known) => {
            Ok(Structured::number(now + offset))
        }
        _ => Err(Error::InvalidValue(
            format!("the time of the write is {{\"{NOW}\":true,\"$offset\":milliseconds}}; {ESCAPE}").into(),
        )),
    }
}

fn list<'a>(name: &str, value: &'a Json) -> Result<&'a [Json]> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(name, "a list"))
}

fn fields(name: &str, value: &Json, known: &[&str]) -> Result<()> {
    let object = value.as_object().ok_or_else(|| wrong(name, "an object"))?;
    match object.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(wrong(name, &format!("an object with {known:?}, but it has {field:?}"))),
        None => Ok(()),
    }
}

fn as_u32(json: &Json) -> Option<u32> {
    json.as_u64().and_then(|number| number.try_into().ok())
}
