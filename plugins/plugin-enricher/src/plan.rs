//! The calls of a scope, ready, with what lives as long as they do.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use buntime_core::{PluginContext, Scope, SettingsProblem};
use buntime_ssrf::Outbound;

use crate::{
    answer::{Answer, Failure},
    cache::{Answers, Found, Key, Outcome},
    call::{Asked, Call},
    circuit::Circuit,
    config::EnricherSettings,
    desk::Figures,
    send,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scope: Scope,
    pub(crate) calls: Vec<Arc<Live>>,
}

/// One call, and its state.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) call: Call,
    pub(crate) circuit: Circuit,
    pub(crate) answers: Option<Answers>,
    pub(crate) figures: Arc<Figures>,
    outbound: Arc<Outbound>,
    context: PluginContext,
}

impl Plan {
    /// Reads settings.
    ///
    /// # Errors
    /// What is wrong with its calls.
    pub(crate) fn new(settings: &EnricherSettings, context: &PluginContext) -> Result<Self, Vec<SettingsProblem>> {
        // Without a host's own: public addresses, and what the operator wrote.
        let outbound = context.service::<Outbound>().unwrap_or_default();
        let calls = settings.calls().into_iter().map(|(at, settings)| {
            let call = Call::new(settings, &at)?;
            let figures = context.keep(&format!("figures {}", call.name), Figures::default);
            let live = Live {
                circuit: Circuit::new(call.circuit, context.clock().clone()),
                answers: call.cache.as_ref().map(|cache| Answers::new(cache, context.clock().clone())),
                call,
                figures,
                outbound: outbound.clone(),
                context: context.clone(),
            };
            Ok(Arc::new(live))
        });
        let calls: Result<Vec<Arc<Live>>, Vec<SettingsProblem>> = calls.collect();
        Ok(Self { scope: context.scope().clone(), calls: calls? })
    }
}

impl Live {
    /// The answer for a request: kept, shared or fetched.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn answer(self: &Arc<Self>, asked: Asked) -> Outcome {
        let (Some(answers), Some(key)) = (&self.answers, asked.key.clone()) else {
            return self.fetch(&asked).await.map(Arc::new);
        };
        let mut told = match answers.find(&key) {
            Found::Answer(answer) => {
                self.figures.hits.fetch_add(1, Relaxed);
                return Ok(answer);
            }
            Found::Wait(told) => {
                self.figures.shared.fetch_add(1, Relaxed);
                told
            }
            Found::Ask(told, tell) => {
                let flight = Flight { live: self.clone(), key };
                self.context.spawn(async move {
                    let outcome = flight.live.fetch(&asked).await.map(Arc::new);
                    flight.land(&outcome);
                    drop(flight);
                    // All that waited may have left.
                    let _ = tell.send(Some(outcome));
                });
                told
            }
        };
        // Without a word: the instance ended.
        let outcome = told.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or(Err(Failure::Unreachable))
    }

    async fn fetch(&self, asked: &Asked) -> Result<Answer, Failure> {
        self.figures.calls.fetch_add(1, Relaxed);
        let result = send::send(self.outbound.client(), &self.call, &self.circuit, asked).await;
        if let Err(failure) = &result {
            self.figures.fail(*failure);
            let (call, why) = (self.call.name.as_str(), failure.word());
            match failure {
                Failure::Status(status) => {
                    tracing::warn!(call, status = status.as_u16(), "an enriching call failed: {why}");
                }
                Failure::Open => tracing::debug!(call, "an enriching call is not tried"),
                _ => tracing::warn!(call, "an enriching call failed: {why}"),
            }
        }
        result
    }
}

/// A call under way that others may wait for. However it ends, nobody waits for it afterwards.
struct Flight {
    live: Arc<Live>,
    key: Key,
}

impl Flight {
    fn land(&self, outcome: &Outcome) {
        if let (Some(answers), Ok(answer)) = (&self.live.answers, outcome)
            && send::is_lasting(answer.status)
        {
            answers.keep(&self.key, answer);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(answers) = &self.live.answers {
            answers.landed(&self.key);
        }
    }
}
