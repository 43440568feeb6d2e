//! Times as JavaScript's `toISOString` prints them.

use time::{
    OffsetDateTime,
    format_description::{StaticFormatDescription, well_known::Rfc3339},
    macros::format_description,
};

const ISO: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// JavaScript's dates go this far from 1970, in milliseconds.
pub(super) const MOST: f64 = 8.64e15;

/// Of milliseconds since the Unix epoch, if the year has four digits and they are whole.
pub(super) fn print(time: f64) -> Option<String> {
    if time.fract() != 0.0 || time.abs() > MOST {
        return None;
    }
    let time = OffsetDateTime::from_unix_timestamp_nanos(time as i128 * 1_000_000).ok()?;
    (time.year() >= 0).then(|| time.format(ISO).ok()).flatten()
}

/// Milliseconds since the Unix epoch of a date and time with its offset from UTC.
pub(super) fn parse(text: &str) -> Option<f64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(time.unix_timestamp_nanos().div_euclid(1_000_000) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_javascript_has_them() {
        for (time, text) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (-1.0, "1969-12-31T23:59:59.999Z"),
            (1_709_210_096_789.0, "2024-02-29T12:34:56.789Z"),
            (-62_167_219_200_000.0, "0000-01-01T00:00:00.000Z"),
            (253_402_300_799_999.0, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(print(time).as_deref(), Some(text));
            assert_eq!(parse(text), Some(time));
        }
        assert_eq!(parse("2024-02-29T12:34:56+02:00"), Some(1_709_202_896_000.0));
        for time in [f64::NAN, f64::INFINITY, 0.5, MOST, -MOST, 253_402_300_800_000.0, -62_167_219_200_001.0] {
            assert_eq!(print(time), None);
        }
        for text in ["", "2024-02-29", "2023-02-29T00:00:00Z", "yesterday"] {
            assert_eq!(parse(text), None);
        }
    }
}
