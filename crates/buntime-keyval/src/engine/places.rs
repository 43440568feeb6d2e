//! Statements with many arguments, of few texts, so that their compiled forms are found again.

use std::fmt::Write;

use buntime_database::Value as Sql;

use crate::Key;

/// Keys, texts, or numbers, of one statement.
pub(super) const SOME: usize = 64;

/// Places for keys: `?3, ?4, …`, the first being the one after what is bound already.
pub(super) fn keys(keys: &[&Key], args: &mut Vec<Sql>) -> String {
    list(keys, |key| key.as_bytes().into(), args)
}

/// Places for texts.
pub(super) fn texts(texts: &[&str], args: &mut Vec<Sql>) -> String {
    list(texts, |text| (*text).into(), args)
}

/// Places for numbers.
pub(super) fn numbers(numbers: &[i64], args: &mut Vec<Sql>) -> String {
    list(numbers, |number| (*number).into(), args)
}

/// As many places as the next power of two, the last argument filling them.
fn list<T>(all: &[T], value: impl Fn(&T) -> Sql, args: &mut Vec<Sql>) -> String {
    let mut places = String::new();
    for at in 0..all.len().next_power_of_two() {
        if let Some(one) = all.get(at).or(all.last()) {
            args.push(value(one));
            let comma = if at == 0 { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(places, "{comma}?{}", args.len());
        }
    }
    places
}

/// Rows in pieces of powers of two: their texts, such as `(?1, ?3, ?2)`, are made by `row`, which binds what is theirs.
pub(super) fn rows<T>(
    all: &[T],
    row: impl Fn(&T, &mut Vec<Sql>) -> String,
    mut statement: impl FnMut(String, Vec<Sql>),
    shared: &[Sql],
) {
    let mut rest = all;
    while !rest.is_empty() {
        let size = rest.len().min(SOME);
        // The greatest power of two that fits.
        let size = if size.is_power_of_two() { size } else { size.next_power_of_two() / 2 };
        let (some, others) = rest.split_at(size);
        let mut args = shared.to_vec();
        let texts: Vec<String> = some.iter().map(|one| row(one, &mut args)).collect();
        statement(texts.join(", "), args);
        rest = others;
    }
}
