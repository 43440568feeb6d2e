//! Changes that depend on what is there, computed inside the commit: so none is lost, whoever else changes it.

use buntime_keyval::{
    Apply, Change, Error as Kv, Exceeded, Result as KvResult, SumLimits, Value, What, json::value_from_json,
    numeric::Numeric, structured::Structured,
};
use num_bigint::BigInt;
use serde_json::Value as Json;

use super::{Refused, asked::short};

/// Integers up to it are doubles, each of them.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// What a number does to one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Sum,
    Min,
    Max,
}

impl How {
    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// A change by a number: `{"__type":"u64"}` is Deno's, on a `KvU64` and modulo 2⁶⁴; any other adapts to what is there.
pub(super) fn reckon(how: How, json: Option<&Json>, most: usize) -> Result<Change, Refused> {
    let wrong =
        |json: &Json| Refused::malformed(format!("{} value is not a valid integer: {}", how.name(), short(json)));
    let json = json.unwrap_or(&Json::Null);
    let operand = match json {
        Json::Number(number) => match number.as_f64() {
            Some(number) if number.fract() != 0.0 || number.abs() <= MAX_SAFE => Numeric::Number(number),
            _ => return Err(wrong(json)),
        },
        Json::String(digits) if digits.len() <= 400 => Numeric::BigInt(digits.trim().parse().map_err(|_| wrong(json))?),
        Json::Object(_) => match value_from_json(json, None)? {
            value @ Value::U64(_) => {
                return Ok(match how {
                    How::Sum => Change::Sum(value, SumLimits::default()),
                    How::Min => Change::Min(value),
                    How::Max => Change::Max(value),
                });
            }
            value => Numeric::of(&value).ok_or_else(|| wrong(json))?,
        },
        _ => return Err(wrong(json)),
    };
    let size = operand.to_value().size();
    Ok(Change::Apply(std::sync::Arc::new(Reckon { how, operand, size, most })))
}

/// Is what a change made no larger than a value may be?
fn fits(size: usize, most: usize) -> KvResult<()> {
    if size > most { Err(Kv::Limit(Exceeded { what: What::Value, most })) } else { Ok(()) }
}

#[derive(Debug)]
struct Reckon {
    how: How,
    operand: Numeric,
    /// Bytes that the operand takes.
    size: usize,
    /// Bytes that the number may take.
    most: usize,
}

impl Apply for Reckon {
    fn apply(&self, present: Option<&Value>) -> KvResult<Option<Value>> {
        let value = match present {
            None => self.first(),
            Some(Value::U64(old)) => {
                let new = self.whole().and_then(|operand| u64::try_from(self.of(BigInt::from(*old), operand)).ok());
                Value::U64(new.ok_or(Kv::SumOutOfRange)?)
            }
            Some(old) => match Numeric::of(old) {
                Some(Numeric::BigInt(old)) => {
                    let operand = self.whole().ok_or_else(|| self.not_a("bigint"))?;
                    Numeric::BigInt(self.of(old, operand)).to_value()
                }
                Some(Numeric::Number(old)) => Numeric::Number(self.number(old)?).to_value(),
                None => {
                    let words =
                        format!("Failed to perform '{}' mutation on a value that is not a number", self.how.name());
                    return Err(Kv::TypeMismatch(words.into()));
                }
            },
        };
        fits(value.size(), self.most)?;
        Ok(Some(value))
    }

    fn size(&self) -> usize {
        self.size
    }
}

impl Reckon {
    /// What there was none of: a number, as the original has it, unless it is too large for one.
    fn first(&self) -> Value {
        self.double().map_or_else(|| self.operand.to_value(), |number| Numeric::Number(number).to_value())
    }

    fn of<T: PartialOrd + std::ops::Add<Output = T>>(&self, old: T, operand: T) -> T {
        match self.how {
            How::Sum => old + operand,
            How::Min if operand < old => operand,
            How::Max if operand > old => operand,
            How::Min | How::Max => old,
        }
    }

