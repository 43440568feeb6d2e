//! Why a request is treated as it is: the chain of a path, and for each hook set why it stands there, with which
//! settings, and which level said them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::{
    Http,
    chain::{Branch, Chain, Link, OrderKey},
    error::Error,
    hooks::Stage,
    host::{
        branches::scopes_text,
        live::Live,
        plan::{Planned, Verdict, plan_path},
    },
    options::OnError,
    scope::Scope,
};

/// What would run for a request, in order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The levels that apply, from general to specific.
    pub levels: Vec<Scope>,
    /// The hook sets in the order of the way in; the way back is the reverse.
    pub chain: Vec<Standing>,
    /// Plugins that are configured on this path and have no hooks in its chain.
    pub left_out: Vec<LeftOut>,
    /// How many of the chain run before it is known who calls; 0 when nothing says so.
    pub before_consumer: usize,
}

/// One hook set.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Its hook set.
    pub set: String,
    /// The stages it takes part in.
    pub stages: Vec<&'static str>,
    /// Does it only look? Those run for administrative routes, too.
    pub observer: bool,
    /// Its place, by which the chain is sorted.
    pub place: OrderKey,
    /// Why it stands there.
    pub because: String,
    /// The levels that configured it.
    pub configured_by: Vec<Scope>,
    /// What a failing hook does.
    pub on_error: OnError,
    /// How long each hook may take, in seconds.
    pub timeout: f64,
    /// Its settings, merged, as they were written: not for eyes without their secrets masked.
    pub settings: Value,
    /// Which level said each of them.
    pub settings_from: Vec<From>,
    /// Which level said each of the options that any entry takes.
    pub options_from: Vec<From>,
}

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct From {
    /// A JSON pointer into the settings, or the name of an option.
    pub at: String,
    /// The level.
    pub level: Scope,
}

/// A plugin without hooks in a chain.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Why.
    pub reason: String,
}

impl Live {
    /// What would run for a request to a route of a service, or to what is no service's, of a consumer or of nobody
    /// known.
    ///
    /// # Errors
    /// If the consumer's plugins do not start.
    pub async fn explain(&self, route: Option<(&str, &str)>, consumer: Option<&str>) -> Result<Explanation, Error> {
        let base = route.map_or_else(|| self.chain(), |(service, route)| self.chain_of_route(service, route));
        let (chain, branched) = match (consumer, &base.branches) {
            (Some(consumer), Some(branches)) => match branches.of(base, consumer) {
                Branch::Same => (base.clone(), false),
                Branch::On(other) => (other, true),
                Branch::Later(building) => (building.await?, true),
            },
            _ => (base.clone(), false),
        };
        let scopes = &self.program.scopes;
        let way =
            route.map_or_else(Vec::new, |(service, route)| scopes.way_to(&Scope::Route(service.into(), route.into())));
        let adds = scopes.consumers.iter().find(|one| branched && Some(&*one.name) == consumer);
        let adds = adds.map(|consumer| scopes.of_consumer(consumer)).unwrap_or_default();
        let whole: Vec<Scope> = way.iter().chain(&adds).cloned().collect();
        let (of_path, of_whole) = (self.planned(&way), self.planned(&whole));
        let stands = chain.links().iter().enumerate().filter_map(|(index, link)| {
            let planned = if index < chain.split() { &of_path } else { &of_whole };
            let planned = planned.iter().find(|one| one.entry.plugin == link.member.plugin)?;
            Some(standing(link, planned))
        });
        Ok(Explanation {
            levels: std::iter::once(Scope::Gateway).chain(whole).collect(),
            chain: stands.collect(),
            left_out: of_whole.iter().filter_map(|planned| left_out(planned, &chain)).collect(),
            before_consumer: chain.split(),
        })
    }

    fn planned(&self, scopes: &[Scope]) -> Vec<Arc<Planned>> {
        let planned = self.book.as_ref().map(|book| plan_path(book.catalog(), &self.program, scopes));
        planned.and_then(Result::ok).unwrap_or_default()
    }
}

fn standing(link: &Link<Http>, planned: &Planned) -> Standing {
    let level = |index: usize| planned.said.get(index).cloned().unwrap_or_default();
    let settings_from = match &planned.merged {
        Some(merged) => merged.parts().into_iter().map(|(at, by)| From { at, level: level(by) }).collect(),
        None => match &planned.entry.settings {
            Value::Object(table) if !table.is_empty() => vec![From { at: String::new(), level: level(0) }],
            _ => Vec::new(),
        },
    };
    let said = planned.entry.options.said().into_iter();
    let options_from = said.map(|at| From { level: level(planned.options.get(&at).copied().unwrap_or(0)), at });
    Standing {
        plugin: link.member.plugin.shared(),
        set: link.set.to_string(),
        stages: link.stages.iter().map(Stage::as_str).collect(),
        observer: link.observer,
        place: link.key,
        because: because(link, planned),
        configured_by: planned.said.clone(),
        on_error: link.on_error.clone(),
        timeout: link.timeout.as_secs_f64(),
        settings: planned.entry.settings.clone(),
        settings_from,
        options_from: options_from.collect(),
    }
}

/// Why a set has the priority it has.
fn because(link: &Link<Http>, planned: &Planned) -> String {
    let options = &planned.entry.options;
    let by = |option: &str| {
        let level = planned.options.get(option).copied().unwrap_or(0);
        planned.said.get(level).cloned().unwrap_or_default()
    };
    let priority = link.key.priority;
    if options.hook_priorities.contains_key(&*link.set) {
        return format!("priority {priority}: `hookPriorities` of its entry for {}", by("hookPriorities"));
    }
    if priority != planned.key.priority {
        return format!("priority {priority}: the hook set's own");
    }
    match options.priority {
        Some(_) => format!("priority {priority}: `priority` of its entry for {}", by("priority")),
        None => format!("priority {priority}: the plugin's own"),
    }
}

fn left_out(planned: &Planned, chain: &Chain<Http>) -> Option<LeftOut> {
    if chain.links().iter().any(|link| link.member.plugin == planned.entry.plugin) {
        return None;
    }
    let reason = match &planned.verdict {
        Verdict::Disabled(reason) | Verdict::Unfit(reason) => reason.clone(),
        Verdict::Start => "it has no hooks here, or is not running".to_owned(),
    };
    let reason = if planned.said.len() > 1 {
        format!("{reason} ({})", scopes_text(&planned.said[planned.said.len() - 1..]))
    } else {
        reason
    };
    Some(LeftOut { plugin: planned.entry.plugin.shared(), reason })
}
