//! The ready sets: patterns, what a match must be besides, and what stands in its place. All of ASCII, so that a text of
//! any language is searched by one automaton.

use crate::config::Detect;

/// One pattern of a ready set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) pattern: &'static str,
    pub(crate) check: Check,
    pub(crate) mask: &'static str,
}

/// What a match must be besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing.
    #[default]
    Nothing,
    /// A card number: the longest beginning whose check digit is right.
    Card,
    /// 8 to 15 digits.
    Phone,
}

/// The patterns of a set.
pub(crate) fn patterns(of: Detect) -> Vec<Ready> {
    let (mask, check, patterns): (_, _, &[&'static str]) = match of {
        Detect::CreditCard => ("[MASKED_CC]", Check::Card, &[r"(?-u:\b[2-6](?:[ -]?[0-9]){12,18}\b)"]),
        Detect::ApiKey => ("[MASKED_API_KEY]", Check::Nothing, &API_KEYS),
        Detect::BearerToken => {
            ("[MASKED_TOKEN]", Check::Nothing, &[r"(?i-u:\bbearer[ ]{1,4}[A-Za-z0-9._~+/-]{8,}={0,2})"])
        }
        Detect::Jwt => (
            "[MASKED_JWT_TOKEN]",
            Check::Nothing,
            &[r"(?-u:\beyJ[A-Za-z0-9_-]{5,}\.(?:eyJ)?[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*)"],
        ),
        Detect::Email => (
            "[MASKED_EMAIL]",
            Check::Nothing,
            &[
                r"(?-u:\b[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}\b)",
            ],
        ),
        Detect::PhoneNumber => (
            "[MASKED_PHONE]",
            Check::Phone,
            &[
                r"(?-u:\+[1-9](?:[ .()-]{0,2}[0-9]){6,14}\b)",
                r"(?-u:(?:\b|\()[2-9][0-9]{2}\)?[ .-]{1,2}[2-9][0-9]{2}[ .-][0-9]{4}\b)",
            ],
        ),
    };
    patterns.iter().map(|pattern| Ready { pattern, check, mask }).collect()
}

const API_KEYS: [&str; 9] = [
    r"(?-u:\b(?:AKIA|ASIA)[0-9A-Z]{16}\b)",
    r"(?-u:\bgh[pousr]_[A-Za-z0-9]{36,255}\b)",
    r"(?-u:\bgithub_pat_[A-Za-z0-9_]{22,255}\b)",
    r"(?-u:\bglpat-[A-Za-z0-9_-]{20,64})",
    r"(?-u:\bAIza[0-9A-Za-z_-]{35})",
    r"(?-u:\bnpm_[A-Za-z0-9]{36}\b)",
    r"(?-u:\bsk-[A-Za-z0-9_-]{20,250})",
    r"(?-u:\bxox[abeoprs]-[A-Za-z0-9-]{10,250})",
    r"(?-u:\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,250}\b)",
];

impl Check {
    /// Where the match that begins this text ends, if it is one.
    pub(crate) fn end(self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Nothing => Some(text.len()),
            Self::Card => card(text),
            Self::Phone => {
                let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
                (8..=15).contains(&digits).then_some(text.len())
            }
        }
    }
}

/// The longest beginning that is a card number: at least 13 digits, not followed by another, not all the same, with the
/// right check digit.
fn card(text: &[u8]) -> Option<usize> {
    // Where each digit is.
    let digits: Vec<(usize, u8)> =
        text.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).map(|(at, byte)| (at, byte - b'0')).collect();
    (13..=digits.len()).rev().find_map(|count| {
        let (number, rest) = digits.split_at(count);
        let end = number.last()?.0 + 1;
        let apart = rest.first().is_none_or(|(next, _)| *next > end);
        let same = number.iter().all(|(_, digit)| Some(digit) == number.first().map(|(_, first)| first));
        (apart && !same && luhn(number)).then_some(end)
    })
}

fn luhn(number: &[(usize, u8)]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(place, (_, digit))| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_the_longest_beginning_with_a_right_check_digit() {
        for (text, end) in [
            ("4111111111111111", Some(16)),
            ("4111 1111 1111 1111", Some(19)),
            ("4111-1111-1111-1111 12", Some(19)),
            ("378282246310005", Some(15)),
            ("6304000000000000", Some(16)),
            ("4111111111111112", None),
            ("411111111111111", None),
            ("4444444444444", None),
            ("4222222222222", Some(13)),
        ] {
            assert_eq!(Check::Card.end(text.as_bytes()), end, "{text}");
        }
    }
}
