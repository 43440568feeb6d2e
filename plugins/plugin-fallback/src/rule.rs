//! A rule, ready to run.

use std::{path::Path, sync::Arc};

use buntime_core::{BoxError, SettingsProblem, units::Span};
use buntime_upstream::Clusters;

use crate::{
    config::{RetrySettings, RuleSettings},
    content::Fixed,
    matcher::Matcher,
};

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What it is called in the log.
    pub(crate) name: String,
    pub(crate) matcher: Matcher,
    pub(crate) retry: Option<RetrySettings>,
    pub(crate) service: Option<Service>,
    pub(crate) response: Option<Fixed>,
}

/// A service, looked up when it is needed: a reload swaps services under a plugin that stays.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) clusters: Arc<Clusters>,
}

/// What is wrong with it, apart from its parts.
pub(crate) fn check(settings: &RuleSettings, pointer: &str, problems: &mut Vec<SettingsProblem>) {
    let mut wrong = |key: &str, message: &str, help: &str| {
        problems.push(SettingsProblem::new(format!("{pointer}{key}"), message).with_help(help));
    };
    if settings.retry.is_none() && settings.service.is_none() && settings.response.is_none() {
        wrong("", "it does nothing", "write `retry`, `service` or `response`");
    }
    if let Some(retry) = &settings.retry {
        if !(1..=10).contains(&retry.attempts) {
            wrong("/retry/attempts", "it is out of range", "write a number from 1 to 10");
        }
        if retry.backoff > retry.max_backoff {
            wrong("/retry/backoff", "it is longer than `maxBackoff`", "write a shorter one, or a longer `maxBackoff`");
        }
        if retry.max_backoff > Span::secs(60) {
            wrong("/retry/maxBackoff", "it is too long", "clients wait meanwhile; write at most 60s");
        }
    }
    if settings.service.as_deref() == Some("") {
        wrong("/service", "it is empty", "write the name of a service");
    }
}

impl Rule {
    /// Makes it, from settings that were checked.
    ///
    /// # Errors
    /// For a file that cannot be read or a service that there is not.
    pub(crate) fn new(
        index: usize,
        settings: &RuleSettings,
        base: &Path,
        clusters: Option<&Arc<Clusters>>,
    ) -> Result<Self, BoxError> {
        let pointer = format!("/rules/{index}");
        let told = |key: &str, error: BoxError| BoxError::from(format!("at {pointer}{key}: {error}"));
        let matcher = Matcher::new(&settings.when, &format!("{pointer}/when"))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let service = settings.service.as_deref().map(|name| Service::find(name, clusters)).transpose();
        let response = settings.response.as_ref().map(|response| Fixed::new(response, base)).transpose();
        Ok(Self {
            name: settings.name.clone().unwrap_or_else(|| format!("rule {index}")),
            matcher,
            retry: settings.retry.clone(),
            service: service.map_err(|error| told("/service", error))?,
            response: response.map_err(|error| told("/response/file", error))?,
        })
    }

    /// Does it send requests again?
    pub(crate) fn sends(&self) -> bool {
        self.retry.is_some() || self.service.is_some()
    }
}

impl Service {
    fn find(name: &str, clusters: Option<&Arc<Clusters>>) -> Result<Self, BoxError> {
        let Some(clusters) = clusters else {
            return Err("this program has no services; leave out `service`".into());
        };
        if clusters.get(name).is_none() {
            let all = clusters.all();
            let names: Vec<&str> = all.iter().map(|cluster| &**cluster.name()).collect();
            let known = if names.is_empty() {
                "none is configured".to_owned()
            } else {
                format!("there are `{}`", names.join("`, `"))
            };
            return Err(format!("there is no service `{name}`: {known}").into());
        }
        Ok(Self { name: name.to_owned(), clusters: clusters.clone() })
    }
}
