//! Filters: which values a list, a deletion or a search means. The grammar is that of the original's `where`.
//!
//! `{"age":{"$gte":18},"name":"Ada"}`: each name is a path into the value, and all of them must hold. `{"a":1}` is short
//! for `{"a":{"$eq":1}}`; `$and` and `$or` take lists of filters, `$not` one. What is unknown is refused: a filter that is
//! read in part would match too much.
//!
//! A filter looks at what is stored, so types count: `"1"` is not `1`, and `true` is not `1`. Numbers, bigints and
//! `KvU64`s are compared as numbers. A field that is missing, `null` or `undefined` matches `$null` and `$empty`, and
//! `$eq` with `null`; it matches none of the others, not even `$ne`. `$not` turns whatever there is into its opposite.

mod compare;
mod parse;
mod test;

use std::borrow::Cow;

use serde_json::Value as Json;

use self::test::Test;
use crate::{Error, Path, Result, Value, tree};

/// A filter of values.
///
/// ```
/// use buntime_keyval_types::{filter::Filter, json::value_from_json};
/// use serde_json::json;
///
/// let adults = Filter::parse(&json!({ "age": { "$gte": 18 }, "tags[0]": { "$startsWith": "a" } }), 0)?;
/// assert!(adults.matches(&value_from_json(&json!({ "age": 36, "tags": ["ada"] }), None)?));
/// assert!(!adults.matches(&value_from_json(&json!({ "age": "36", "tags": ["ada"] }), None)?));
/// let typo = Filter::parse(&json!({ "age": { "$equals": 18 } }), 0);
/// assert!(typo.unwrap_err().to_string().contains("`$equals`"));
/// # Ok::<(), buntime_keyval_types::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filter(Vec<Node>);

/// One condition.
#[derive(Clone, Debug)]
enum Node {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Filter),
    Field(Path, Vec<Test>),
}

impl Filter {
    /// From JSON. `now`, in milliseconds since the Unix epoch, is what `{"$now":true,"$offset":ms}` counts from.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what is wrong and where: an unknown operator, one whose operand it cannot take, a path that
    /// is none, too deep or too large a filter. [`Error::InvalidValue`] for a typed operand that is wrong.
    pub fn parse(json: &Json, now: u64) -> Result<Self> {
        parse::filter(json, now)
    }

    /// Does it say nothing, and so match everything?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is that value meant? One that is not what V8 serializes never is.
    pub fn matches(&self, value: &Value) -> bool {
        tree::of(value).is_some_and(|root| self.holds(&root))
    }

    fn holds(&self, root: &crate::structured::Structured) -> bool {
        self.0.iter().all(|node| match node {
            Node::All(all) => all.iter().all(|filter| filter.holds(root)),
            Node::Any(any) => any.iter().any(|filter| filter.holds(root)),
            Node::Not(filter) => !filter.holds(root),
            Node::Field(path, tests) => {
                let found = path.find(root);
                tests.iter().all(|test| test.holds(found))
            }
        })
    }
}

fn wrong(words: impl Into<Cow<'static, str>>) -> Error {
    Error::Invalid(words.into())
}
