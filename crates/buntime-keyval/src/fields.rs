//! Fields of values by their paths.

use std::sync::Arc;

use crate::{Error, Result, Value, structured::Structured};

/// The way to a field: `author.name`, `tags`, `items[0].price`; `$` is the value itself. Where there is a list and no
/// number, it is the way to the same in each element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath {
    text: Arc<str>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: String,
    /// If it can be an element's number.
    index: Option<usize>,
}

/// Characters of a path, and steps.
const LONGEST: usize = 256;
const STEPS: usize = 32;

impl FieldPath {
    /// # Errors
    /// [`Error::Invalid`] for what is no path.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let wrong =
            || Error::Invalid(format!("{text:?} is no field: write names with dots, such as author.name").into());
        if text.is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            return Err(wrong());
        }
        let mut steps = Vec::new();
        if text != "$" {
            for part in text.split('.') {
                let (name, mut rest) = part.find('[').map_or((part, ""), |at| part.split_at(at));
                if !name.is_empty() {
                    steps.push(Step { index: name.parse().ok(), name: name.to_owned() });
                } else if rest.is_empty() || !steps.is_empty() {
                    return Err(wrong());
                }
                while !rest.is_empty() {
                    let (number, after) =
                        rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(wrong)?;
                    let index = number.parse().map_err(|_| wrong())?;
                    steps.push(Step { index: Some(index), name: number.to_owned() });
                    rest = after;
                }
            }
        }
        if steps.len() > STEPS {
            return Err(wrong());
        }
        Ok(Self { text: text.into(), steps })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Calls `found` with each value that is there: of a list at the end each element.
    pub(crate) fn visit<'a>(&self, value: &'a Structured, found: &mut impl FnMut(&'a Structured)) {
        visit(&self.steps, value, found);
    }
}

fn visit<'a>(steps: &[Step], value: &'a Structured, found: &mut impl FnMut(&'a Structured)) {
    let elements = match value {
        Structured::Array(elements, _) => Some(elements),
        _ => None,
    };
    let Some((step, rest)) = steps.split_first() else {
        match elements {
            Some(elements) => elements.iter().flatten().for_each(found),
            None => found(value),
        }
        return;
    };
    match (value, elements, step.index) {
        (_, Some(elements), Some(index)) => {
            if let Some(Some(element)) = elements.get(index) {
                visit(rest, element, found);
            }
        }
        (_, Some(elements), None) => elements.iter().flatten().for_each(|element| visit(steps, element, found)),
        (Structured::Object(properties) | Structured::Sparse(_, properties), ..) => {
            let named = properties.iter().find(|(name, _)| name.as_str() == Some(&step.name));
            if let Some((_, value)) = named {
                visit(rest, value, found);
            }
        }
        (Structured::Map(entries), ..) => {
            let is_named =
                |key: &Structured| matches!(key, Structured::String(name) if name.as_str() == Some(&step.name));
            if let Some((_, value)) = entries.iter().find(|(key, _)| is_named(key)) {
                visit(rest, value, found);
            }
        }
        _ => {}
    }
}

/// What a stored value says; `None` for bytes, and for what cannot be read.
pub(crate) fn read(value: &Value) -> Option<Structured> {
    match value {
        Value::V8(data) => Structured::decode(data).ok(),
        Value::U64(number) => Some(Structured::BigInt((*number).into())),
        Value::Bytes(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structured::Text;

    fn object(properties: &[(&str, Structured)]) -> Structured {
        Structured::Object(properties.iter().map(|(name, value)| (Text::from(*name), value.clone())).collect())
    }

    fn list(elements: &[Structured]) -> Structured {
        Structured::Array(elements.iter().cloned().map(Some).collect(), Vec::new())
    }

    fn found(path: &str, value: &Structured) -> Vec<Structured> {
        let mut all = Vec::new();
        FieldPath::new(path).unwrap().visit(value, &mut |value| all.push(value.clone()));
        all
    }

    #[test]
    fn names_numbers_and_lists() {
        use Structured::Int;
        let items = list(&[object(&[("price", Int(1))]), object(&[("price", Int(2))]), Int(7)]);
        let value =
            object(&[("a", object(&[("b.c", Int(3)), ("0", Int(4))])), ("items", items), ("n", list(&[Int(5)]))]);
        assert_eq!(found("items.price", &value), [Int(1), Int(2)]);
        assert_eq!(found("items[1].price", &value), [Int(2)]);
        assert_eq!(found("items.1.price", &value), [Int(2)]);
        assert_eq!(
            (found("a.0", &value), found("n", &value), found("n[0]", &value)),
            (vec![Int(4)], vec![Int(5)], vec![Int(5)])
        );
        assert_eq!((found("a.b.c", &value), found("x", &value)), (vec![], vec![]));
        assert_eq!(found("$", &Int(1)), [Int(1)]);
        let map = Structured::Map(vec![(Structured::String("k".into()), Int(9))]);
        assert_eq!(found("k", &map), [Int(9)]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in
            ["", ".", "a..b", "a.", "a[", "a[x]", "a[1", "a\n", "a.[1]", &"a".repeat(300), &vec!["a"; 40].join(".")]
        {
            assert!(FieldPath::new(bad).is_err(), "{bad}");
        }
        assert!(FieldPath::new("[0].a").is_ok());
    }
}
