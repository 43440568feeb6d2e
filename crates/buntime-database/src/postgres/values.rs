//! Values to PostgreSQL and back.
//!
//! An argument brings its type along (integer: `bigint`, real: `double precision`, blob: `bytea`), as in SQLite; text
//! and null take the type that the statement asks for, so that a text may be a date, a UUID or JSON. Where that does
//! not compile the server chooses all types, and arguments go as text.
//!
//! Back: booleans are 0 and 1; a `numeric` without decimals is an integer, any other is text, for
//! nothing of it may be lost; dates, times, UUIDs and JSON are text as PostgreSQL (in ISO style, times in UTC) writes them. NaN is null. Other types are
//! refused, with the advice to cast them.

use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use time::{Date, Duration, Month, PrimitiveDateTime, Time, macros::format_description};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type};

use super::numeric;
use crate::{Error, ErrorKind, Result, Value};

type Failure = Box<dyn StdError + Sync + Send>;

/// A value on its way to the server.
#[derive(Debug)]
pub(super) struct Argument<'a>(pub(super) &'a Value);

/// Refuses what PostgreSQL cannot hold.
pub(super) fn check(args: &[Value]) -> Result<()> {
    for (at, value) in args.iter().enumerate() {
        let why = match value {
            Value::Real(real) if real.is_nan() => "is not a number (NaN)",
            Value::Text(text) if text.contains('\0') => "is text with a NUL character, which PostgreSQL cannot hold",
            _ => continue,
        };
        return Err(Error::new(ErrorKind::Argument, format!("argument {} {why}", at + 1)));
    }
    Ok(())
}

impl ToSql for Argument<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match (self.0, ty) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Integer(integer), &Type::INT8) => out.put_i64(*integer),
            (Value::Real(real), &Type::FLOAT8) => out.put_f64(*real),
            (Value::Blob(blob), &Type::BYTEA) => out.put_slice(blob),
            (Value::Integer(integer), &Type::BOOL) => out.put_slice(if *integer == 0 { b"f" } else { b"t" }),
            (Value::Integer(integer), _) => out.put_slice(integer.to_string().as_bytes()),
            (Value::Real(real), _) if real.is_infinite() => {
                out.put_slice(if *real > 0.0 { b"Infinity" } else { b"-Infinity" });
            }
            (Value::Real(real), _) => out.put_slice(real.to_string().as_bytes()),
            (Value::Text(text), _) => out.put_slice(text.as_bytes()),
            (Value::Blob(_), other) => return Err(format!("a blob is no {}", other.name()).into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        match (self.0, ty) {
            (Value::Integer(_), &Type::INT8)
            | (Value::Real(_), &Type::FLOAT8)
            // Text for `bytea` would be read for escapes.
            | (Value::Blob(_) | Value::Text(_), &Type::BYTEA) => Format::Binary,
            _ => Format::Text,
        }
    }
}

/// A value on its way back.
#[derive(Debug)]
pub(super) struct Cell(pub(super) Value);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        read(ty, raw).map(Self)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn read(ty: &Type, raw: &[u8]) -> Result<Value, Failure> {
    let integer = |value: i64| Ok(Value::Integer(value));
    let text = |raw: &[u8]| Ok(Value::Text(std::str::from_utf8(raw)?.to_owned()));
    match *ty {
        Type::BOOL => integer(fixed::<1>(raw)?[0].into()),
        Type::INT2 => integer(i16::from_be_bytes(fixed(raw)?).into()),
        Type::INT4 => integer(i32::from_be_bytes(fixed(raw)?).into()),
        Type::INT8 => integer(i64::from_be_bytes(fixed(raw)?)),
        Type::OID | Type::XID | Type::CID | Type::REGCLASS | Type::REGTYPE | Type::REGPROC => {
            integer(u32::from_be_bytes(fixed(raw)?).into())
        }
        Type::FLOAT4 => Ok(real(f32::from_be_bytes(fixed(raw)?).into())),
        Type::FLOAT8 => Ok(real(f64::from_be_bytes(fixed(raw)?))),
        Type::NUMERIC => numeric::read(raw).ok_or_else(|| "a numeric that cannot be read".into()),
        Type::BYTEA => Ok(Value::Blob(raw.to_vec())),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON | Type::XML => text(raw),
        Type::CHAR => Ok(Value::Text(raw.iter().copied().map(char::from).collect())),
        // Its first byte is the version of the format.
        Type::JSONB => text(raw.get(1..).unwrap_or_default()),
        Type::UUID => Ok(Value::Text(uuid(fixed(raw)?))),
        Type::DATE => date(i32::from_be_bytes(fixed(raw)?)),
        Type::TIME => moment(i64::from_be_bytes(fixed(raw)?)),
        Type::TIMESTAMP => instant(i64::from_be_bytes(fixed(raw)?), ""),
        Type::TIMESTAMPTZ => instant(i64::from_be_bytes(fixed(raw)?), "+00"),
        Type::VOID => Ok(Value::Null),
        _ => match ty.kind() {
            Kind::Enum(_) => text(raw),
            Kind::Domain(inner) => read(inner, raw),
            _ if matches!(ty.name(), "citext" | "ltree") => text(raw),
            _ => Err(format!("it is of the type {}; cast it: CAST(… AS TEXT)", ty.name()).into()),
        },
    }
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], Failure> {
    raw.try_into().map_err(|_| "a value of another length".into())
}

