//! The hook at priority 5: a rule answers at once, or, guarded, after the rest of the chain.

use std::sync::Arc;

use buntime_core::{Cx, Hooks, Http, Pre, Stages, Step};

use crate::{rule::Rule, table::Rules};

/// What belongs to the program's own plugins is no rule's.
const PLUGINS: &str = "/p/";

#[derive(Debug)]
pub(crate) struct ProxyHooks {
    rules: Rules,
}

impl ProxyHooks {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules }
    }

    fn decide(&self, cx: &mut Cx<Http>) -> Pre<Http> {
        if let Some(route) = cx.route() {
            // Matched by the server's router, whose handler is the rule by now, perhaps wrapped by an earlier hook.
            return match route.data.as_deref().and_then(|data| data.downcast_ref::<Rule>()) {
                Some(rule) if !rule.is_guarded() => Pre::Handle(cx.handler().clone()),
                _ => Pre::Continue,
            };
        }
        if cx.request().uri.path().starts_with(PLUGINS) {
            return Pre::Continue;
        }
        let found: Option<Arc<Rule>> = self.rules.now().find(cx.request()).cloned();
        match found {
            Some(rule) if rule.is_guarded() => {
                cx.set_handler(rule);
                Pre::Continue
            }
            Some(rule) => Pre::Handle(rule),
            None => Pre::Continue,
        }
    }
}

impl Hooks<Http> for ProxyHooks {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        Step::ready(self.decide(cx))
    }
}
