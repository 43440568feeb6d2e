//! The path that the upstream is asked for: made here, put in place for the handler's turn alone, so that policies and
//! logs see what the client asked for.

use std::sync::Arc;

use buntime_core::{Cx, Error, Handler, Http, HttpResponse, SettingsProblem, Step};
use buntime_http::path::normalize;
use buntime_router::path_pattern::linear_regex;
use buntime_template::{Known, Template, View};
use regex::Regex;

use crate::{config::PathSettings, failure::Failure, query::with_target};

/// The longest path that is made, in bytes.
const LONGEST: usize = 8 << 10;

/// A rewrite, ready.
#[derive(Debug)]
pub(crate) struct Rewrite {
    pattern: Option<Regex>,
    to: Template,
}

impl Rewrite {
    /// Reads it; `at` is where it stands.
    pub(crate) fn new(
        settings: &PathSettings,
        known: &Known,
        at: &str,
        problems: &mut Vec<SettingsProblem>,
    ) -> Option<Self> {
        let pattern = match settings.pattern.as_deref().map(linear_regex).transpose() {
            Ok(pattern) => pattern,
            Err(bad) => {
                problems.push(SettingsProblem::new(format!("{at}/pattern"), bad.to_string()));
                return None;
            }
        };
        let place = format!("{at}/to");
        if !settings.to.starts_with('/') && !settings.to.starts_with("{{path") && !settings.to.starts_with("${path") {
            let problem = SettingsProblem::new(&place, "a path begins with `/`");
            problems.push(problem.with_help("write `/new/{{path.2}}`, or `{{path}}` and what follows it"));
        }
        if settings.to.contains('?') && !settings.to.contains("??") {
            let problem = SettingsProblem::new(&place, "a path has no query");
            problems.push(problem.with_help("change parameters under `query`"));
        }
        let known = Known { captures: pattern.clone(), ..known.clone() };
        let to = Template::new(&settings.to, &known)
            .map_err(|bad| problems.push(SettingsProblem::new(&place, bad.to_string())));
        Some(Self { pattern, to: to.ok()? })
    }

    pub(crate) fn template(&self) -> &Template {
        &self.to
    }

    /// The new path; `None` when it stays.
    ///
    /// # Errors
    /// It is no path that can be asked for.
    pub(crate) fn path(&self, view: &View<'_>, path: &str) -> Result<Option<String>, Failure> {
        let captures = match &self.pattern {
            None => None,
            Some(pattern) => match pattern.captures(path) {
                Some(captures) => Some(captures),
                None => return Ok(None),
            },
        };
        let Some(made) = self.to.encoded(&view.captures(captures.as_ref())) else { return Ok(None) };
        // What a value brought must not lead elsewhere, however it is spelled.
        let climbs = || made.split('/').any(|step| matches!(plain(step).as_str(), "." | ".."));
        let fine = made.starts_with('/') && made.len() <= LONGEST && !made.contains(['?', '#']) && !climbs();
        match normalize(&made).ok().filter(|_| fine) {
            Some(normal) => Ok(Some(normal.into_owned())),
            None => Err(Failure::Other("the new path is none that can be asked for".to_owned())),
        }
    }
}

fn plain(step: &str) -> String {
    step.to_ascii_lowercase().replace("%2e", ".")
}

/// Asks for another path, and leaves the exchange as it was.
pub(crate) struct Rewritten {
    pub(crate) inner: Arc<dyn Handler<Http>>,
    pub(crate) path: String,
}

impl Handler<Http> for Rewritten {
    fn call<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
        let before = cx.request().uri.clone();
        let target = match before.query() {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        };
        match with_target(&before, target, usize::MAX / 2) {
            Ok(uri) => cx.request_mut().uri = uri,
            Err(failure) => return Step::failed(failure.error(crate::failure::Side::Request)),
        }
        Step::later(async move {
            let answer = match self.inner.call(cx) {
                Step::Done(answer) => answer,
                Step::Later(answer) => answer.await,
            };
            cx.request_mut().uri = before;
            answer
        })
    }

    fn keeps_time(&self) -> bool {
        self.inner.keeps_time()
    }
}
