//! How values compare: numbers of all kinds as numbers, texts by code points, dates by time, and nothing with anything else.

use std::cmp::Ordering;

use num_bigint::BigInt;

use crate::structured::{Structured, Text};

/// Which is less; `None` if they are of kinds that do not compare.
pub(super) fn order(a: &Structured, b: &Structured) -> Option<Ordering> {
    match (a, b) {
        (Structured::String(a), Structured::String(b)) => Some(texts(a, b)),
        (Structured::Bool(a), Structured::Bool(b)) => Some(a.cmp(b)),
        (Structured::Date(a), Structured::Date(b)) => a.partial_cmp(b),
        (Structured::BigInt(a), Structured::BigInt(b)) => Some(a.cmp(b)),
        (Structured::BigInt(a), b) => big_and_double(a, double(b)?),
        (a, Structured::BigInt(b)) => big_and_double(b, double(a)?).map(Ordering::reverse),
        (a, b) => double(a)?.partial_cmp(&double(b)?),
    }
}

/// Are they the same, all the way down? Properties may be in any order.
pub(super) fn equal(a: &Structured, b: &Structured) -> bool {
    match (a, b) {
        (Structured::Array(a, rest_a), Structured::Array(b, rest_b)) => {
            let same = |(a, b): (&Option<Structured>, &Option<Structured>)| match (a, b) {
                (Some(a), Some(b)) => equal(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            a.len() == b.len() && a.iter().zip(b).all(same) && properties(rest_a, rest_b)
        }
        (Structured::Object(a), Structured::Object(b)) => properties(a, b),
        (a, b) => order(a, b).map_or_else(|| a == b, Ordering::is_eq),
    }
}

fn properties(a: &[(Text, Structured)], b: &[(Text, Structured)]) -> bool {
    let there = |(name, value): &(Text, Structured)| b.iter().any(|(other, of)| other == name && equal(value, of));
    a.len() == b.len() && a.iter().all(there)
}

fn texts(a: &Text, b: &Text) -> Ordering {
    match (a, b) {
        (Text::Utf8(a), Text::Utf8(b)) => a.cmp(b),
        // With lone surrogates there are no code points.
        (a, b) => a.units().cmp(&b.units()),
    }
}

fn double(number: &Structured) -> Option<f64> {
    match number {
        Structured::Int(number) => Some((*number).into()),
        Structured::Double(number) => Some(*number),
        _ => None,
    }
}

/// Exactly, however large.
fn big_and_double(big: &BigInt, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double.is_infinite() {
        return Some(if double > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = double.trunc();
    let order = big.cmp(&integer(whole));
    // What lies behind the point decides where the rest is equal.
    Some(order.then_with(|| 0.0_f64.partial_cmp(&(double - whole)).unwrap_or(Ordering::Equal)))
}

/// Of a double that is an integer.
fn integer(whole: f64) -> BigInt {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = whole.abs().to_bits();
    let exponent = bits >> 52;
    let mantissa = if exponent == 0 { bits & FRACTION } else { bits & FRACTION | 1 << 52 };
    let size = match exponent.checked_sub(1075) {
        Some(up) => BigInt::from(mantissa) << up,
        None => BigInt::from(mantissa) >> (1075 - exponent),
    };
    if whole.is_sign_negative() { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_doubles() {
        for number in [0.0, 1.0, -1.0, 3.0, 2_f64.powi(52), -(2_f64.powi(53)), 2_f64.powi(53) + 2.0, 1e15] {
            assert_eq!(integer(number), BigInt::from(number as i128), "{number}");
        }
        assert_eq!(integer(2_f64.powi(1000)), BigInt::from(1) << 1000);
    }

    #[test]
    fn numbers_of_all_kinds_compare_exactly() {
        let big = |number: i128| Structured::BigInt(number.into());
        let number = Structured::number;
        assert_eq!(order(&big(3), &number(3.0)), Some(Ordering::Equal));
        assert_eq!(order(&big(3), &number(3.5)), Some(Ordering::Less));
        assert_eq!(order(&number(-3.5), &big(-3)), Some(Ordering::Less));
        assert_eq!(order(&big(-3), &number(-3.5)), Some(Ordering::Greater));
        // As doubles these two are the same.
        assert_eq!(order(&big((1 << 53) + 1), &number(2_f64.powi(53))), Some(Ordering::Greater));
        assert_eq!(order(&big(i128::MAX), &number(f64::INFINITY)), Some(Ordering::Less));
        assert_eq!(order(&big(0), &number(f64::NAN)), None);
        assert_eq!(order(&Structured::Bool(true), &number(1.0)), None);
    }
}
