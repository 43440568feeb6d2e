//! What is tried again, and how often at most.

use buntime_core::units::{Size, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::MethodName;

/// What is tried again. An attempt that never reached its target is repeated whatever the method; others when the
/// method is idempotent (GET, HEAD, OPTIONS, PUT, DELETE, TRACE) and the body can be sent again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryOptions {
    /// Answers that count as failed attempts. Default 502, 503 and 504: a 500 is what the program has to say.
    #[schemars(inner(range(min = 500, max = 599)))]
    pub statuses: Vec<u16>,
    /// Methods that are repeated although they are not idempotent. None by default.
    pub methods: Vec<MethodName>,
    /// The longest body that is kept to be sent again. Default 64kb.
    pub max_body: Size,
    /// How long the first repetition on a target that was already tried waits; doubled for each further one, and
    /// randomised. A target that was not tried yet is tried at once. Default 25ms.
    pub backoff: Span,
    /// How many repetitions there are at most.
    pub budget: RetryBudget,
}

impl RetryOptions {
    /// Is it as it is when nobody says anything?
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            statuses: vec![502, 503, 504],
            methods: Vec::new(),
            max_body: Size(64 << 10),
            backoff: Span::millis(25),
            budget: RetryBudget::default(),
        }
    }
}

/// How many repetitions there are at most, over about ten seconds, so that they cannot multiply an outage. A connection
/// that failed to another target than those already tried costs nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryBudget {
    /// In percent of the requests. Default 20.
    #[schemars(range(min = 0, max = 1000))]
    pub percent: f64,
    /// That many each second in any case. Default 10.
    pub per_second: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20.0, per_second: 10 }
    }
}
