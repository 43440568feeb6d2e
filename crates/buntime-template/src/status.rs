//! Statuses as rules write them: `404`, `5xx`, `400-499`.

use std::ops::RangeInclusive;

/// Reads one status, a class or a range; `None` if it is none of them.
pub fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let one = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|status| digits && (100..=599).contains(status))
    };
    if let Some(class) = text.strip_suffix("xx") {
        let first = one(&format!("{class}00"))?;
        return Some(first..=first + 99);
    }
    match text.split_once('-') {
        Some((from, to)) => {
            let range = one(from)?..=one(to)?;
            (!range.is_empty()).then_some(range)
        }
        None => one(text).map(|status| status..=status),
    }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn statuses_are_one_a_class_or_a_range() {
        assert_eq!((range("404"), range("5xx"), range("400-499")), (Some(404..=404), Some(500..=599), Some(400..=499)));
        for wrong in ["", "xx", "6xx", "99", "0404", "600", "499-400", "4x", "a-b", "+44", "44xx"] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