    /// The operand as an integer, if it is one.
    fn whole(&self) -> Option<BigInt> {
        match &self.operand {
            Numeric::BigInt(operand) => Some(operand.clone()),
            Numeric::Number(operand) => (operand.fract() == 0.0).then(|| BigInt::from(*operand as i64)),
        }
    }

    /// The operand as a double, if it is exactly one.
    fn double(&self) -> Option<f64> {
        match &self.operand {
            Numeric::Number(operand) => Some(*operand),
            Numeric::BigInt(operand) => {
                let number = i64::try_from(operand).ok()? as f64;
                (number.abs() <= MAX_SAFE).then_some(number)
            }
        }
    }

    fn number(&self, old: f64) -> KvResult<f64> {
        let operand = self.double().ok_or(Kv::SumOutOfRange)?;
        let new = self.of(old, operand);
        // Beyond it, adding one may change nothing: counts would be lost.
        let exact = old.fract() == 0.0 && operand.fract() == 0.0;
        if exact && self.how == How::Sum && new.abs() > MAX_SAFE {
            return Err(Kv::SumOutOfRange);
        }
        Ok(new)
    }

    fn not_a(&self, kind: &str) -> Kv {
        let words =
            format!("Failed to perform '{}' mutation of a {kind} with a number that is not whole", self.how.name());
        Kv::TypeMismatch(words.into())
    }
}

/// Adds elements to a list, at its end or its beginning.
pub(super) fn extend(front: bool, json: Option<&Json>, now: u64, most: usize) -> Result<Change, Refused> {
    let name = name_of(front);
    let Some(json @ Json::Array(_)) = json else {
        return Err(Refused::malformed(format!("{name} value must be an array")));
    };
    let Value::V8(data) = value_from_json(json, Some(now))? else {
        return Err(Refused::malformed(format!("{name} value must be an array")));
    };
    let size = data.len();
    let Structured::Array(elements, _) = Structured::decode(&data)? else {
        return Err(Refused::malformed(format!("{name} value must be an array without holes")));
    };
    let elements = elements.into_iter().flatten().collect();
    Ok(Change::Apply(std::sync::Arc::new(Extend { front, elements, size, most })))
}

fn name_of(front: bool) -> &'static str {
    if front { "prepend" } else { "append" }
}

#[derive(Debug)]
struct Extend {
    front: bool,
    elements: Vec<Structured>,
    /// Bytes that they take.
    size: usize,
    /// Bytes that the list may take.
    most: usize,
}

impl Apply for Extend {
    fn apply(&self, present: Option<&Value>) -> KvResult<Option<Value>> {
        let no_list = || {
            let words = format!("Failed to perform '{}' mutation on a value that is not an array", name_of(self.front));
            Kv::TypeMismatch(words.into())
        };
        let mut list = match present {
            None => Structured::Array(Vec::new(), Vec::new()),
            Some(Value::V8(data)) => Structured::decode(data)?,
            Some(Value::U64(_) | Value::Bytes(_)) => return Err(no_list()),
        };
        let elements = self.elements.clone();
        if !(if self.front { list.prepend(elements) } else { list.append(elements) }) {
            return Err(no_list());
        }
        let data = list.encode();
        fits(data.len(), self.most)?;
        Ok(Some(Value::V8(data.into())))
    }

    fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use buntime_keyval::json::value_to_json;
    use serde_json::json;

    use super::*;

    fn apply(change: Result<Change, Refused>, present: Option<Json>) -> Result<Json, String> {
        let present = present.map(|json| value_from_json(&json, None).unwrap());
        match change.map_err(|refused| refused.words().to_owned())? {
            Change::Apply(apply) => {
                let value = apply.apply(present.as_ref()).map_err(|error| error.to_string())?;
                Ok(value_to_json(&value.unwrap()).unwrap())
            }
            other => Ok(json!(format!("{other:?}"))),
        }
    }