fn real(value: f64) -> Value {
    if value.is_nan() { Value::Null } else { Value::Real(value) }
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Days and microseconds are counted from here.
fn epoch() -> Result<Date, Failure> {
    Ok(Date::from_calendar_date(2000, Month::January, 1)?)
}

fn date(days: i32) -> Result<Value, Failure> {
    match days {
        i32::MAX => return Ok("infinity".into()),
        i32::MIN => return Ok("-infinity".into()),
        _ => {}
    }
    let day =
        epoch()?.checked_add(Duration::days(days.into())).ok_or("a date beyond the year 9999; cast it to TEXT")?;
    Ok(Value::Text(day.format(format_description!("[year]-[month]-[day]"))?))
}

fn moment(micros: i64) -> Result<Value, Failure> {
    let time = Time::MIDNIGHT + Duration::microseconds(micros);
    Ok(Value::Text(clock(time)?))
}

fn instant(micros: i64, zone: &str) -> Result<Value, Failure> {
    match micros {
        i64::MAX => return Ok("infinity".into()),
        i64::MIN => return Ok("-infinity".into()),
        _ => {}
    }
    let midnight = PrimitiveDateTime::new(epoch()?, Time::MIDNIGHT);
    let at = midnight.checked_add(Duration::microseconds(micros));
    let at = at.ok_or("a time beyond the year 9999; cast it to TEXT")?;
    let day = at.date().format(format_description!("[year]-[month]-[day]"))?;
    Ok(Value::Text(format!("{day} {}{zone}", clock(at.time())?)))
}

fn clock(time: Time) -> Result<String, Failure> {
    let seconds = time.format(format_description!("[hour]:[minute]:[second]"))?;
    let micros = time.microsecond();
    if micros == 0 {
        return Ok(seconds);
    }
    let fraction = format!("{micros:06}");
    Ok(format!("{seconds}.{}", fraction.trim_end_matches('0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_postgresql_does() {
        assert_eq!(date(8_000).unwrap(), Value::from("2021-11-26"));
        assert_eq!(date(-1).unwrap(), Value::from("1999-12-31"));
        assert_eq!(instant(1_500_000, "+00").unwrap(), Value::from("2000-01-01 00:00:01.5+00"));
        assert_eq!(instant(i64::MAX, "").unwrap(), Value::from("infinity"));
        assert!(instant(i64::MAX - 1, "").is_err());
        assert_eq!(moment(86_399_000_000).unwrap(), Value::from("23:59:59"));
    }

    #[test]
    fn what_is_refused() {
        assert!(check(&["a\0".into()]).is_err());
        assert!(check(&[Value::Real(f64::NAN)]).is_err());
        let error = read(&Type::INT4_ARRAY, &[]).unwrap_err().to_string();
        assert!(error.contains("_int4") && error.contains("CAST"), "{error}");
        assert!(read(&Type::INT4, &[1]).is_err());
    }
}
