//! One entry of `rateLimit`, ready to be asked.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use buntime_core::{BoxError, Cx, Http, Scope, units::Span};
use buntime_router::PathPattern;
use http::Method;
use ipnet::IpNet;

use super::{
    algorithm::{Algorithm, Kind},
    counted::Counted,
    key::Keys,
};
use crate::config::{Cost, CostRule, LimitSettings, ModeName, Period, network};

/// One entry of `rateLimit`, ready to be asked.
pub(crate) struct Limit {
    pub(crate) name: Arc<str>,
    /// The level that configured it.
    pub(crate) scope: Scope,
    pub(crate) keys: Keys,
    /// What it counts by, as it is written.
    pub(crate) key_by: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) settings: LimitSettings,
    pub(crate) mode: ModeName,
    /// How long a request is held back at most.
    pub(crate) delay: Duration,
    /// The same in words: `100 requests in 1m`.
    pub(crate) words: String,
    pub(crate) counted: Arc<Counted>,
    /// Are its cells in Redis?
    pub(crate) shared: bool,
    cost: CostPlan,
    excluded: Vec<PathPattern>,
    networks: Vec<IpNet>,
    consumers: HashSet<String>,
}

enum CostPlan {
    Always(u64),
    Rules(Vec<CompiledRule>),
}

struct CompiledRule {
    cost: u64,
    methods: Vec<Method>,
    paths: Vec<PathPattern>,
}

impl Limit {
    /// That of checked settings.
    pub(crate) fn new(
        name: &str,
        scope: Scope,
        settings: &LimitSettings,
        keys: Keys,
        counted: Arc<Counted>,
        shared: bool,
    ) -> Result<Self, BoxError> {
        let bypass = settings.bypass.clone().unwrap_or_default();
        let mode = settings.mode.unwrap_or_default();
        let delay = settings.max_delay.map_or(Duration::from_secs(1), Duration::from);
        let time = match settings.period {
            Some(Period::Day) => "a day".to_owned(),
            Some(Period::Month) => "a month".to_owned(),
            None => format!("in {}", Span(settings.window())),
        };
        Ok(Self {
            name: name.into(),
            scope,
            key_by: settings.keys().iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            keys,
            algorithm: Algorithm::new(settings),
            mode,
            delay: if mode == ModeName::Throttle { delay } else { Duration::ZERO },
            words: format!("{} requests {time}", settings.requests()),
            counted,
            shared,
            cost: match &settings.cost {
                None => CostPlan::Always(1),
                Some(Cost::Always(cost)) => CostPlan::Always(*cost),
                Some(Cost::Rules(rules)) => {
                    CostPlan::Rules(rules.iter().map(CompiledRule::new).collect::<Result<_, _>>()?)
                }
            },
            excluded: patterns(&settings.exclude_paths)?,
            networks: bypass.addresses.iter().filter_map(|text| network(text)).collect(),
            consumers: bypass.consumers.into_iter().collect(),
            settings: settings.clone(),
        })
    }

    /// What a request counts; `None` if it is not counted.
    pub(crate) fn cost(&self, cx: &Cx<Http>) -> Option<u64> {
        let head = cx.request();
        let path = head.uri.path();
        let cost = match &self.cost {
            CostPlan::Always(cost) => *cost,
            CostPlan::Rules(rules) => {
                rules.iter().find(|rule| rule.matches(&head.method, path)).map_or(1, |rule| rule.cost)
            }
        };
        let excluded = cost == 0
            || self.excluded.iter().any(|pattern| pattern.is_match(path))
            || (!self.networks.is_empty() && {
                let address = cx.meta().client_ip.to_canonical();
                self.networks.iter().any(|network| network.contains(&address))
            })
            || (!self.consumers.is_empty() && cx.consumer().is_some_and(|name| self.consumers.contains(&**name)));
        if excluded {
            self.counted.figures.bypassed.fetch_add(1, Relaxed);
        }
        (!excluded).then_some(cost)
    }

    /// The window in whole seconds, at least one, as headers say it. A quota's: the longest it can be.
    pub(crate) fn seconds(&self) -> u64 {
        match self.settings.period {
            Some(Period::Day) => 86_400,
            Some(Period::Month) => 31 * 86_400,
            None => seconds(self.settings.window()),
        }
    }

    /// How many fit at once.
    pub(crate) fn at_once(&self) -> u64 {
        match self.algorithm.kind {
            Kind::Bucket { .. } => self.settings.burst(),
            Kind::Fixed(_) | Kind::Sliding(_) | Kind::Calendar(_) => self.settings.requests(),
        }
    }
}

/// Whole seconds, rounded up, at least one.
pub(crate) fn seconds(duration: Duration) -> u64 {
    whole_seconds(duration).max(1)
}

/// Whole seconds, rounded up.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn patterns(texts: &[String]) -> Result<Vec<PathPattern>, BoxError> {
    texts.iter().map(|text| Ok(PathPattern::new(text)?)).collect()
}

impl CompiledRule {
    fn new(rule: &CostRule) -> Result<Self, BoxError> {
        let methods = rule.methods.iter().map(|name| Method::from_bytes(name.to_ascii_uppercase().as_bytes()));
        Ok(Self { cost: rule.cost, methods: methods.collect::<Result<_, _>>()?, paths: patterns(&rule.paths)? })
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.is_match(path)))
    }
}
