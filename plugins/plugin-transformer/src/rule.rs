//! One rule, ready.

use buntime_core::SettingsProblem;
use buntime_template::{Known, Template};
use http::StatusCode;

use crate::{
    body::BodyEdit,
    config::{OnFailure, RequestSettings, ResponseSettings, RuleSettings},
    failure::{Failure, Side},
    headers::{self, HeaderEdit},
    path::Rewrite,
    query::{self, QueryEdit},
    when::When,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) when: When,
    pub(crate) request: Option<Part>,
    pub(crate) response: Option<Part>,
    on_failure: OnFailure,
    on_too_large: OnFailure,
    on_encoded: OnFailure,
}

/// What it changes of one message.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: Vec<HeaderEdit>,
    pub(crate) query: Vec<QueryEdit>,
    pub(crate) path: Option<Rewrite>,
    pub(crate) body: Option<BodyEdit>,
    /// Does it look into the body, or change it?
    pub(crate) wants_body: bool,
    /// Does it need the body as it came?
    pub(crate) reads_body: bool,
}

impl Rule {
    /// Reads it; `at` is where it stands.
    ///
    /// # Errors
    /// Every problem.
    pub(crate) fn new(settings: &RuleSettings, at: &str) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let when = When::new(&settings.when, &format!("{at}/when"), &mut problems);
        if settings.request.is_some() && !settings.when.statuses.is_empty() {
            let problem = SettingsProblem::new(format!("{at}/when/statuses"), "a request has no status yet");
            problems.push(problem.with_help("change responses in a rule of their own"));
        }
        if settings.request.is_none() && settings.response.is_none() {
            let problem = SettingsProblem::new(at, "this rule changes nothing");
            problems.push(problem.with_help("write `request` or `response`"));
        }
        let request =
            settings.request.as_ref().map(|part| Part::of_request(part, &format!("{at}/request"), &mut problems));
        let response =
            settings.response.as_ref().map(|part| Part::of_response(part, &format!("{at}/response"), &mut problems));
        if !problems.is_empty() {
            return Err(problems);
        }
        let on_failure = settings.on_failure.unwrap_or_default();
        Ok(Self {
            name: settings.name.clone().unwrap_or_else(|| at.trim_start_matches("/rules/").to_owned()),
            when,
            request,
            response,
            on_failure,
            on_too_large: settings.on_too_large.unwrap_or(on_failure),
            on_encoded: settings.on_encoded.unwrap_or(on_failure),
        })
    }

    pub(crate) fn part(&self, side: Side) -> Option<&Part> {
        match side {
            Side::Request => self.request.as_ref(),
            Side::Response => self.response.as_ref(),
        }
    }

    /// What becomes of an exchange when it fails so.
    pub(crate) fn on(&self, failure: &Failure) -> OnFailure {
        match failure {
            Failure::Encoded => self.on_encoded,
            Failure::TooLarge(_) => self.on_too_large,
            Failure::Other(_) => self.on_failure,
        }
    }

    /// May it have to be undone?
    pub(crate) fn may_be_undone(&self) -> bool {
        [self.on_failure, self.on_too_large, self.on_encoded].contains(&OnFailure::Continue)
    }
}

impl Part {
    fn of_request(settings: &RequestSettings, at: &str, problems: &mut Vec<SettingsProblem>) -> Self {
        let known = Known { body: true, ..Known::default() };
        let part = Self {
            headers: headers::read(&settings.headers, Side::Request, &known, &format!("{at}/headers"), problems),
            query: query::read(&settings.query, &known, &format!("{at}/query"), problems),
            path: settings.path.as_ref().and_then(|path| Rewrite::new(path, &known, &format!("{at}/path"), problems)),
            body: settings.body.as_ref().map(|body| BodyEdit::new(body, &known, &format!("{at}/body"), problems)),
            ..Self::default()
        };
        part.with_wants()
    }

    fn of_response(settings: &ResponseSettings, at: &str, problems: &mut Vec<SettingsProblem>) -> Self {
        let known = Known { body: true, response: true, captures: None };
        let status = settings.status.and_then(|status| {
            let fine = (200..=599).contains(&status) && ![204, 205, 304].contains(&status);
            if !fine {
                let problem =
                    SettingsProblem::new(format!("{at}/status"), format!("{status} is no status that is set here"));
                problems.push(problem.with_help("write 200 to 599, and one that may have a body"));
            }
            StatusCode::from_u16(status).ok()
        });
        let part = Self {
            status,
            headers: headers::read(&settings.headers, Side::Response, &known, &format!("{at}/headers"), problems),
            body: settings.body.as_ref().map(|body| BodyEdit::new(body, &known, &format!("{at}/body"), problems)),
            ..Self::default()
        };
        part.with_wants()
    }

    fn with_wants(mut self) -> Self {
        let headers = self.headers.iter().filter_map(HeaderEdit::template);
        let query = self.query.iter().filter_map(QueryEdit::template);
        let mut templates = headers.chain(query).chain(self.path.as_ref().map(Rewrite::template));
        self.reads_body = templates.any(Template::reads_body) || self.body.as_ref().is_some_and(BodyEdit::reads_body);
        self.wants_body = self.reads_body || self.body.is_some();
        self
    }
}
