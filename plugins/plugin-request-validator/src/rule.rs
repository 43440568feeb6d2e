//! One rule: for which requests it is, and what it wants of their heads.

use buntime_core::{Cx, Error, ErrorKind, Http, SettingsProblem, Violation, units::Size};
use buntime_http::media::{self, MediaPattern};
use buntime_router::PathPattern;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request};

use crate::{
    config::RuleSettings,
    query::{self, Types},
    schema::{Schema, short},
};

/// The longest body where a schema judges it and no limit is written.
const DEFAULT_BODY: Size = Size(1 << 20);
/// The longest body that a schema may judge: values in memory take many times their text.
const MOST_JUDGED: Size = Size(16 << 20);

/// A rule, ready.
#[derive(Debug)]
pub(crate) struct Rule {
    methods: Vec<Method>,
    paths: Vec<PathPattern>,
    content_types: Vec<MediaPattern>,
    required_headers: Vec<HeaderName>,
    required_query: Vec<String>,
    allowed_query: Option<Vec<String>>,
    query_schema: Option<(Schema, Types)>,
    pub(crate) body_required: bool,
    pub(crate) max_body: Option<u64>,
    pub(crate) body_schema: Option<Schema>,
}

/// Says what is wrong with its settings.
pub(crate) fn check(settings: &RuleSettings, pointer: &str, problems: &mut Vec<SettingsProblem>) {
    if let Err(found) = Rule::new(settings, pointer) {
        problems.extend(found);
    }
}

/// Reads each of a list, and says of those that are none what is wrong.
fn each<T>(
    list: &[String],
    at: &str,
    why: &str,
    problems: &mut Vec<SettingsProblem>,
    read: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let mut all = Vec::with_capacity(list.len());
    for (index, text) in list.iter().enumerate() {
        match read(text) {
            Some(value) => all.push(value),
            None => {
                problems
                    .push(SettingsProblem::new(format!("{at}/{index}"), format!("`{text}` is none")).with_help(why));
            }
        }
    }
    all
}

impl Rule {
    /// Reads it; `pointer` is where it stands.
    ///
    /// # Errors
    /// Every problem.
    pub(crate) fn new(settings: &RuleSettings, pointer: &str) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let at = |key: &str| format!("{pointer}/{key}");
        let method = |text: &str| {
            let capital = !text.bytes().any(|byte| byte.is_ascii_lowercase());
            Method::from_bytes(text.as_bytes()).ok().filter(|_| capital)
        };
        let methods = each(&settings.methods, &at("methods"), "write methods in capitals: POST", &mut problems, method);
        let mut paths = Vec::new();
        for (index, text) in settings.paths.iter().enumerate() {
            match PathPattern::new(text) {
                Ok(pattern) => paths.push(pattern),
                Err(bad) => problems.push(SettingsProblem::new(at(&format!("paths/{index}")), bad.to_string())),
            }
        }
        let help = "write application/json, text/*, *+json or */*";
        let mut content_types =
            each(&settings.content_types, &at("contentTypes"), help, &mut problems, MediaPattern::new);
        if content_types.is_empty() && settings.body_schema.is_some() {
            content_types = ["application/json", "*+json"].into_iter().filter_map(MediaPattern::new).collect();
        }
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok();
        let required_headers =
            each(&settings.required_headers, &at("requiredHeaders"), "write X-Name", &mut problems, name);
        if let Some(allowed) = &settings.allowed_query {
            for (index, name) in settings.required_query.iter().enumerate().filter(|(_, name)| !allowed.contains(name))
            {
                let problem = SettingsProblem::new(
                    at(&format!("requiredQuery/{index}")),
                    format!("`{name}` is required and not allowed"),
                );
                problems.push(problem.with_help("add it to `allowedQuery`"));
            }
        }
        let mut compiled = |key: &str, schema: Option<&serde_json::Map<String, serde_json::Value>>| {
            schema.and_then(|schema| Schema::new(schema, &at(key)).map_err(|problem| problems.push(problem)).ok())
        };
        let body_schema = compiled("bodySchema", settings.body_schema.as_ref());
        let query_schema = compiled("querySchema", settings.query_schema.as_ref());
        if settings.body_schema.is_some() && settings.max_body_size.is_some_and(|size| size > MOST_JUDGED) {
            let problem = SettingsProblem::new(at("maxBodySize"), "it is too much for bodies that a schema judges");
            problems.push(problem.with_help("each is kept in memory as a whole; write at most 16mb"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let max_body = settings.max_body_size.or(settings.body_schema.is_some().then_some(DEFAULT_BODY));
        Ok(Self {
            methods,
            paths,
            content_types,
            required_headers,
            required_query: settings.required_query.clone(),
            allowed_query: settings.allowed_query.clone(),
            query_schema: query_schema.zip(settings.query_schema.as_ref().map(Types::of)),
            body_required: settings.body_required.unwrap_or(false),
            max_body: max_body.map(|size| size.0),
            body_schema,
        })
    }

    /// Is it for such a request?
    pub(crate) fn is_for(&self, cx: &Cx<Http>) -> bool {
        let head = cx.request();
        (self.methods.is_empty() || self.methods.contains(&head.method))
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.is_match(head.uri.path())))
    }

    /// May a body be what it says it is? Answers whether the rule's schema judges it.
    ///
    /// # Errors
    /// 415.
    pub(crate) fn takes(&self, headers: &HeaderMap) -> Result<bool, Error> {
        let kind = media::content_type(headers);
        if !self.content_types.is_empty() {
            let refused = |detail: &'static str| Err(Error::new(ErrorKind::UnsupportedMediaType).with_detail(detail));
            let Some(kind) = kind else { return refused("A body needs one Content-Type") };
            if !self.content_types.iter().any(|pattern| pattern.is_match(kind)) {
                return refused("A body of this Content-Type is not taken here");
            }
        }
        let judged = self.body_schema.is_some() && kind.is_some_and(media::is_json);
        if judged && media::is_encoded(headers) {
            let error = Error::new(ErrorKind::UnsupportedMediaType)
                .with_detail("A body with a Content-Encoding is not taken here");
            return Err(error.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
        }
        Ok(judged)
    }

    /// What is wrong with the head, at most so many things.
    pub(crate) fn head(&self, head: &request::Parts, most: usize, found: &mut Vec<Violation>) {
        let mut say = |part, at: &str, detail: &str| {
            if found.len() < most {
                found.push(Violation { part, at: short(at), detail: detail.to_owned() });
            }
        };
        for name in &self.required_headers {
            let there = head.headers.get_all(name).iter().any(|value| !value.as_bytes().trim_ascii().is_empty());
            if !there {
                say("header", name.as_str(), "it is required");
            }
        }
        if self.required_query.is_empty() && self.allowed_query.is_none() && self.query_schema.is_none() {
            return;
        }
        let query = head.uri.query().unwrap_or_default();
        let Some(parameters) = query::parameters(query).collect::<Option<Vec<_>>>() else {
            return say("query", "", "it is not UTF-8");
        };
        for name in &self.required_query {
            if !parameters.iter().any(|(given, _)| given == name) {
                say("query", name, "it is required");
            }
        }
        if let Some(allowed) = &self.allowed_query {
            for (name, _) in parameters.iter().filter(|(name, _)| !allowed.iter().any(|known| known == name)) {
                say("query", name, "there is no such parameter");
            }
        }
        if let Some((schema, types)) = &self.query_schema {
            schema.judge("query", &types.object(parameters.into_iter()), most, found);
        }
    }
}
