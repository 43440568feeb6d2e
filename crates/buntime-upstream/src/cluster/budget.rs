//! How many repetitions there may be, so that they cannot multiply an outage.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use buntime_config::model::RetryBudget;

/// Over what time requests count.
const WINDOW: Duration = Duration::from_secs(10);

/// What is left. Looked at only when something is to be repeated.
#[derive(Debug)]
pub(super) struct Budget {
    share: f64,
    per_second: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: f64,
    at: Instant,
    requests: u64,
}

impl Budget {
    /// One that begins with what it has when nothing was asked for a while. `requests`: how many there were so far.
    pub(super) fn new(settings: RetryBudget, now: Instant, requests: u64) -> Self {
        let per_second = f64::from(settings.per_second);
        let left = per_second * WINDOW.as_secs_f64();
        Self { share: settings.percent / 100.0, per_second, state: Mutex::new(State { left, at: now, requests }) }
    }

    /// Takes one repetition, if one is left. `requests`: how many there were so far.
    pub(super) fn take(&self, now: Instant, requests: u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        let mut asked = requests.saturating_sub(state.requests) as f64;
        let window = WINDOW.as_secs_f64();
        if passed > window {
            // Only the last window counts; what came when in the time before is not known.
            asked *= window / passed;
        }
        let faded = (-passed / window).exp();
        let earned = asked * self.share + self.per_second * passed.min(window);
        state.left = state.left * faded + earned;
        state.at = now;
        state.requests = requests;
        if state.left < 1.0 {
            return false;
        }
        state.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(percent: f64, per_second: u32, now: Instant) -> Budget {
        Budget::new(RetryBudget { percent, per_second }, now, 0)
    }

    #[test]
    fn a_share_of_the_requests_and_a_few_each_second() {
        let start = Instant::now();
        let budget = budget(25.0, 1, start);
        let taken = (1..=1000).filter(|request| budget.take(start, *request)).count();
        assert_eq!(taken, 260, "ten seconds' worth and a quarter of the requests");
        let taken = (0..100).filter(|_| budget.take(start + Duration::from_secs(5), 1000)).count();
        assert!((4..=6).contains(&taken), "{taken}");
    }

    #[test]
    fn what_was_not_used_does_not_pile_up() {
        let start = Instant::now();
        let budget = budget(10.0, 0, start);
        let later = start + Duration::from_secs(1000);
        let taken = (0..20_000).filter(|_| budget.take(later, 100_000)).count();
        assert_eq!(taken, 100, "a tenth of the last ten seconds' requests");
    }
}
