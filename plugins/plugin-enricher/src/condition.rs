//! On which answers a request is stopped.

use std::ops::RangeInclusive;

use buntime_content::pointer::Pointer;
use buntime_core::{Error, ErrorKind, SettingsProblem};
use buntime_template::status;
use http::StatusCode;
use serde_json::Value;

use crate::{
    answer::Answer,
    config::{ConditionSettings, OperatorName},
};

/// The code of a request that was stopped.
const CODE: &str = "enrichment_stopped";

/// See the module.
#[derive(Debug)]
pub(crate) struct Condition {
    statuses: Vec<RangeInclusive<u16>>,
    test: Option<Test>,
    pub(crate) stops: bool,
    message: Option<String>,
    status: StatusCode,
}

#[derive(Debug)]
struct Test {
    field: Pointer,
    operator: OperatorName,
    value: Value,
}

impl Condition {
    /// Reads it; `at` is where it stands.
    pub(crate) fn new(settings: &ConditionSettings, at: &str, problems: &mut Vec<SettingsProblem>) -> Option<Self> {
        let before = problems.len();
        let mut say = |key: &str, why: String, help: &str| {
            problems.push(SettingsProblem::new(format!("{at}{key}"), why).with_help(help));
        };
        let mut statuses = Vec::new();
        for (index, text) in settings.statuses.iter().enumerate() {
            match status::range(text) {
                Some(range) => statuses.push(range),
                None => {
                    say(&format!("/statuses/{index}"), format!("`{text}` is no status"), "write 404, 5xx or 400-499");
                }
            }
        }
        let operator = settings.operator.unwrap_or_default();
        let alone = matches!(operator, OperatorName::Exists | OperatorName::Missing);
        let ordered = matches!(operator, OperatorName::Gt | OperatorName::Gte | OperatorName::Lt | OperatorName::Lte);
        match (&settings.field, &settings.value) {
            (None, None) if statuses.is_empty() && settings.operator.is_none() => {
                say(
                    "",
                    "this condition looks at nothing".to_owned(),
                    "write `field` with `operator` and `value`, or `statuses`",
                );
            }
            (None, Some(_)) => say("/value", "there is no `field` to compare it with".to_owned(), "write `field`"),
            (None, None) if settings.operator.is_some() => {
                say("/operator", "there is no `field` to compare".to_owned(), "write `field`");
            }
            (Some(_), None) if !alone => {
                say("", "there is no `value` to compare with".to_owned(), "write `value`, or the operator `exists`");
            }
            (Some(_), Some(value)) if ordered && !value.is_number() => {
                say("/value", "only numbers are greater or less".to_owned(), "write a number");
            }
            (Some(_), Some(value)) if operator == OperatorName::In && !value.is_array() => {
                say("/value", "`in` takes a list".to_owned(), "write [\"a\", \"b\"]");
            }
            _ => {}
        }
        let refusal = settings.status.unwrap_or(422);
        let code = StatusCode::from_u16(refusal).ok().filter(|_| (400..=599).contains(&refusal));
        if code.is_none() {
            say("/status", format!("{refusal} is no status of a refusal"), "write 400 to 599");
        }
        let field = settings.field.as_deref().map(place);
        if let Some(Err(why)) = &field {
            say("/field", why.clone(), "write /user/tier or user.tier");
        }
        if problems.len() > before {
            return None;
        }
        let test = field.and_then(Result::ok).map(|field| {
            let value = settings.value.clone().unwrap_or_default();
            Test { field, operator, value }
        });
        let stops = settings.stop_flow.unwrap_or(true);
        Some(Self { statuses, test, stops, message: settings.message.clone(), status: code? })
    }

    /// Does it name that status?
    pub(crate) fn names(&self, status: StatusCode) -> bool {
        self.statuses.iter().any(|range| range.contains(&status.as_u16()))
    }

    /// Does it hold? An answer that is none of success is looked at only where the condition names its status.
    pub(crate) fn holds(&self, answer: &Answer) -> bool {
        let fits = if self.statuses.is_empty() { answer.status.is_success() } else { self.names(answer.status) };
        fits && self.test.as_ref().is_none_or(|test| test.holds(&answer.document))
    }

    /// What a request is stopped with.
    pub(crate) fn error(&self) -> Error {
        let message = self.message.clone().unwrap_or_else(|| "The request is not allowed to go on".to_owned());
        Error::new(ErrorKind::Unprocessable).with_status(self.status).with_code(CODE).with_detail(message)
    }
}

