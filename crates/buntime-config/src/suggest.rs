//! "Did you mean …?"

/// The candidate that somebody who wrote `word` probably meant.
pub(crate) fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let folded = fold(word);
    if folded.is_empty() || folded.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= tolerated(folded.len().max(candidate.len())))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Help for a word that is none of those: the closest one, or all when they are few.
pub(crate) fn help<'c>(word: &str, what: &str, candidates: &[&'c str]) -> Option<String> {
    if let Some(meant) = closest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    let list = |words: &[&'c str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match candidates.len() {
        0 => None,
        1..=24 => Some(format!("{what}: {}", list(candidates))),
        more => Some(format!("{what}: {} and {} more", list(&candidates[..24]), more - 24)),
    }
}

fn distance(word: &str, candidate: &str) -> usize {
    let distance = strsim::damerau_levenshtein(word, candidate);
    // `rate` for `rateLimit`: a beginning is nearer than its length says.
    if word.len() >= 4 && candidate.starts_with(word) { distance.min(2) } else { distance }
}

/// One mistake in three characters, but at least one in a word of two.
fn tolerated(length: usize) -> usize {
    (length / 3).clamp(1, 4)
}

/// Case, `_` and `-` are no mistakes of their own.
fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let keys = ["host", "port", "trustedProxies", "maxBodySize"];
        assert_eq!(closest("prot", keys), Some("port"));
        assert_eq!(closest("trusted_proxies", keys), Some("trustedProxies"));
        assert_eq!(closest("maxBody", keys), Some("maxBodySize"));
        assert_eq!(closest("zzz", keys), None);
        assert_eq!(closest("", keys), None);
        assert_eq!(help("zzz", "known keys", &["a1", "b2"]).unwrap(), "known keys: `a1`, `b2`");
    }
}
