//! Paths into values: `author.name`, `items[0].price`, `"a.b"[#-1]`; `$` is the whole value, `$[0]` its first element.

use crate::{
    Error, Result,
    structured::{Structured, Text},
    tree,
};

/// Steps of one path.
const STEPS: usize = 32;
/// References that are followed for all that is at a path.
const REFERENCES: usize = 64;
/// Bytes of one path.
const LONGEST: usize = 1024;

/// Where in a value.
///
/// ```
/// use buntime_keyval_types::{Path, json::value_from_json, structured::Structured};
///
/// let value = value_from_json(&serde_json::json!({ "items": [{ "price": 1 }, { "price": 2 }] }), None)?;
/// let tree = value.tree().ok_or("it is whole")?;
/// assert_eq!(Path::parse("items[1].price")?.find(&tree), Some(&Structured::Int(2)));
/// let mut prices = Vec::new();
/// Path::parse("items.price")?.each(&tree, &mut |price| prices.push(price));
/// assert_eq!(prices, [&Structured::Int(1), &Structured::Int(2)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    /// From the end: 1 is the last.
    Back(usize),
}

impl Path {
    /// # Errors
    /// [`Error::Invalid`] if it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::Invalid(format!(
                "`{}` is no path into a value; write `a.b`, `items[0]`, `\"a name with dots\".x`, or `$` for all of it",
                text.chars().take(100).collect::<String>()
            ).into())
        };
        if text.len() > LONGEST {
            return Err(bad());
        }
        let mut steps = Vec::new();
        // What begins with `$` is rooted there; anything else begins with a name.
        let mut rest = match text.strip_prefix('$') {
            Some(rest) => rest,
            None => {
                let (name, rest) = name(text).ok_or_else(bad)?;
                steps.push(Step::Name(name));
                rest
            }
        };
        while !rest.is_empty() {
            let (step, left) = match rest.strip_prefix('.') {
                Some(rest) => name(rest).map(|(name, rest)| (Step::Name(name), rest)),
                None => rest.strip_prefix('[').and_then(index),
            }
            .ok_or_else(bad)?;
            steps.push(step);
            rest = left;
        }
        if steps.len() > STEPS { Err(bad()) } else { Ok(Self(steps)) }
    }

    /// What is there.
    pub fn find<'a>(&self, root: &'a Structured) -> Option<&'a Structured> {
        self.0.iter().try_fold(tree::resolve(root, root), |at, step| {
            let found = match step {
                Step::Name(name) => property(at, name),
                Step::Index(index) => element(at, *index),
                Step::Back(back) => element(at, length(at)?.checked_sub(*back)?),
            };
            found.map(|found| tree::resolve(root, found))
        })
    }

    /// All that is there: where there is a list and a name, that of each element, and of a list at the end its elements.
    /// Of references some are followed: a small value can have very many ways through itself.
    pub fn each<'a>(&self, root: &'a Structured, found: &mut impl FnMut(&'a Structured)) {
        let mut walk = Walk { root, found, references: REFERENCES };
        walk.on(root, &self.0);
    }
}

struct Walk<'a, 'b, F> {
    root: &'a Structured,
    found: &'b mut F,
    /// That may still be followed.
    references: usize,
}

impl<'a, F: FnMut(&'a Structured)> Walk<'a, '_, F> {
    fn on(&mut self, at: &'a Structured, steps: &[Step]) {
        if matches!(at, Structured::Reference(_)) {
            let Some(left) = self.references.checked_sub(1) else { return };
            self.references = left;
        }
        let at = tree::resolve(self.root, at);
        let next = match (steps.split_first(), at) {
            (None, Structured::Array(elements, _)) => {
                for element in elements.iter().flatten() {
                    (self.found)(element);
                }
                return;
            }
            (None, _) => return (self.found)(at),
            (Some((Step::Name(_), _)), Structured::Array(elements, _)) => {
                // A list in a list has no names.
                let named = elements.iter().flatten().filter(|element| !matches!(element, Structured::Array(..)));
                return named.for_each(|element| self.on(element, steps));
            }
            (Some((Step::Name(name), rest)), _) => property(at, name).map(|next| (next, rest)),
            (Some((Step::Index(index), rest)), _) => element(at, *index).map(|next| (next, rest)),
            (Some((Step::Back(back), rest)), _) => {
                let index = length(at).and_then(|length| length.checked_sub(*back));
                index.and_then(|index| element(at, index)).map(|next| (next, rest))
            }
        };
        if let Some((next, rest)) = next {
            self.on(next, rest);
        }
    }
}

