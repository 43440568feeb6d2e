//! Numbers inside values: what sums and limits work on.

use std::cmp::Ordering;

use num_bigint::BigInt;

use crate::{Value, structured::Structured};

/// A JavaScript number or bigint.
#[derive(Clone, Debug, PartialEq)]
pub enum Numeric {
    /// A double.
    Number(f64),
    /// An integer.
    BigInt(BigInt),
}

impl Numeric {
    /// The number in a value; `None` if it is none.
    pub fn of(value: &Value) -> Option<Self> {
        let Value::V8(data) = value else { return None };
        // Other values may be large; their tags say that they are no numbers.
        let [_, _, b'I' | b'U' | b'N' | b'Z', ..] = **data else { return None };
        match Structured::decode(data).ok()? {
            Structured::Int(number) => Some(Self::Number(number.into())),
            Structured::Double(number) => Some(Self::Number(number)),
            Structured::BigInt(integer) => Some(Self::BigInt(integer)),
            _ => None,
        }
    }

    /// As a value.
    pub fn to_value(&self) -> Value {
        let value = match self {
            Self::Number(number) => Structured::number(*number),
            Self::BigInt(integer) => Structured::BigInt(integer.clone()),
        };
        Value::V8(value.encode().into())
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
        // As Deno writes it.
        let three = [0xff, 0x10, b'I', 6].as_slice();
        assert_eq!(Numeric::of(&Value::V8(three.into())), Some(Numeric::Number(3.0)));
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
