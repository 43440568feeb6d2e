//! "Did you mean …?"

/// The candidate that somebody who wrote `word` probably meant.
pub(crate) fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > 64 {
        return None;
    }
    let folded = word.to_ascii_lowercase().replace('-', "_");
    let measured = candidates.into_iter().map(|known| (strsim::damerau_levenshtein(&folded, known), known));
    let near = measured.filter(|(distance, known)| *distance <= (known.len() / 3).clamp(1, 4));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}
