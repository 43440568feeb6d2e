//! From JSON to filters.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::{
    Filter, Node,
    test::{At, Operand, Test},
    wrong,
};
use crate::{Error, Path, Result, json, structured::Structured, tree};

/// Filters in filters.
const DEEPEST: usize = 16;
/// Conditions of a whole filter.
const MOST: usize = 1000;
/// Operands of one `$in`.
const MOST_IN: usize = 1000;

const OPERATORS: &str = "$eq, $ne, $gt, $gte, $lt, $lte, $between, $in, $nin, $contains, $notContains, $startsWith, \
    $endsWith, $containsi, $notContainsi, $startsWithi, $endsWithi, $null, $empty, $notEmpty";

pub(super) fn filter(json: &Json, now: u64) -> Result<Filter> {
    Parser { now, left: MOST }.filter(json, 0)
}

struct Parser {
    now: u64,
    left: usize,
}

impl Parser {
    fn filter(&mut self, json: &Json, depth: usize) -> Result<Filter> {
        if depth > DEEPEST {
            return Err(wrong(format!("The filter is nested deeper than {DEEPEST}")));
        }
        let Some(fields) = json.as_object() else {
            return Err(wrong("A filter is an object of paths and what must hold there: {\"status\":\"active\"}"));
        };
        let node = |(name, value): (&String, &Json)| self.node(name, value, depth);
        Ok(Filter(fields.iter().map(node).collect::<Result<_>>()?))
    }

