//! What a change makes of what is there.

use crate::{Change, Error, Result, SumLimits, Value, numeric::Numeric};

/// The new value of a key that has `present`; `None`: it is gone.
pub(super) fn apply(change: &Change, present: Option<&Value>) -> Result<Option<Value>> {
    match change {
        Change::Set(value) | Change::SetVersionstamped(value) => Ok(Some(value.clone())),
        Change::Delete => Ok(None),
        Change::Sum(operand, limits) => sum(operand, limits, present).map(Some),
        Change::Min(operand) => extreme("min", operand, present, |new, old| new < old).map(Some),
        Change::Max(operand) => extreme("max", operand, present, |new, old| new > old).map(Some),
        Change::Apply(function) => function.apply(present),
    }
}

fn sum(operand: &Value, limits: &SumLimits, present: Option<&Value>) -> Result<Value> {
    if let Value::U64(number) = operand {
        return match present {
            None => Ok(operand.clone()),
            Some(Value::U64(old)) => Ok(Value::U64(old.wrapping_add(*number))),
            Some(_) => Err(not_u64("sum", "value in the database")),
        };
    }
    let added = Numeric::of(operand).ok_or_else(|| not_u64("sum", "operand"))?;
    let sum = match present {
        None => added,
        Some(Value::U64(_)) => return Err(mixed("KvU64", added.name())),
        Some(old) => {
            let old = Numeric::of(old).ok_or_else(|| {
                Error::TypeMismatch("Failed to perform 'sum' mutation on a value that is not a number".into())
            })?;
            let names = (old.name(), added.name());
            old.plus(added).ok_or_else(|| mixed(names.0, names.1))?
        }
    };
    within(sum, limits).map(|sum| sum.to_value())
}

fn within(sum: Numeric, limits: &SumLimits) -> Result<Numeric> {
    let limit = |value: &Option<Value>| -> Result<Option<Numeric>> {
        let Some(value) = value else { return Ok(None) };
        let limit = Numeric::of(value).ok_or_else(|| Error::InvalidValue("a limit of a sum is not a number".into()))?;
        if limit.partial_cmp(&sum).is_none() && limit.name() != sum.name() {
            return Err(mixed(sum.name(), limit.name()));
        }
        Ok(Some(limit))
    };
    let (least, most) = (limit(&limits.least)?, limit(&limits.most)?);
    let beyond = least.filter(|least| sum < *least).or_else(|| most.filter(|most| sum > *most));
    match beyond {
        None => Ok(sum),
        Some(limit) if limits.clamp => Ok(limit),
        Some(_) => Err(Error::SumOutOfRange),
    }
}

fn extreme(
    name: &'static str,
    operand: &Value,
    present: Option<&Value>,
    wins: impl Fn(&Numeric, &Numeric) -> bool,
) -> Result<Value> {
    match (operand, present) {
        (Value::U64(_), None) => Ok(operand.clone()),
        (Value::U64(new), Some(Value::U64(old))) => {
            Ok(Value::U64(if name == "min" { *new.min(old) } else { *new.max(old) }))
        }
        (Value::U64(_), Some(_)) => Err(not_u64(name, "value in the database")),
        (_, present) => {
            let new = Numeric::of(operand).ok_or_else(|| not_u64(name, "operand"))?;
            let Some(old_value) = present else { return Ok(new.to_value()) };
            let old = Numeric::of(old_value).ok_or_else(|| not_u64(name, "value in the database"))?;
            if old.name() != new.name() {
                return Err(mixed(old.name(), new.name()));
            }
            Ok(if wins(&new, &old) { new.to_value() } else { old_value.clone() })
        }
    }
}

/// In Deno's words.
fn not_u64(name: &str, what: &str) -> Error {
    Error::TypeMismatch(format!("Failed to perform '{name}' mutation on a non-U64 {what}").into())
}

fn mixed(old: &str, new: &str) -> Error {
    Error::TypeMismatch(format!("Cannot sum {old} with {new}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: f64) -> Value {
        Numeric::Number(n).to_value()
    }

    fn bigint(n: i64) -> Value {
        Numeric::BigInt(n.into()).to_value()
    }

    fn summed(present: Option<&Value>, operand: impl Into<Value>) -> Result<Value> {
        sum(&operand.into(), &SumLimits::default(), present)
    }

    #[test]
    fn sums_wrap_or_are_exact_and_never_mix_types() {
        assert_eq!(summed(Some(&Value::U64(u64::MAX)), Value::U64(10)), Ok(Value::U64(9)));
        assert_eq!(summed(None, Value::U64(3)), Ok(Value::U64(3)));
        assert_eq!(summed(Some(&number(1.5)), number(2.0)), Ok(number(3.5)));
        assert_eq!(summed(Some(&bigint(-5)), bigint(3)), Ok(bigint(-2)));
        let words = |result: Result<Value>| result.unwrap_err().to_string();
        assert_eq!(
            words(summed(Some(&number(1.0)), Value::U64(1))),
            "Failed to perform 'sum' mutation on a non-U64 value in the database"
        );
        assert_eq!(words(summed(Some(&Value::U64(1)), number(1.0))), "Cannot sum KvU64 with Number");
        assert_eq!(words(summed(Some(&bigint(1)), number(1.0))), "Cannot sum BigInt with Number");
        assert!(summed(Some(&Value::Bytes([1].as_slice().into())), number(1.0)).is_err());
    }

    #[test]
    fn sums_have_limits() {
        let limits = |clamp| SumLimits { least: Some(number(0.0)), most: Some(number(10.0)), clamp };
        assert_eq!(sum(&number(5.0), &limits(false), Some(&number(6.0))), Err(Error::SumOutOfRange));
        assert_eq!(sum(&number(5.0), &limits(true), Some(&number(6.0))), Ok(number(10.0)));
        assert_eq!(sum(&number(-9.0), &limits(true), Some(&number(6.0))), Ok(number(0.0)));
        let mixed = SumLimits { least: Some(bigint(0)), ..limits(true) };
        assert!(sum(&number(1.0), &mixed, None).is_err());
    }

    #[test]
    fn extremes() {
        let min = |present, operand| apply(&Change::Min(operand), present).unwrap().unwrap();
        let max = |present, operand| apply(&Change::Max(operand), present).unwrap().unwrap();
        assert_eq!(min(Some(&Value::U64(5)), Value::U64(3)), Value::U64(3));
        assert_eq!(max(Some(&Value::U64(5)), Value::U64(3)), Value::U64(5));
        assert_eq!(max(Some(&number(1.0)), number(2.0)), number(2.0));
        assert_eq!(min(None, bigint(7)), bigint(7));
        assert!(apply(&Change::Min(Value::U64(1)), Some(&number(1.0))).is_err());
    }
}
