//! Where in an entry a query's words are, with some of the text around them.

use super::{
    document::texts,
    query::{Leaf, Node},
    tokenize::{Token, tokens},
};
use crate::{Snippet, Tokenizer, Value, fields::FieldPath};

/// Words of a snippet, and how many of them come before the first that was found.
const WORDS: usize = 24;
const LEAD: usize = 4;
/// Characters of a snippet: words may be long.
const LONGEST: usize = 600;

/// The best snippet of each field that has one.
pub(crate) fn snippets(value: &Value, fields: &[FieldPath], tokenizer: Tokenizer, query: &Node) -> Vec<Snippet> {
    let Some(value) = value.tree() else { return Vec::new() };
    let mut leaves = Vec::new();
    wanted(query, &mut leaves);
    let mut all = Vec::new();
    for (number, field) in (0..).zip(fields) {
        let theirs: Vec<&Leaf> =
            leaves.iter().copied().filter(|leaf| leaf.field.is_none_or(|field| field == number)).collect();
        let best = texts(&value, field).into_iter().filter_map(|text| of_text(field, &text, tokenizer, &theirs));
        all.extend(best.max_by_key(|(marks, _)| *marks).map(|(_, snippet)| snippet));
    }
    all
}

/// What is to be there.
fn wanted<'a>(node: &'a Node, into: &mut Vec<&'a Leaf>) {
    match node {
        Node::Leaf(leaf) => into.push(leaf),
        Node::And { all, .. } => all.iter().for_each(|node| wanted(node, into)),
        Node::Or(any) => any.iter().for_each(|node| wanted(node, into)),
    }
}

/// With how many marks it has.
fn of_text(field: &FieldPath, text: &str, tokenizer: Tokenizer, leaves: &[&Leaf]) -> Option<(usize, Snippet)> {
    let tokens: Vec<Token> = tokens(tokenizer, text).take(super::document::MOST_TERMS).collect();
    let marked = marks(&tokens, leaves);
    let count = |start: usize| marked.iter().skip(start).take(WORDS).filter(|marked| **marked).count();
    let starts = marked.iter().enumerate().filter(|(_, marked)| **marked).map(|(at, _)| at);
    // Of equals the first.
    let best = starts.rev().max_by_key(|start| count(*start))?;
    let first = if tokens.len() <= WORDS { 0 } else { best.saturating_sub(LEAD) };
    let shown: Vec<(&Token, bool)> = tokens.iter().zip(marked.iter().copied()).skip(first).take(WORDS + LEAD).collect();
    let mut begin = if first == 0 { 0 } else { shown.first()?.0.at.start };
    let found = tokens.get(best)?.at.start;
    if text.get(begin..found)?.chars().count() > LONGEST / 2 {
        begin = found;
    }
    let last = if first + shown.len() == tokens.len() { text.len() } else { shown.last()?.0.at.end };
    let mut pieces: Vec<(String, bool)> = Vec::new();
    let (mut at, mut characters) = (begin, 0);
    let mut add = |piece: &str, marked: bool| {
        let some: String = piece.chars().take(LONGEST - characters).collect();
        characters += some.chars().count();
        if !some.is_empty() {
            pieces.push((some, marked));
        }
    };
    for (token, marked) in shown {
        if marked && token.at.start >= begin {
            add(text.get(at..token.at.start)?, false);
            add(text.get(token.at.clone())?, true);
            at = token.at.end;
        }
    }
    add(text.get(at..last)?, false);
    let cut = characters == LONGEST;
    let snippet =
        Snippet { field: field.as_str().to_owned(), pieces, before: begin > 0, after: cut || last < text.len() };
    Some((count(best), snippet))
}

/// Which of the tokens are of something that was looked for; of a phrase only where it is whole.
fn marks(tokens: &[Token], leaves: &[&Leaf]) -> Vec<bool> {
    let mut marked = vec![false; tokens.len()];
    for leaf in leaves {
        let lookups: Vec<_> = leaf.lookups().collect();
        for (start, there) in tokens.windows(lookups.len().max(1)).enumerate() {
            let whole = lookups.iter().zip(there).all(|(lookup, token)| {
                token.term == lookup.term || (lookup.prefix && token.term.starts_with(&lookup.term))
            });
            if whole {
                marked.iter_mut().skip(start).take(lookups.len()).for_each(|marked| *marked = true);
            }
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{search::query, structured::Structured};

    fn of(query: &str, text: &str) -> Vec<String> {
        let value = Structured::Object(vec![("t".into(), Structured::String(text.into()))]);
        let fields = [FieldPath::new("t").unwrap(), FieldPath::new("none").unwrap()];
        let query = query::parse(query, &fields, Tokenizer::Porter).unwrap();
        let value = Value::V8(value.encode().into());
        snippets(&value, &fields, Tokenizer::Porter, &query).iter().map(Snippet::html).collect()
    }

    #[test]
    fn marks_what_was_looked_for() {
        let text = "<b>Connections</b> & \"red wine\", white wine";
        let expected = "&lt;b&gt;<mark>Connections</mark>&lt;/b&gt; &amp; &quot;<mark>red</mark> <mark>wine</mark>&quot;, white wine";
        assert_eq!(of("connected OR \"red wine\" NOT white", text), [expected]);
        assert_eq!(of("conn* NOT b", text).len(), 1);
        assert!(of("none:b OR zebra", text).is_empty());
    }

    #[test]
    fn long_texts_are_cut_where_most_of_it_is() {
        let filler = "word ".repeat(100);
        let text = format!("{filler}one red {filler}red wine red {filler}");
        let html = of("red OR wine", &text);
        assert!(
            html[0].starts_with("…word word word word <mark>red</mark> <mark>wine</mark> <mark>red</mark> word"),
            "{html:?}"
        );
        assert!(html[0].ends_with("word…") && html[0].len() < 250);
        let long = "x".repeat(5000);
        assert_eq!(of("y", &format!("{long} y")), ["…<mark>y</mark>"]);
        assert_eq!(of("y", &format!("y {long}"))[0].chars().count(), LONGEST + "<mark></mark>…".chars().count());
    }
}