    fn node(&mut self, name: &str, value: &Json, depth: usize) -> Result<Node> {
        self.left = self.left.checked_sub(1).ok_or_else(|| wrong(format!("Too many conditions (max {MOST})")))?;
        Ok(match name {
            "$and" => Node::All(self.filters(name, value, depth)?),
            "$or" => match self.filters(name, value, depth)? {
                none if none.is_empty() => return Err(wrong("`$or` needs one filter at least")),
                some => Node::Any(some),
            },
            "$not" => Node::Not(self.filter(value, depth + 1)?),
            name => {
                let rooted = name.strip_prefix('$').is_none_or(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
                if !rooted {
                    return Err(wrong(format!(
                        "Unknown operator `{}`; here are $and, $or, $not and paths",
                        short(name)
                    )));
                }
                Node::Field(Path::parse(name)?, self.tests(name, value)?)
            }
        })
    }

    fn filters(&mut self, name: &str, value: &Json, depth: usize) -> Result<Vec<Filter>> {
        let list = value.as_array().ok_or_else(|| wrong(format!("`{name}` takes a list of filters")))?;
        list.iter().map(|one| self.filter(one, depth + 1)).collect()
    }

    fn tests(&mut self, path: &str, value: &Json) -> Result<Vec<Test>> {
        let literal = |object: &Map<String, Json>| object.contains_key("__type") || object.contains_key("$now");
        match value {
            Json::Object(operators) if !literal(operators) => {
                if operators.is_empty() {
                    return Err(wrong(format!("`{}` is compared with nothing; write {{\"$eq\":{{}}}}", short(path))));
                }
                let test = |(name, operand): (&String, &Json)| self.test(path, name, operand);
                operators.iter().map(test).collect()
            }
            Json::Array(_) => Err(wrong(format!(
                "`{}` is compared with a list; write {{\"$in\":[…]}} for one of these, {{\"$eq\":[…]}} for that list",
                short(path)
            ))),
            value => Ok(vec![Test::Equal(self.operand(value)?)]),
        }
    }

    fn test(&mut self, path: &str, name: &str, operand: &Json) -> Result<Test> {
        self.left = self.left.checked_sub(1).ok_or_else(|| wrong(format!("Too many conditions (max {MOST})")))?;
        const ABOVE: &[Ordering] = &[Ordering::Greater];
        const BELOW: &[Ordering] = &[Ordering::Less];
        const FROM: &[Ordering] = &[Ordering::Greater, Ordering::Equal];
        const UP_TO: &[Ordering] = &[Ordering::Less, Ordering::Equal];
        Ok(match name {
            "$eq" => Test::Equal(self.operand(operand)?),
            "$ne" if operand.is_null() => Test::Null(false),
            "$ne" => Test::Other(self.operand(operand)?),
            "$gt" => Test::Order(ABOVE, self.ordered(name, operand)?),
            "$gte" => Test::Order(FROM, self.ordered(name, operand)?),
            "$lt" => Test::Order(BELOW, self.ordered(name, operand)?),
            "$lte" => Test::Order(UP_TO, self.ordered(name, operand)?),
            "$between" => match operand.as_array().map(Vec::as_slice) {
                Some([least, most]) => Test::Between(self.ordered(name, least)?, self.ordered(name, most)?),
                _ => return Err(wrong("`$between` takes two values: [least, most]")),
            },
            "$in" => Test::In(self.operands(name, operand)?),
            "$nin" => Test::NotIn(self.operands(name, operand)?),
            "$null" => Test::Null(flag(name, operand)?),
            "$empty" => Test::Empty(flag(name, operand)?),
            "$notEmpty" => Test::Empty(!flag(name, operand)?),
            name => match text(name) {
                Some((Some(at), fold)) => Test::Text { at, of: self.part(name, at, operand)?, fold },
                Some((None, fold)) => Test::Without { of: self.part(name, At::Anywhere, operand)?, fold },
                None if name.starts_with('$') => {
                    return Err(wrong(format!("Unknown operator `{}`; there are {OPERATORS}", short(name))));
                }
                None => {
                    return Err(wrong(format!(
                        "`{}` is no operator; write the path as `{}.{}`, or compare with {{\"$eq\":{{…}}}}",
                        short(name),
                        short(path),
                        short(name)
                    )));
                }
            },
        })
    }

    fn operand(&self, json: &Json) -> Result<Operand> {
        if let Some(object) = json.as_object()
            && object.contains_key("$now")
        {
            // It is read as it is in values.
            let moment = tree::of(&json::value_from_json(json, Some(self.now))?);
            return match moment {
                Some(Structured::Int(at)) => Ok(Operand::Moment(at.into())),
                Some(Structured::Double(at)) => Ok(Operand::Moment(at)),
                _ => Err(wrong("`$now` is written {\"$now\":true,\"$offset\":milliseconds}")),
            };
        }
        let value = json::value_from_json(json, None)?;
        tree::of(&value).map(Operand::Value).ok_or(Error::InvalidValue("an operand cannot be compared".into()))
    }

    /// Of an operator that needs an order.
    fn ordered(&self, name: &str, json: &Json) -> Result<Operand> {
        let operand = self.operand(json)?;
        let fits = match &operand {
            Operand::Moment(_) => true,
            Operand::Value(value) => super::compare::order(value, value).is_some(),
        };
        if fits {
            return Ok(operand);
        }
        Err(wrong(format!("`{name}` compares with a number, a string, a boolean, a bigint, a date or `$now`")))
    }

    fn operands(&self, name: &str, json: &Json) -> Result<Vec<Operand>> {
        let list = json.as_array().ok_or_else(|| wrong(format!("`{name}` takes a list of values")))?;
        if list.len() > MOST_IN {
            return Err(wrong(format!("`{name}` takes at most {MOST_IN} values")));
        }
        list.iter().map(|one| self.operand(one)).collect()
    }

    /// What is looked for in texts, or among elements.
    fn part(&self, name: &str, at: At, json: &Json) -> Result<Structured> {
        match self.operand(json)? {
            Operand::Value(part @ Structured::String(_)) => Ok(part),
            Operand::Value(part) if matches!(at, At::Anywhere) && !json.is_object() && !json.is_array() => Ok(part),
            _ => Err(wrong(format!("`{name}` takes a string"))),
        }
    }
}

/// Where a text operator looks, if not for what is not there, and whether case counts for nothing.
fn text(name: &str) -> Option<(Option<At>, bool)> {
    Some(match name {
        "$contains" => (Some(At::Anywhere), false),
        "$containsi" => (Some(At::Anywhere), true),
        "$startsWith" => (Some(At::Start), false),
        "$startsWithi" => (Some(At::Start), true),
        "$endsWith" => (Some(At::End), false),
        "$endsWithi" => (Some(At::End), true),
        "$notContains" => (None, false),
        "$notContainsi" => (None, true),
        _ => return None,
    })
}

fn flag(name: &str, json: &Json) -> Result<bool> {
    json.as_bool().ok_or_else(|| wrong(format!("`{name}` takes true or false")))
}

/// What a client wrote, for words back to it.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
