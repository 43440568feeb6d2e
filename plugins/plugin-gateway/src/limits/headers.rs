//! What clients are told of limits: `X-RateLimit-*` of the one they are closest to, `RateLimit` and `RateLimit-Policy` of
//! all (draft-ietf-httpapi-ratelimit-headers), `Retry-After` when refused.

use std::fmt::Write;

use buntime_core::BoxError;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    algorithm::Verdict,
    limit::{Limit, whole_seconds},
};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const STANDARD: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What was said of a request by the limit at that position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) at: usize,
    pub(crate) verdict: Verdict,
}

/// The parts that are the same for every answer, made once.
pub(crate) struct Told {
    limits: Box<[One]>,
}

struct One {
    most: u64,
    x_limit: HeaderValue,
    /// `"default";r=`.
    begin: String,
    policy: HeaderValue,
}

/// Marks an answer that has the headers of one set, so that another set of the same plugin adds to them instead of
/// replacing an upstream's.
#[derive(Clone, Copy)]
pub(crate) struct AlreadyTold;

impl Told {
    pub(crate) fn new(limits: &[Limit]) -> Result<Self, BoxError> {
        let one = |limit: &Limit| -> Result<One, BoxError> {
            let most = limit.at_once();
            Ok(One {
                most,
                x_limit: HeaderValue::from(most),
                begin: format!("\"{}\";r=", limit.name),
                // The quota of the policy is what its window lets through, whatever fits at once.
                policy: HeaderValue::try_from(format!(
                    "\"{}\";q={};w={}",
                    limit.name,
                    limit.settings.requests(),
                    limit.seconds()
                ))?,
            })
        };
        Ok(Self { limits: limits.iter().map(one).collect::<Result<_, _>>()? })
    }

    /// Puts them into an answer; `added` if another set of this plugin has put its own there.
    pub(crate) fn put(&self, said: &[Said], headers: &mut HeaderMap, added: bool) {
        // The one with the smallest part left.
        let part =
            |said: &Said| (u128::from(said.verdict.remaining) << 64) / u128::from(self.limits[said.at].most.max(1));
        let Some(closest) = said.iter().min_by_key(|said| (said.verdict.allowed, part(said))) else { return };
        if !added {
            for name in [&LIMIT, &REMAINING, &RESET, &STANDARD, &POLICY] {
                headers.remove(name);
            }
        }
        let before = headers.get(&REMAINING).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if before.is_none_or(|before| closest.verdict.remaining < before) {
            headers.insert(LIMIT, self.limits[closest.at].x_limit.clone());
            headers.insert(REMAINING, HeaderValue::from(closest.verdict.remaining));
            headers.insert(RESET, HeaderValue::from(whole_seconds(closest.verdict.reset)));
        }
        for said in said {
            let one = &self.limits[said.at];
            let mut text = String::with_capacity(one.begin.len() + 28);
            let _ = write!(text, "{}{};t={}", one.begin, said.verdict.remaining, whole_seconds(said.verdict.reset));
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.append(STANDARD, value);
            }
            headers.append(POLICY, one.policy.clone());
        }
    }
}

/// When to come back, in whole seconds.
pub(crate) fn retry_after(headers: &mut HeaderMap, seconds: u64) {
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}