fn name(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = quoted.split_once('"')?;
        return Some((name.to_owned(), rest));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (!name.is_empty() && !name.contains(['"', ']'])).then(|| (name.to_owned(), rest))
}

fn index(text: &str) -> Option<(Step, &str)> {
    let (inside, rest) = text.split_once(']')?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<usize>().ok()).flatten()
    };
    let step = match inside.strip_prefix("#-") {
        Some(back) => Step::Back(number(back).filter(|back| *back > 0)?),
        None => Step::Index(number(inside)?),
    };
    Some((step, rest))
}

fn property<'a>(of: &'a Structured, name: &str) -> Option<&'a Structured> {
    let named = |(of, _): &&'a (Text, Structured)| of.as_str() == Some(name);
    match of {
        Structured::Object(properties) | Structured::Array(_, properties) => {
            properties.iter().rfind(named).map(|(_, value)| value)
        }
        Structured::Map(entries) => {
            let key = |(key, _): &&'a (Structured, Structured)| matches!(key, Structured::String(key) if key.as_str() == Some(name));
            entries.iter().find(key).map(|(_, value)| value)
        }
        _ => None,
    }
}

fn element(of: &Structured, index: usize) -> Option<&Structured> {
    match of {
        Structured::Array(elements, _) => elements.get(index)?.as_ref(),
        Structured::Sparse(length, properties) if index < *length as usize => {
            let name = index.to_string();
            properties.iter().find(|(of, _)| of.as_str() == Some(&name)).map(|(_, value)| value)
        }
        _ => None,
    }
}

fn length(of: &Structured) -> Option<usize> {
    match of {
        Structured::Array(elements, _) => Some(elements.len()),
        Structured::Sparse(length, _) => Some(*length as usize),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(properties: &[(&str, Structured)]) -> Structured {
        Structured::Object(properties.iter().map(|(name, value)| (Text::from(*name), value.clone())).collect())
    }

    fn list(elements: &[Structured]) -> Structured {
        Structured::Array(elements.iter().cloned().map(Some).collect(), Vec::new())
    }

    fn each(path: &str, value: &Structured) -> Vec<Structured> {
        let mut all = Vec::new();
        Path::parse(path).unwrap().each(value, &mut |value| all.push(value.clone()));
        all
    }

    #[test]
    fn names_numbers_and_lists() {
        use Structured::Int;
        let items = list(&[object(&[("price", Int(1))]), object(&[("price", Int(2))]), Int(7)]);
        let value =
            object(&[("a", object(&[("b.c", Int(3))])), ("items", items), ("n", list(&[Int(5)])), ("i", Int(4))]);
        assert_eq!(each("items.price", &value), [Int(1), Int(2)]);
        assert_eq!((each("items[1].price", &value), each("items[#-1]", &value)), (vec![Int(2)], vec![Int(7)]));
        assert_eq!(
            (each("n", &value), each("n[0]", &value), each("i", &value)),
            (vec![Int(5)], vec![Int(5)], vec![Int(4)])
        );
        assert_eq!(
            (each("a.\"b.c\"", &value), each("a.b.c", &value), each("x", &value)),
            (vec![Int(3)], vec![], vec![])
        );
        assert_eq!(each("$", &Int(1)), [Int(1)]);
    }

    /// A list that holds its object a thousand times has 10¹⁸ ways of six steps.
    #[test]
    fn references_are_followed_but_not_for_ever() {
        let value = object(&[("x", list(&vec![Structured::Reference(0); 1000])), ("n", Structured::Int(1))]);
        assert_eq!(each("x.n", &value).len(), REFERENCES);
        assert!(each("x.x.x.x.x.x.n", &value).len() <= REFERENCES);
    }
}
