//! The parts of keys.

use std::{cmp::Ordering, fmt};

use num_bigint::BigInt;

/// One part of a key. Ordered by type as listed here, then by value.
///
/// Numbers are ordered as IEEE 754 has it: `-NaN < -∞ < … < -0 < 0 < … < ∞ < NaN`. There is one `NaN` of each sign.
#[derive(Clone)]
pub enum Part {
    /// Bytes, in their order.
    Bytes(Vec<u8>),
    /// Text, in the order of its UTF-8 bytes, which is that of its code points.
    String(String),
    /// An integer of up to 255 bytes.
    BigInt(BigInt),
    /// A double.
    Number(f64),
    /// `false < true`.
    Bool(bool),
}

impl Part {
    fn rank(&self) -> u8 {
        match self {
            Self::Bytes(_) => 0,
            Self::String(_) => 1,
            Self::BigInt(_) => 2,
            Self::Number(_) => 3,
            Self::Bool(_) => 4,
        }
    }
}

/// The one `NaN` of its sign.
pub(super) fn canonical(number: f64) -> f64 {
    const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0000);
    const NEGATIVE_NAN: f64 = f64::from_bits(0xfff8_0000_0000_0000);
    match number.is_nan() {
        true if number.is_sign_negative() => NEGATIVE_NAN,
        true => NAN,
        false => number,
    }
}

impl Ord for Part {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::BigInt(a), Self::BigInt(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => canonical(*a).total_cmp(&canonical(*b)),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Part {}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(bytes).finish(),
            Self::String(text) => fmt::Debug::fmt(text, f),
            Self::BigInt(integer) => write!(f, "{integer}n"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(bool) => write!(f, "{bool}"),
        }
    }
}

macro_rules! part_from {
    ($($from:ty => |$v:ident| $to:expr;)*) => {$(
        impl From<$from> for Part {
            fn from($v: $from) -> Self {
                $to
            }
        }
    )*};
}

part_from! {
    &str => |v| Self::String(v.to_owned());
    String => |v| Self::String(v);
    &String => |v| Self::String(v.clone());
    &[u8] => |v| Self::Bytes(v.to_vec());
    Vec<u8> => |v| Self::Bytes(v);
    bool => |v| Self::Bool(v);
    f64 => |v| Self::Number(v);
    i32 => |v| Self::Number(v.into());
    u32 => |v| Self::Number(v.into());
    i128 => |v| Self::BigInt(v.into());
    BigInt => |v| Self::BigInt(v);
}
