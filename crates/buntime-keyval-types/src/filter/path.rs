//! Paths into values: `author.name`, `items[0].price`, `"a.b"[#-1]`; `$` is the whole value, `$[0]` its first element.

use super::{tree, wrong};
use crate::{
    Result,
    structured::{Structured, Text},
};

/// Steps of one path.
const STEPS: usize = 32;
/// Bytes of one path.
const LONGEST: usize = 1024;

/// Where in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    /// From the end: 1 is the last.
    Back(usize),
}

impl Path {
    /// # Errors
    /// [`crate::Error::Invalid`] if it is none.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bad = || {
            wrong(format!(
                "`{}` is no path into a value; write `a.b`, `items[0]`, `\"a name with dots\".x`, or `$` for all of it",
                text.chars().take(100).collect::<String>()
            ))
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
    pub(super) fn find<'a>(&self, root: &'a Structured) -> Option<&'a Structured> {
        self.0.iter().try_fold(tree::resolve(root, root), |at, step| {
            let found = match step {
                Step::Name(name) => property(at, name),
                Step::Index(index) => element(at, *index),
                Step::Back(back) => element(at, length(at)?.checked_sub(*back)?),
            };
            found.map(|found| tree::resolve(root, found))
        })
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
