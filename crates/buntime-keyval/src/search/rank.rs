//! Which documents a query finds, and in which order: BM25, as FTS5 has it.

use super::{
    document::Occurrences,
    query::{Leaf, Node},
};

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// A term that is looked up, or all that begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub(crate) term: String,
    pub(crate) prefix: bool,
}

/// The lookups of a query, each once; [`Found`] has its occurrences in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookups(pub(crate) Vec<Lookup>);

impl Lookups {
    pub(crate) fn of(query: &Node) -> Self {
        let mut all = Self::default();
        all.add(query);
        all
    }

    fn add(&mut self, node: &Node) {
        match node {
            Node::Leaf(leaf) => {
                for lookup in leaf.lookups() {
                    if !self.0.contains(&lookup) {
                        self.0.push(lookup);
                    }
                }
            }
            Node::And { all, not } => all.iter().chain(not).for_each(|node| self.add(node)),
            Node::Or(any) => any.iter().for_each(|node| self.add(node)),
        }
    }

    pub(crate) fn place(&self, lookup: &Lookup) -> Option<usize> {
        self.0.iter().position(|known| known == lookup)
    }
}

impl Leaf {
    pub(crate) fn lookups(&self) -> impl Iterator<Item = Lookup> + '_ {
        let last = self.terms.len().saturating_sub(1);
        let lookup =
            move |(at, term): (usize, &String)| Lookup { term: term.clone(), prefix: self.prefix && at == last };
        self.terms.iter().enumerate().map(lookup)
    }
}

/// What is known of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) length: u32,
    /// Of each lookup.
    pub(crate) occurrences: Vec<Option<Occurrences>>,
}

impl Found {
    pub(crate) fn matches(&self, query: &Node, lookups: &Lookups) -> bool {
        match query {
            Node::Leaf(leaf) => self.frequency(leaf, lookups) > 0,
            Node::And { all, not } => {
                all.iter().all(|node| self.matches(node, lookups))
                    && !not.iter().any(|node| self.matches(node, lookups))
            }
            Node::Or(any) => any.iter().any(|node| self.matches(node, lookups)),
        }
    }

    /// How often it is there.
    fn frequency(&self, leaf: &Leaf, lookups: &Lookups) -> u32 {
        let terms: Option<Vec<&Occurrences>> = leaf
            .lookups()
            .map(|lookup| lookups.place(&lookup).and_then(|at| self.occurrences.get(at)?.as_ref()))
            .collect();
        let Some(terms) = terms else { return 0 };
        let Some((first, rest)) = terms.split_first() else { return 0 };
        let in_field = |field: u32| {
            let begins = |place: &&u32| {
                (1..).zip(rest).all(|(after, term)| term.places(field).binary_search(&(**place + after)).is_ok())
            };
            u32::try_from(first.places(field).iter().filter(begins).count()).unwrap_or(u32::MAX)
        };
        match leaf.field {
            Some(field) => in_field(field),
            None => first.fields().map(in_field).sum(),
        }
    }

    /// How well it fits, more being better. `rarity` is that of a leaf, see [`rarity`].
    pub(crate) fn score(&self, query: &Node, lookups: &Lookups, average: f64, rarity: &impl Fn(&Leaf) -> f64) -> f64 {
        let parts = |nodes: &[Node]| nodes.iter().map(|node| self.score(node, lookups, average, rarity)).sum();
        match query {
            Node::Leaf(leaf) => {
                let often = f64::from(self.frequency(leaf, lookups));
                let long = if average > 0.0 { f64::from(self.length) / average } else { 1.0 };
                rarity(leaf) * often * (K1 + 1.0) / (often + K1 * (1.0 - B + B * long))
            }
            Node::And { all, .. } => parts(all),
            Node::Or(any) => parts(any),
        }
    }
}

/// What a term is worth that so many of all documents have.
pub(crate) fn rarity(documents: u64, having: u64) -> f64 {
    let (all, having) = (documents.max(having) as f64, having as f64);
    // Never nothing: what half of all have still makes a difference between two of them.
    ((all - having + 0.5) / (having + 0.5)).ln().max(1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Tokenizer, Value,
        fields::FieldPath,
        search::{document::Document, query},
        structured::Structured,
    };

    fn fields() -> Vec<FieldPath> {
        ["title", "body"].iter().map(|path| FieldPath::new(path).unwrap()).collect()
    }

    fn found(title: &str, body: &str, lookups: &Lookups) -> Found {
        let text = |text: &str| Structured::String(text.into());
        let value = Structured::Object(vec![("title".into(), text(title)), ("body".into(), text(body))]);
        let document = Document::of(&Value::V8(value.encode().into()), &fields(), Tokenizer::Unicode61);
        let of = |lookup: &Lookup| {
            let mut all: Option<Occurrences> = None;
            for (term, stored) in &document.terms {
                if *term == lookup.term || (lookup.prefix && term.starts_with(&lookup.term)) {
                    let (_, more) = Occurrences::read(stored).unwrap();
                    all.get_or_insert_default().merge(more);
                }
            }
            all
        };
        Found { length: document.length, occurrences: lookups.0.iter().map(of).collect() }
    }

    fn matches(query: &str, title: &str, body: &str) -> bool {
        let query = query::parse(query, &fields(), Tokenizer::Unicode61).unwrap();
        let lookups = Lookups::of(&query);
        found(title, body, &lookups).matches(&query, &lookups)
    }

    #[test]
    fn what_a_query_finds() {
        for (query, expected) in [
            ("red", true),
            ("title:red", true),
            ("body:red", false),
            ("\"red wine\"", true),
            ("\"wine from\"", false),
            ("\"wine red\"", false),
            ("fro* NOT white", true),
            ("red NOT spain", false),
            ("\"from spa\"*", true),
            ("white OR (wine spain)", true),
            ("white AND wine", false),
        ] {
            assert_eq!(matches(query, "red wine", "from Spain"), expected, "{query}");
        }
    }

    #[test]
    fn what_is_rarer_more_often_and_in_less_text_is_first() {
        let query = query::parse("wine", &fields(), Tokenizer::Unicode61).unwrap();
        let lookups = Lookups::of(&query);
        let score = |title, body| found(title, body, &lookups).score(&query, &lookups, 5.0, &|_| rarity(100, 10));
        assert!(score("wine", "wine") > score("wine", "water"));
        assert!(score("wine", "") > score("wine", "and much else that is not it"));
        assert!(score("beer", "") == 0.0);
        assert!(rarity(100, 1) > rarity(100, 10) && rarity(100, 90) > 0.0 && rarity(0, 5) > 0.0);
    }
}
