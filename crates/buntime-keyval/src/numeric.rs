//! Numbers inside values: what sums and limits work on.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

use crate::Value;

/// A JavaScript number or bigint.
#[derive(Clone, Debug, PartialEq)]
pub enum Numeric {
    /// A double.
    Number(f64),
    /// An integer.
    BigInt(BigInt),
}

/// The marker of V8's serialization, and the version it writes.
const HEADER: [u8; 2] = [0xff, 0x0f];

impl Numeric {
    /// The number in a value; `None` if it is none.
    pub fn of(value: &Value) -> Option<Self> {
        let Value::V8(data) = value else { return None };
        let ([0xff, 13..=15], body) = data.split_first_chunk::<2>()? else { return None };
        let (tag, rest) = body.split_first()?;
        match tag {
            b'I' => {
                let (zigzag, _) = varint(rest)?;
                let zigzag = u32::try_from(zigzag).ok()?;
                Some(Self::Number(f64::from((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())))
            }
            b'U' => Some(Self::Number(f64::from(u32::try_from(varint(rest)?.0).ok()?))),
            b'N' => Some(Self::Number(f64::from_le_bytes(*rest.first_chunk::<8>()?))),
            b'Z' => {
                let (field, digits) = varint(rest)?;
                let digits = digits.get(..usize::try_from(field >> 1).ok()?)?;
                let sign = if field & 1 == 1 { Sign::Minus } else { Sign::Plus };
                Some(Self::BigInt(BigInt::from_bytes_le(sign, digits)))
            }
            _ => None,
        }
    }

    /// As a value.
    pub fn to_value(&self) -> Value {
        let mut data = HEADER.to_vec();
        match self {
            // `as` saturates and maps NaN to zero, which is then unequal.
            Self::Number(number) if f64::from(*number as i32).to_bits() == number.to_bits() => {
                let small = *number as i32;
                data.push(b'I');
                push_varint(u64::from(((small << 1) ^ (small >> 31)).cast_unsigned()), &mut data);
            }
            Self::Number(number) => {
                data.push(b'N');
                data.extend(number.to_le_bytes());
            }
            Self::BigInt(integer) => {
                let (sign, mut digits) = integer.to_bytes_le();
                if sign == Sign::NoSign {
                    digits.clear();
                }
                // V8 has digits of eight bytes.
                digits.resize(digits.len().next_multiple_of(8), 0);
                data.push(b'Z');
                push_varint((digits.len() as u64) << 1 | u64::from(sign == Sign::Minus), &mut data);
                data.append(&mut digits);
            }
        }
        Value::V8(data.into())
    }

    /// Its type, as JavaScript names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Number(_) => "Number",
            Self::BigInt(_) => "BigInt",
        }
    }

    /// Their sum, if they are of one type.
    pub fn plus(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Some(Self::Number(a + b)),
            (Self::BigInt(a), Self::BigInt(b)) => Some(Self::BigInt(a + b)),
            (Self::Number(_), Self::BigInt(_)) | (Self::BigInt(_), Self::Number(_)) => None,
        }
    }
}

/// Of two of one type.
impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::BigInt(a), Self::BigInt(b)) => a.partial_cmp(b),
            (Self::Number(_), Self::BigInt(_)) | (Self::BigInt(_), Self::Number(_)) => None,
        }
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

fn push_varint(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    into.push(u8::try_from(number).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0.0, 1.0, -1.0, 0.5, -0.0, 2_147_483_648.0, f64::from(i32::MIN), f64::MAX, f64::INFINITY] {
            let Some(Numeric::Number(back)) = Numeric::of(&Numeric::Number(number).to_value()) else {
                panic!("{number}")
            };
            assert_eq!(back.to_bits(), number.to_bits());
        }
        for integer in [0_i128, 1, -1, 1 << 70, -(1 << 64)] {
            let numeric = Numeric::BigInt(integer.into());
            assert_eq!(Numeric::of(&numeric.to_value()), Some(numeric));
        }
        assert_eq!(Numeric::of(&Value::V8([0xff, 0x0f, b'T'].as_slice().into())), None);
        assert_eq!(Numeric::of(&Value::U64(1)), None);
    }

    /// What `v8.serialize` writes.
    #[test]
    fn as_v8_writes_them() {
        assert_eq!(Numeric::Number(-3.0).to_value().to_data(), [0xff, 0x0f, b'I', 5]);
        assert_eq!(
            Numeric::BigInt(BigInt::from(-5)).to_value().to_data(),
            [0xff, 0x0f, b'Z', 17, 5, 0, 0, 0, 0, 0, 0, 0]
        );
    }
}
