//! What an index keeps of an entry: its terms and where they are.

use std::collections::HashMap;
#[cfg(test)]
use std::fmt::Write;

use super::tokenize::{Token, tokens};
use crate::{Tokenizer, Value, fields::FieldPath, structured::Structured};

/// Terms of an entry that are indexed; what comes after them is not found.
pub(crate) const MOST_TERMS: usize = 10_000;
/// Bits of a bigint whose digits are indexed: they cost the square of their number.
const MOST_BITS: u64 = 1024;
/// Between elements of a list, so that no phrase goes from one into the next.
const GAP: u32 = 2;

/// The terms of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// How many there are, each as often as it comes.
    pub(crate) length: u32,
    /// Each, with its occurrences as they are stored.
    pub(crate) terms: Vec<(String, Vec<u8>)>,
}

impl Document {
    pub(crate) fn of(value: &Value, fields: &[FieldPath], tokenizer: Tokenizer) -> Self {
        let Some(value) = value.tree() else { return Self::default() };
        let mut length = 0;
        let mut terms: HashMap<String, Occurrences> = HashMap::new();
        for (field, path) in (0..).zip(fields) {
            each_term(&value, path, tokenizer, &mut |place, token| {
                length += 1;
                terms.entry(token.term).or_default().add(field, place);
                length < MOST_TERMS
            });
            if length >= MOST_TERMS {
                break;
            }
        }
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let mut terms: Vec<_> =
            terms.into_iter().map(|(term, occurrences)| (term, occurrences.stored(length))).collect();
        terms.sort_unstable();
        Self { length, terms }
    }
}

/// Calls with each term of a field and its place, until it is told to stop.
fn each_term(value: &Structured, path: &FieldPath, tokenizer: Tokenizer, each: &mut impl FnMut(u32, Token) -> bool) {
    let (mut place, mut more) = (0, true);
    for text in texts(value, path) {
        for token in tokens(tokenizer, &text) {
            if !more {
                return;
            }
            more = each(place, token);
            place += 1;
        }
        place += GAP - 1;
    }
}

/// The texts of a field, in their order.
pub(crate) fn texts(value: &Structured, path: &FieldPath) -> Vec<String> {
    let mut all = Vec::new();
    path.visit(value, &mut |found| collect(found, &mut all));
    all
}

/// Texts, and what is written as one; of objects and lists all that is in them.
fn collect(value: &Structured, into: &mut Vec<String>) {
    match value {
        Structured::String(text) => into.push(match text.as_str() {
            Some(text) => text.to_owned(),
            None => String::from_utf16_lossy(&text.units()),
        }),
        Structured::Bool(bool) => into.push(bool.to_string()),
        Structured::Int(number) => into.push(number.to_string()),
        Structured::Double(number) => into.push(number.to_string()),
        Structured::BigInt(number) if number.bits() <= MOST_BITS => into.push(number.to_string()),
        Structured::Boxed(inner) => collect(inner, into),
        Structured::Array(elements, _) => elements.iter().flatten().for_each(|element| collect(element, into)),
        Structured::Set(elements) => elements.iter().for_each(|element| collect(element, into)),
        Structured::Object(properties) | Structured::Sparse(_, properties) => {
            properties.iter().for_each(|(_, value)| collect(value, into));
        }
        Structured::Map(entries) => entries.iter().for_each(|(_, value)| collect(value, into)),
        _ => {}
    }
}

/// Where a term is: places by field, both ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Occurrences(Vec<(u32, Vec<u32>)>);

impl Occurrences {
    /// In the order of fields and places.
    fn add(&mut self, field: u32, place: u32) {
        match self.0.last_mut() {
            Some((last, places)) if *last == field => places.push(place),
            _ => self.0.push((field, vec![place])),
        }
    }

    /// The places in a field.
    pub(crate) fn places(&self, field: u32) -> &[u32] {
        self.0.iter().find(|(of, _)| *of == field).map_or(&[], |(_, places)| places)
    }

