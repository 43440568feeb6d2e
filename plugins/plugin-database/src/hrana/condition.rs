//! When a step of a batch runs.

use serde::Deserialize;

use super::wrong::Wrong;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Ok,
    Error,
    Skipped,
}

/// See the module. How deep it may be is bounded by the reader of JSON.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Condition {
    Ok { step: usize },
    Error { step: usize },
    Not { cond: Box<Condition> },
    And { conds: Vec<Condition> },
    Or { conds: Vec<Condition> },
    IsAutocommit,
}

impl Condition {
    /// Does it ask whether a transaction is open?
    pub(super) fn asks_for_autocommit(&self) -> bool {
        match self {
            Self::IsAutocommit => true,
            Self::Not { cond } => cond.asks_for_autocommit(),
            Self::And { conds } | Self::Or { conds } => conds.iter().any(Self::asks_for_autocommit),
            Self::Ok { .. } | Self::Error { .. } => false,
        }
    }

    /// Does it hold, given how the steps before ended?
    ///
    /// # Errors
    /// It names a step that is not before its own.
    pub(super) fn holds(&self, done: &[Done], autocommit: bool) -> Result<bool, Wrong> {
        let ended = |step: usize| {
            let what = "a condition names a step that does not come before its own";
            done.get(step).copied().ok_or_else(|| Wrong::new("BATCH_COND_BAD_STEP", what))
        };
        match self {
            Self::Ok { step } => Ok(ended(*step)? == Done::Ok),
            Self::Error { step } => Ok(ended(*step)? == Done::Error),
            Self::Not { cond } => Ok(!cond.holds(done, autocommit)?),
            // All are looked at: one that is wrong is told.
            Self::And { conds } => conds.iter().try_fold(true, |all, cond| Ok(cond.holds(done, autocommit)? && all)),
            Self::Or { conds } => conds.iter().try_fold(false, |any, cond| Ok(cond.holds(done, autocommit)? || any)),
            Self::IsAutocommit => Ok(autocommit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds() {
        let done = [Done::Ok, Done::Error, Done::Skipped];
        let holds = |json: &str, autocommit| {
            let condition: Condition = serde_json::from_str(json).unwrap();
            condition.holds(&done, autocommit).map_err(|wrong| wrong.told().code)
        };
        for (json, expected) in [
            (r#"{"type":"ok","step":0}"#, true),
            (r#"{"type":"ok","step":2}"#, false),
            (r#"{"type":"error","step":1}"#, true),
            (r#"{"type":"error","step":2}"#, false),
            (r#"{"type":"not","cond":{"type":"ok","step":1}}"#, true),
            (r#"{"type":"and","conds":[]}"#, true),
            (r#"{"type":"or","conds":[]}"#, false),
            (r#"{"type":"and","conds":[{"type":"ok","step":0},{"type":"ok","step":1}]}"#, false),
            (r#"{"type":"or","conds":[{"type":"ok","step":1},{"type":"is_autocommit"}]}"#, true),
        ] {
            assert_eq!(holds(json, true), Ok(expected), "{json}");
        }
        assert_eq!(holds(r#"{"type":"is_autocommit"}"#, false), Ok(false));
        let beyond = r#"{"type":"or","conds":[{"type":"ok","step":0},{"type":"ok","step":3}]}"#;
        assert_eq!(holds(beyond, true), Err("BATCH_COND_BAD_STEP"));
    }
}