    fn big(digits: &str) -> Json {
        json!({ "__type": "bigint", "value": digits })
    }

    fn u64(digits: &str) -> Json {
        json!({ "__type": "u64", "value": digits })
    }

    #[test]
    fn numbers_adapt_to_what_is_there() {
        let sum = |operand: Json, present| apply(reckon(How::Sum, Some(&operand), 100), present);
        // The original's client sends bigints and expects numbers.
        assert_eq!(sum(big("5"), None), Ok(json!(5)));
        assert_eq!(sum(big("5"), Some(json!(2))), Ok(json!(7)));
        assert_eq!(sum(json!("-5"), Some(json!(2.5))), Ok(json!(-2.5)));
        assert_eq!(sum(json!(0.5), Some(json!(2))), Ok(json!(2.5)));
        assert_eq!(sum(json!(1), Some(big("9007199254740993"))), Ok(big("9007199254740994")));
        assert_eq!(sum(big("9007199254740993"), None), Ok(big("9007199254740993")));
        assert_eq!(sum(big("-3"), Some(u64("10"))), Ok(u64("7")));
        assert!(sum(big("-3"), Some(u64("2"))).unwrap_err().contains("range limit"));
        assert!(sum(json!(1), Some(json!(9_007_199_254_740_991_u64))).unwrap_err().contains("range limit"));
        assert!(sum(json!(0.5), Some(big("1"))).unwrap_err().contains("not whole"));
        assert!(sum(json!(5), Some(json!("hello"))).unwrap_err().contains("not a number"));
        assert_eq!(sum(json!("x"), None), Err("sum value is not a valid integer: \"x\"".to_owned()));
        assert!(sum(Json::Null, None).unwrap_err().starts_with("sum value is not a valid integer"));
        assert!(sum(u64("1"), None).unwrap().as_str().unwrap().starts_with("Sum(U64(1)"));
        // As large as a value may be, and no larger.
        let (large, larger) = (format!("0x{}", "f".repeat(160)), format!("0x{}", "f".repeat(220)));
        assert!(sum(big(&large), None).is_ok());
        assert_eq!(sum(big(&larger), None), Err("Value too large (max 100 bytes)".to_owned()));
        let change = reckon(How::Sum, Some(&big(&larger)), 100).map_err(|_| ()).unwrap();
        assert!(change.size() > 110, "and is counted before that");
        let max = |operand: Json, present| apply(reckon(How::Max, Some(&operand), 100), Some(present));
        let min = |operand: Json, present| apply(reckon(How::Min, Some(&operand), 100), Some(present));
        assert_eq!((max(big("5"), json!(2)), min(big("5"), json!(2))), (Ok(json!(5)), Ok(json!(2))));
        assert_eq!((max(json!(5), u64("7")), min(json!(5), u64("7"))), (Ok(u64("7")), Ok(u64("5"))));
    }

    #[test]
    fn lists_keep_what_they_hold_as_it_is() {
        let extend = |front, operand: Json, present| apply(extend(front, Some(&operand), 7, 100), present);
        let there = || Some(json!([{ "a": true }, [1], big("2")]));
        assert_eq!(
            extend(false, json!([{ "b": null }]), there()),
            Ok(json!([{ "a": true }, [1], big("2"), { "b": null }]))
        );
        assert_eq!(
            extend(true, json!([false, { "$now": true }]), there()),
            Ok(json!([false, 7, { "a": true }, [1], big("2")]))
        );
        assert_eq!(extend(false, json!([1]), None), Ok(json!([1])));
        assert!(extend(false, json!([1]), Some(json!({ "a": 1 }))).unwrap_err().contains("not an array"));
        assert_eq!(extend(true, json!(1), None), Err("prepend value must be an array".to_owned()));
        assert_eq!(
            extend(false, json!(["x".repeat(60)]), Some(json!(["y".repeat(60)]))),
            Err("Value too large (max 100 bytes)".to_owned())
        );
    }
}
