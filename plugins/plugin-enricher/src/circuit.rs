//! A call that keeps failing is not tried for a while. It is the pipeline's breaker, of each call.

use buntime_core::{
    Clock,
    breaker::{Admission, Breaker, BreakerState},
    options::BreakerOptions,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Circuit(Breaker);

impl Circuit {
    pub(crate) fn new(options: BreakerOptions, clock: Clock) -> Self {
        Self(Breaker::new(options, clock))
    }

    pub(crate) fn state(&self) -> BreakerState {
        self.0.state()
    }

    /// May it be tried? What comes of it is to be told to the pass.
    pub(crate) fn pass(&self) -> Option<Pass<'_>> {
        match self.0.admit() {
            Admission::Enter => Some(Pass { breaker: &self.0, probe: false }),
            Admission::Probe => Some(Pass { breaker: &self.0, probe: true }),
            Admission::Refuse => None,
        }
    }
}

/// One try. Dropped, it said nothing.
pub(crate) struct Pass<'c> {
    breaker: &'c Breaker,
    probe: bool,
}

impl Pass<'_> {
    pub(crate) fn failed(mut self) {
        self.breaker.failed(std::mem::take(&mut self.probe));
    }

    pub(crate) fn succeeded(mut self) {
        if std::mem::take(&mut self.probe) {
            self.breaker.probe_succeeded();
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.probe_abandoned();
        }
    }
}
