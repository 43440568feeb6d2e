//! Arguments to the parameters they are for.

use buntime_database::{Numbered, Value, hrana::Cell};

use super::{wire::Named, wrong::Wrong};

/// Those by position. Named ones need the statement's parameters: see [`named`].
pub(super) fn positional(args: Vec<Cell>) -> Result<Vec<Value>, Wrong> {
    let value = |(at, cell)| value(cell, &format!("argument {}", at + 1));
    args.into_iter().enumerate().map(value).collect()
}

/// One value for each parameter: by its position, or by its name, with or without the sign before it. Names that no
/// parameter has are let be: one object may serve several statements.
pub(super) fn named(parameters: &[Option<String>], first: Vec<Value>, named: Vec<Named>) -> Result<Vec<Value>, Wrong> {
    if first.len() > parameters.len() {
        let (takes, given) = (parameters.len(), first.len());
        let what = format!("the statement takes {takes} arguments, and {given} were given by position");
        return Err(Wrong::new("ARGS_INVALID", what));
    }
    let mut all = Vec::with_capacity(named.len());
    for Named { name, value: cell } in named {
        let value = value(cell, &format!("argument `{name}`"))?;
        all.push((name, value));
    }
    let mut first = first.into_iter();
    let bound = parameters.iter().enumerate().map(|(at, parameter)| {
        if let Some(value) = first.next() {
            return Ok(value);
        }
        let wanted = parameter.as_deref().map(bare);
        let found = all.iter().find(|(name, _)| wanted.is_some_and(|wanted| bare(name) == wanted));
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            let what = match parameter {
                Some(name) => format!("no value is given for the parameter `{name}`"),
                None => format!("no value is given for the parameter {}", at + 1),
            };
            Wrong::new("ARGS_INVALID", what)
        })
    });
    bound.collect()
}

/// For PostgreSQL, whose parameters have numbers only: the statement with those, and the named values behind the others.
/// `None`: it is as it should be.
pub(super) fn numbered(sql: &str, args: &mut Vec<Value>, named: &[Named]) -> Result<Option<String>, Wrong> {
    let names: Vec<&str> = named.iter().map(|named| bare(&named.name)).collect();
    let Some(Numbered { sql, names }) = buntime_database::numbered("postgres", sql, args.len(), &names) else {
        return Ok(None);
    };
    for named in names.into_iter().filter_map(|at| named.get(at)) {
        args.push(value(named.value.clone(), &format!("argument `{}`", named.name))?);
    }
    Ok(Some(sql))
}

fn bare(name: &str) -> &str {
    name.strip_prefix([':', '@', '$', '?']).unwrap_or(name)
}

fn value(cell: Cell, which: &str) -> Result<Value, Wrong> {
    Value::try_from(cell).map_err(|error| Wrong::new("ARGS_INVALID", format!("{which} is {}", error.detail())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(value: &str) -> Cell {
        Cell::Integer { value: value.to_owned() }
    }

    fn bound(parameters: &[Option<&str>], first: &[i64], given: &[(&str, &str)]) -> Result<Vec<Value>, &'static str> {
        let parameters: Vec<_> = parameters.iter().map(|name| name.map(str::to_owned)).collect();
        let first = first.iter().copied().map(Value::Integer).collect();
        let given = given.iter().map(|(name, value)| Named { name: (*name).to_owned(), value: integer(value) });
        named(&parameters, first, given.collect()).map_err(|wrong| wrong.told().code)
    }

    #[test]
    fn by_name_and_position() {
        let both = [Some(":a"), Some("@b"), Some("$c"), Some("?4")];
        let given = [("a", "1"), ("@b", "2"), ("$c", "3"), ("4", "4"), ("unused", "9")];
        assert_eq!(bound(&both, &[], &given), Ok((1..=4).map(Value::Integer).collect()));
        assert_eq!(bound(&[None, Some(":a")], &[7], &given), Ok(vec![Value::Integer(7), Value::Integer(1)]));
    }

    #[test]
    fn what_is_missing_or_wrong() {
        assert_eq!(bound(&[Some(":a")], &[], &[("b", "1")]), Err("ARGS_INVALID"));
        assert_eq!(bound(&[None], &[], &[("b", "1")]), Err("ARGS_INVALID"));
        assert_eq!(bound(&[Some(":a")], &[1, 2], &[]), Err("ARGS_INVALID"));
        assert_eq!(bound(&[Some(":a")], &[], &[("a", "x")]), Err("ARGS_INVALID"));
        assert!(positional(vec![integer("1"), integer("1.5")]).is_err());
    }
}
