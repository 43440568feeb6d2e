//! What one operator asks of a field.

use std::cmp::Ordering;

use super::compare::{equal, order};
use crate::structured::{Structured, Text};

/// An operator with its operand.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Equal(Operand),
    /// `$ne`: it is there, and is another.
    Other(Operand),
    /// `$gt` and its like: the orders that do.
    Order(&'static [Ordering], Operand),
    Between(Operand, Operand),
    In(Vec<Operand>),
    NotIn(Vec<Operand>),
    Text {
        at: At,
        of: Structured,
        fold: bool,
    },
    /// `$notContains`: it is there, and does not contain that.
    Without {
        of: Structured,
        fold: bool,
    },
    Null(bool),
    Empty(bool),
}

/// Where in a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Anywhere,
    Start,
    End,
}

/// What a field is compared with.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Value(Structured),
    /// A moment that `$now` stands for; numbers and dates compare with it.
    Moment(f64),
}

impl Operand {
    fn order(&self, field: &Structured) -> Option<Ordering> {
        match self {
            Self::Value(value) => order(field, value),
            Self::Moment(at) => match field {
                Structured::Date(time) => time.partial_cmp(at),
                field => order(field, &Structured::Double(*at)),
            },
        }
    }

    fn equal(&self, field: &Structured) -> bool {
        match self {
            Self::Value(value) => equal(field, value),
            Self::Moment(_) => self.order(field) == Some(Ordering::Equal),
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Value(Structured::Null | Structured::Undefined))
    }
}

impl Test {
    pub(super) fn holds(&self, field: Option<&Structured>) -> bool {
        let there = field.filter(|field| !matches!(field, Structured::Null | Structured::Undefined));
        match (self, there) {
            (Self::Null(null), field) => field.is_none() == *null,
            (Self::Empty(empty), field) => field.is_none_or(is_empty) == *empty,
            (Self::Equal(operand), None) => operand.is_null(),
            (Self::In(operands), None) => operands.iter().any(Operand::is_null),
            (_, None) => false,
            (Self::Equal(operand), Some(field)) => operand.equal(field),
            (Self::Other(operand), Some(field)) => !operand.equal(field),
            (Self::Order(orders, operand), Some(field)) => {
                operand.order(field).is_some_and(|order| orders.contains(&order))
            }
            (Self::Between(least, most), Some(field)) => {
                least.order(field).is_some_and(Ordering::is_ge) && most.order(field).is_some_and(Ordering::is_le)
            }
            (Self::In(operands), Some(field)) => operands.iter().any(|operand| operand.equal(field)),
            (Self::NotIn(operands), Some(field)) => !operands.iter().any(|operand| operand.equal(field)),
            (Self::Text { at, of, fold }, Some(field)) => has(field, *at, of, *fold),
            (Self::Without { of, fold }, Some(field)) => !has(field, At::Anywhere, of, *fold),
        }
    }
}

fn is_empty(field: &Structured) -> bool {
    match field {
        Structured::String(text) => text.units().is_empty(),
        Structured::Array(elements, _) => elements.is_empty(),
        Structured::Sparse(length, _) => *length == 0,
        _ => false,
    }
}

/// Has a text that in it, or a list that as an element?
fn has(field: &Structured, at: At, of: &Structured, fold: bool) -> bool {
    match (field, of) {
        (Structured::String(text), Structured::String(part)) => text_has(text, at, part, fold),
        (Structured::Array(elements, _), of) if matches!(at, At::Anywhere) => {
            elements.iter().flatten().any(|element| match (element, of) {
                (Structured::String(Text::Utf8(a)), Structured::String(Text::Utf8(b))) if fold => {
                    a.to_lowercase() == b.to_lowercase()
                }
                (element, of) => equal(element, of),
            })
        }
        _ => false,
    }
}

fn text_has(text: &Text, at: At, part: &Text, fold: bool) -> bool {
    let (Some(text), Some(part)) = (text.as_str(), part.as_str()) else {
        // Lone surrogates have no case.
        return units_have(&text.units(), at, &part.units());
    };
    let has = |text: &str, part: &str| match at {
        At::Anywhere => text.contains(part),
        At::Start => text.starts_with(part),
        At::End => text.ends_with(part),
    };
    if fold { has(&text.to_lowercase(), &part.to_lowercase()) } else { has(text, part) }
}

fn units_have(text: &[u16], at: At, part: &[u16]) -> bool {
    match at {
        At::Anywhere => part.is_empty() || text.windows(part.len()).any(|window| window == part),
        At::Start => text.starts_with(part),
        At::End => text.ends_with(part),
    }
}
