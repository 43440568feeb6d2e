//! The ordered list of patterns against a scan, with few and with many.

use buntime_router::Patterns;
use proptest::prelude::*;
use regex::Regex;

fn patterns(texts: &[String]) -> Patterns<usize> {
    texts.iter().enumerate().map(|(index, text)| (Regex::new(text).unwrap(), index)).collect()
}

fn scan(patterns: &Patterns<usize>, text: &str) -> Vec<usize> {
    patterns.iter().filter(|(regex, _)| regex.is_match(text)).map(|(_, value)| *value).collect()
}

fn found(patterns: &Patterns<usize>, text: &str) -> Vec<usize> {
    patterns
        .find_all(text)
        .map(|hit| {
            assert_eq!(hit.index, *hit.value);
            assert!(hit.regex.is_match(text));
            hit.index
        })
        .collect()
}

#[test]
fn the_first_wins_and_the_others_follow() {
    let texts = ["^/legacy/(.*)$", "^/(.*)$", "^/legacy", "^/api/.*\\.json$", "x"].map(str::to_owned);
    let patterns = patterns(&texts);
    assert_eq!(found(&patterns, "/legacy/x.json"), [0, 1, 2, 4]);
    assert_eq!(found(&patterns, "/api/a.json"), [1, 3]);
    assert!(found(&patterns, "nothing").is_empty());
    assert_eq!(patterns.find("/legacy/").map(|hit| hit.index), Some(0));
    let none = Patterns::<()>::default();
    assert!(none.is_empty() && none.find("/").is_none());
}

#[test]
fn many_of_one_beginning_and_of_none() {
    let mut texts: Vec<String> = (0..600).map(|n| format!("^/v[0-9]+/item{n}(/.*)?$")).collect();
    texts.extend((0..600).map(|n| format!("item{n}/edit")));
    texts.push("(?i)EDIT$".to_owned());
    texts.extend((0..600).map(|n| format!("^/v7/item{n}")));
    let patterns = patterns(&texts);
    for path in ["/v1/item5", "/v1/item599/edit", "/v7/item77/edit", "/v7/item6000", "/x", ""] {
        assert_eq!(found(&patterns, path), scan(&patterns, path), "{path}");
    }
}

#[test]
fn patterns_too_big_for_one_automaton_are_searched_all_the_same() {
    // Each takes about a megabyte.
    let texts: Vec<String> = (0..12).map(|n| format!("^\\w{{30}}{n}$")).collect();
    let patterns = patterns(&texts);
    let text = format!("{}7", "ä".repeat(30));
    assert_eq!(found(&patterns, &text), [7]);
}

#[test]
fn where_the_automaton_cannot_tell_each_pattern_is_asked() {
    let texts: Vec<String> = (0..20).map(|n| format!("^/.*\\bx{n}\\b")).collect();
    let patterns = patterns(&texts);
    for text in ["/ä x7 x9", "/x7 x9", "/äx7", "/x7ä"] {
        assert_eq!(found(&patterns, text), scan(&patterns, text), "{text}");
    }
    assert_eq!(found(&patterns, "/ä x7 x9"), [7, 9]);
}

#[test]
fn a_thousand_that_all_match_are_told_in_order() {
    let texts: Vec<String> = (0..1000).map(|n| format!("^/a.*(x|{n})$")).collect();
    let patterns = patterns(&texts);
    assert!(found(&patterns, "/a/x").into_iter().eq(0..1000));
}

#[test]
fn searched_from_many_threads_at_once() {
    let texts: Vec<String> = (0..100).map(|n| format!("^/[a-z]+/{n}$")).collect();
    let patterns = patterns(&texts);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let patterns = &patterns;
            scope.spawn(move || {
                for n in 0..200 {
                    let n = (n + thread) % 100;
                    assert_eq!(found(patterns, &format!("/abc/{n}")), [n]);
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn finds_what_a_scan_finds(
        texts in prop::collection::vec(
            r"\^?(/|a|b|ab|/a|\.|\\\.|a\?|b\*|\(a\)|\(/b\)\?|\[ab\]|a\|b|\$|\.\*|\(\?i\)){0,6}", 0..60),
        paths in prop::collection::vec("/[abA./]{0,8}", 1..20),
    ) {
        let texts: Vec<String> = texts.into_iter().filter(|text| Regex::new(text).is_ok()).collect();
        let patterns = patterns(&texts);
        for path in &paths {
            prop_assert_eq!(found(&patterns, path), scan(&patterns, path), "{}", path);
        }
    }
}