impl Test {
    fn holds(&self, document: &Value) -> bool {
        let found = self.field.get(document).filter(|value| !value.is_null());
        let compare = |is: fn(f64, f64) -> bool| {
            let pair = found.and_then(Value::as_f64).zip(self.value.as_f64());
            pair.is_some_and(|(left, right)| is(left, right))
        };
        match self.operator {
            OperatorName::Exists => found.is_some(),
            OperatorName::Missing => found.is_none(),
            OperatorName::Eq => same(found.unwrap_or(&Value::Null), &self.value),
            OperatorName::Neq => !same(found.unwrap_or(&Value::Null), &self.value),
            OperatorName::In => self
                .value
                .as_array()
                .is_some_and(|list| found.is_some_and(|found| list.iter().any(|one| same(found, one)))),
            OperatorName::Gt => compare(|left, right| left > right),
            OperatorName::Gte => compare(|left, right| left >= right),
            OperatorName::Lt => compare(|left, right| left < right),
            OperatorName::Lte => compare(|left, right| left <= right),
        }
    }
}

/// `1` and `1.0` are one number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64()),
        _ => left == right,
    }
}

/// A JSON Pointer, or names with dots.
pub(crate) fn place(text: &str) -> Result<Pointer, String> {
    let pointer = if text.is_empty() || text.starts_with('/') {
        text.to_owned()
    } else if text.split('.').any(str::is_empty) {
        return Err(format!("`{text}` is no place: a name is empty"));
    } else {
        text.split('.').map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
    };
    Pointer::new(&pointer).map_err(|bad| format!("`{text}` is no JSON Pointer: {bad}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn holds(settings: Value, document: Value) -> bool {
        let settings: ConditionSettings = serde_json::from_value(settings).unwrap();
        let mut problems = Vec::new();
        let condition = Condition::new(&settings, "", &mut problems).unwrap_or_else(|| panic!("{problems:?}"));
        condition.holds(&Answer { status: StatusCode::OK, document, size: 0 })
    }

    #[test]
    fn fields_are_compared() {
        let document = json!({ "blocked": true, "score": 7, "user": { "tier": "gold", "tags": ["a"] }, "none": null });
        for (condition, expected) in [
            (json!({ "field": "blocked", "value": true }), true),
            (json!({ "field": "blocked", "operator": "eq", "value": "true" }), false),
            (json!({ "field": "user.tier", "operator": "neq", "value": "gold" }), false),
            (json!({ "field": "/user/tags/0", "value": "a" }), true),
            (json!({ "field": "user.none", "operator": "neq", "value": 1 }), true),
            (json!({ "field": "score", "value": 7.0 }), true),
            (json!({ "field": "score", "operator": "gt", "value": 6.5 }), true),
            (json!({ "field": "score", "operator": "lt", "value": 7 }), false),
            (json!({ "field": "score", "operator": "lte", "value": 7 }), true),
            (json!({ "field": "score", "operator": "gte", "value": 8 }), false),
            (json!({ "field": "user.tier", "operator": "gt", "value": 1 }), false),
            (json!({ "field": "none", "operator": "exists" }), false),
            (json!({ "field": "none", "operator": "missing" }), true),
            (json!({ "field": "none", "value": null }), true),
            (json!({ "field": "user.tier", "operator": "in", "value": ["silver", "gold"] }), true),
            (json!({ "statuses": ["2xx"] }), true),
            (json!({ "statuses": ["404"], "field": "blocked", "value": true }), false),
        ] {
            assert_eq!(holds(condition.clone(), document.clone()), expected, "{condition}");
        }
    }

    proptest! {
        #[test]
        fn an_order_is_one(left in any::<i32>(), right in any::<i32>()) {
            let is = |operator: &str| holds(json!({ "field": "n", "operator": operator, "value": right }), json!({ "n": left }));
            prop_assert_eq!([is("lt"), is("lte"), is("eq"), is("gte"), is("gt")], [left < right, left <= right, left == right, left >= right, left > right]);
            prop_assert_ne!(is("eq"), is("neq"));
        }

        #[test]
        fn dots_and_pointers_name_the_same(names in prop::collection::vec("[a-z0-9~/é]{1,4}", 1..4)) {
            let pointer: String = names.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect();
            let dots = names.join(".");
            prop_assume!(!dots.starts_with('/'));
            prop_assert_eq!(place(&dots), place(&pointer));
        }
    }
}
