//! PostgreSQL's `numeric` on the wire: digits to base 10,000, a weight, a sign, a scale.

use crate::Value;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITE: u16 = 0xD000;
const MINUS_INFINITE: u16 = 0xF000;

/// An integer if it has no decimals and fits, otherwise its digits as text. `None` for what is no numeric.
pub(super) fn read(raw: &[u8]) -> Option<Value> {
    let mut shorts = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight, sign, scale) = (shorts.next()?, shorts.next()? as i16, shorts.next()?, shorts.next()?);
    match sign {
        NAN => return Some(Value::Null),
        INFINITE => return Some("Infinity".into()),
        MINUS_INFINITE => return Some("-Infinity".into()),
        _ => {}
    }
    let digits: Vec<u16> = shorts.take(count.into()).collect();
    if digits.len() != usize::from(count) {
        return None;
    }
    let at = |place: i32| usize::try_from(place).ok().and_then(|place| digits.get(place)).copied().unwrap_or(0);
    let weight = i32::from(weight);
    let mut text = String::new();
    if sign == NEGATIVE {
        text.push('-');
    }
    let whole: String = (0..=weight).map(|place| format!("{:04}", at(place))).collect();
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    let groups = i32::from(scale.div_ceil(4));
    let mut fraction: String = (1..=groups).map(|group| format!("{:04}", at(weight + group))).collect();
    fraction.truncate(scale.into());
    if scale == 0
        && let Ok(integer) = text.parse()
    {
        return Some(Value::Integer(integer));
    }
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(&fraction);
    }
    Some(Value::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> Vec<u8> {
        let head = [digits.len() as u16, weight as u16, sign, scale];
        head.iter().chain(digits).flat_map(|short| short.to_be_bytes()).collect()
    }

    #[test]
    fn numbers() {
        assert_eq!(read(&wire(0, 0, 0, &[42])), Some(Value::Integer(42)));
        assert_eq!(read(&wire(1, NEGATIVE, 0, &[1, 5])), Some(Value::Integer(-10_005)));
        assert_eq!(read(&wire(0, 0, 0, &[])), Some(Value::Integer(0)));
        assert_eq!(read(&wire(1, 0, 0, &[3])), Some(Value::Integer(30_000)));
        assert_eq!(read(&wire(0, 0, 2, &[2, 5_000])), Some("2.50".into()));
        assert_eq!(read(&wire(0, 0, 2, &[7])), Some("7.00".into()));
        assert_eq!(read(&wire(-1, NEGATIVE, 4, &[25])), Some("-0.0025".into()));
        assert_eq!(read(&wire(-2, 0, 8, &[25])), Some("0.00000025".into()));
        assert_eq!(read(&wire(5, 0, 0, &[1])), Some("100000000000000000000".into()));
        assert_eq!(read(&wire(0, NAN, 0, &[])), Some(Value::Null));
        assert_eq!(read(&[0, 1, 0]), None);
    }
}