    /// The fields it is in.
    pub(crate) fn fields(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().map(|(field, _)| *field)
    }

    /// Those of another term that counts as the same.
    pub(crate) fn merge(&mut self, other: Self) {
        for (field, places) in other.0 {
            match self.0.iter_mut().find(|(of, _)| *of == field) {
                Some((_, all)) => {
                    all.extend(places);
                    all.sort_unstable();
                    all.dedup();
                }
                None => self.0.push((field, places)),
            }
        }
        self.0.sort_unstable_by_key(|(field, _)| *field);
    }

    /// The length of the document, then fields, each with the number of its places and their distances.
    fn stored(&self, length: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8);
        put(length, &mut bytes);
        for (field, places) in &self.0 {
            put(*field, &mut bytes);
            put(u32::try_from(places.len()).unwrap_or(u32::MAX), &mut bytes);
            let mut last = 0;
            for place in places {
                put(place.wrapping_sub(last), &mut bytes);
                last = *place;
            }
        }
        bytes
    }

    /// As it was stored, with the length of the document. `None`: it was not stored by this.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<(u32, Self)> {
        let length = take(&mut bytes)?;
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let (field, count) = (take(&mut bytes)?, take(&mut bytes)?);
            let mut last = 0_u32;
            let mut places = Vec::new();
            for _ in 0..count {
                last = last.checked_add(take(&mut bytes)?)?;
                places.push(last);
            }
            all.push((field, places));
        }
        Some((length, Self(all)))
    }
}

fn put(mut number: u32, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u32::from(byte & 0x7f);
        number |= part.checked_shl(shift).filter(|shifted| shifted >> shift == part)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A document as a list of its terms, for tests.
#[cfg(test)]
pub(crate) fn shown(document: &Document) -> String {
    let mut all = String::new();
    for (term, stored) in &document.terms {
        let (length, places) = Occurrences::read(stored).expect("it was stored");
        assert_eq!(length, document.length);
        let _ = write!(all, "{term}{:?} ", places.0);
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::structured::Text;

    fn value(value: &Structured) -> Value {
        Value::V8(value.encode().into())
    }

    #[test]
    fn terms_of_fields_with_their_places() {
        let text = |text: &str| Structured::String(Text::from(text));
        let tags = Structured::Array(vec![Some(text("red wine")), None, Some(text("wine"))], Vec::new());
        let author = Structured::Object(vec![("name".into(), text("Ada")), ("age".into(), Structured::Int(36))]);
        let entry = Structured::Object(vec![("tags".into(), tags), ("author".into(), author)]);
        let fields = ["tags", "author", "none"].map(|path| FieldPath::new(path).unwrap());
        let document = Document::of(&value(&entry), &fields, Tokenizer::Unicode61);
        assert_eq!(shown(&document), "36[(1, [2])] ada[(1, [0])] red[(0, [0])] wine[(0, [1, 3])] ");
        assert_eq!(Document::of(&Value::Bytes([1].as_slice().into()), &fields, Tokenizer::Ascii), Document::default());
    }

    #[test]
    fn no_more_terms_than_the_most() {
        let long = Structured::String("a b ".repeat(MOST_TERMS).into());
        let whole = [FieldPath::new("$").unwrap()];
        let document = Document::of(&value(&long), &whole, Tokenizer::Unicode61);
        assert_eq!((document.length as usize, document.terms.len()), (MOST_TERMS, 2));
    }

    proptest! {
        #[test]
        fn occurrences_are_read_as_they_were_stored(
            fields in proptest::collection::btree_map(0..u32::MAX, proptest::collection::btree_set(any::<u32>(), 1..5), 0..4),
            length in any::<u32>(),
        ) {
            let all = Occurrences(fields.into_iter().map(|(field, places)| (field, places.into_iter().collect())).collect());
            prop_assert_eq!(Occurrences::read(&all.stored(length)), Some((length, all)));
        }

        #[test]
        fn other_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Occurrences::read(&bytes);
        }
    }
}
