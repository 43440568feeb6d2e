//! One call, ready: what is asked for a request, and what becomes of the answer.

use std::{fmt, time::Duration};

use buntime_core::{Cx, Http, SettingsProblem, options::BreakerOptions, units::Size};
use buntime_router::PathPattern;
use buntime_template::{JsonTemplate, Known, Template, View, header};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header as names};

use crate::{
    answer::Failure,
    condition::Condition,
    config::{CacheSettings, CallSettings, OnFailure},
    destination::FieldMap,
    endpoint::Endpoint,
};

/// Of answers and of request bodies.
const MOST: Size = Size(16 << 20);
const MOST_MAPS: usize = 100;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests with longer keys are not served from the cache, in bytes.
const LONGEST_KEY: usize = 4 << 10;

/// See the module.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) endpoint: Endpoint,
    pub(crate) timeout: Duration,
    pub(crate) retries: u8,
    pub(crate) on_failure: OnFailure,
    pub(crate) max_answer: u64,
    pub(crate) max_request_body: u64,
    pub(crate) circuit: BreakerOptions,
    pub(crate) cache: Option<CacheSettings>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) maps: Vec<FieldMap>,
    /// Does it look into the request's body, or change it?
    pub(crate) wants_body: bool,
    methods: Vec<Method>,
    paths: Vec<PathPattern>,
    headers: Vec<(HeaderName, Template)>,
    body: Option<JsonTemplate>,
    key: Option<Template>,
}

/// What is asked for one request. Shows nothing of itself: it may carry secrets.
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What its answer is kept by.
    pub(crate) key: Option<Box<[u8]>>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

impl Call {
    /// Reads it; `at` is where it stands.
    ///
    /// # Errors
    /// Every problem.
    pub(crate) fn new(settings: &CallSettings, at: &str) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let known = Known { body: true, ..Known::default() };
        let method = method(settings.method.as_deref().unwrap_or("POST"), &format!("{at}/method"), &mut problems);
        numbers(settings, &method, at, &mut problems);
        let query = templates("queryParams", &settings.query_params, &known, at, &mut problems);
        let endpoint = Endpoint::new(&settings.endpoint, query.into_iter(), &known, at, &mut problems);
        let headers = headers(settings, &known, at, &mut problems);
        let body = settings.body.as_ref().and_then(|body| {
            let read = JsonTemplate::new(body, &known, &format!("{at}/body"));
            read.map_err(|found| problems.extend(found)).ok()
        });
        let key = settings.cache.as_ref().and_then(|cache| cache.key.as_ref()).and_then(|key| {
            let read = Template::new(key, &known);
            read.map_err(|bad| problems.push(SettingsProblem::new(format!("{at}/cache/key"), bad.to_string()))).ok()
        });
        let conditions = settings.conditions.iter().enumerate().filter_map(|(index, condition)| {
            Condition::new(condition, &format!("{at}/conditions/{index}"), &mut problems)
        });
        let conditions: Vec<Condition> = conditions.collect();
        let maps = settings.field_maps.iter().enumerate();
        let maps =
            maps.filter_map(|(index, map)| FieldMap::new(map, &format!("{at}/fieldMaps/{index}"), &mut problems));
        let maps: Vec<FieldMap> = maps.collect();
        let (methods, paths) = when(settings, at, &mut problems);
        let Some(endpoint) = endpoint.filter(|_| problems.is_empty()) else { return Err(problems) };
        let texts = || endpoint.templates().chain(headers.iter().map(|(_, text)| text)).chain(&key);
        let wants_body = texts().any(Template::reads_body)
            || body.as_ref().is_some_and(JsonTemplate::reads_body)
            || maps.iter().any(FieldMap::is_of_body);
        Ok(Self {
            name: settings.name.clone().unwrap_or_else(|| at.trim_start_matches("/calls/").to_owned()),
            method,
            endpoint,
            timeout: settings.timeout.map_or(Duration::from_secs(5), Duration::from),
            retries: settings.retries.unwrap_or(0),
            on_failure: settings.on_failure.unwrap_or_default(),
            max_answer: settings.max_answer.map_or(256 << 10, |size| size.0),
            max_request_body: settings.max_request_body.map_or(1 << 20, |size| size.0),
            circuit: settings.circuit.unwrap_or_default(),
            cache: settings.cache.clone(),
            conditions,
            maps,
            wants_body,
            methods,
            paths,
            headers,
            body,
            key,
        })
    }

    /// Is it for such a request?
    pub(crate) fn is_for(&self, cx: &Cx<Http>) -> bool {
        let head = cx.request();
        (self.methods.is_empty() || self.methods.contains(&head.method))
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.is_match(head.uri.path())))
    }

    /// Does it change the request's body?
    pub(crate) fn writes_body(&self) -> bool {
        self.maps.iter().any(FieldMap::is_of_body)
    }

    /// What is asked for a request.
    ///
    /// # Errors
    /// A value of the URL is not there or would lead elsewhere, or one of a header fits into none.
    pub(crate) fn asked(&self, view: &View<'_>) -> Result<Asked, Failure> {
        let url = self.endpoint.url(view).ok_or(Failure::Unsendable)?;
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 2);
        headers.insert(names::ACCEPT, HeaderValue::from_static("application/json"));
        let body = match self.body.as_ref().and_then(|body| body.value(view)) {
            Some(body) => {
                headers.insert(names::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        for (name, template) in &self.headers {
            if let Some(text) = template.text(view) {
                headers.insert(name.clone(), header::value(&text).ok_or(Failure::Unsendable)?);
            }
        }
        let key = self.cache.as_ref().and_then(|_| self.key(view, &url, &headers, &body));
        Ok(Asked { url, headers, body, key })
    }

    fn key(&self, view: &View<'_>, url: &str, headers: &HeaderMap, body: &[u8]) -> Option<Box<[u8]>> {
        let key = match &self.key {
            Some(key) => key.text(view)?.as_bytes().to_vec(),
            None => {
                // Each part with its length, so that no two calls look like one.
                let mut key = format!("{} {url} ", url.len()).into_bytes();
                for (name, value) in headers {
                    key.extend_from_slice(format!("{name} {} ", value.len()).as_bytes());
                    key.extend_from_slice(value.as_bytes());
                }
                key.push(0);
                key.extend_from_slice(body);
                key
            }
        };
        (key.len() <= LONGEST_KEY).then(|| key.into_boxed_slice())
    }
}

fn method(text: &str, at: &str, problems: &mut Vec<SettingsProblem>) -> Method {
    let capital = !text.bytes().any(|byte| byte.is_ascii_lowercase());
    let read = Method::from_bytes(text.as_bytes())
        .ok()
        .filter(|method| capital && ![Method::CONNECT, Method::TRACE].contains(method));
    read.unwrap_or_else(|| {
        let problem = SettingsProblem::new(at, format!("`{text}` is no method that is called"));
        problems.push(problem.with_help("write methods in capitals: POST"));
        Method::POST
    })
}

fn numbers(settings: &CallSettings, method: &Method, at: &str, problems: &mut Vec<SettingsProblem>) {
    let mut say = |key: &str, what: &str, help: &str| {
        problems.push(SettingsProblem::new(format!("{at}/{key}"), what).with_help(help));
    };
    if settings.timeout.is_some_and(|time| time.0.is_zero() || time.0 > LONGEST_TIMEOUT) {
        say("timeout", "no request waits for so long", "write 1ms to 60s");
    }
    for (key, size) in [("maxAnswer", settings.max_answer), ("maxRequestBody", settings.max_request_body)] {
        if size.is_some_and(|size| size.0 == 0 || size > MOST) {
            say(key, "it is no size for what is kept in memory as a whole", "write 1b to 16mb");
        }
    }
    let retries = settings.retries.unwrap_or(0);
    if retries > 5 {
        say("retries", "a request would wait too long", "write 0 to 5");
    }
    if retries > 0 && !settings.idempotent.unwrap_or(method.is_idempotent()) {
        let help = "write `idempotent: true` beside it if the API takes it twice, or leave `retries` out";
        say("retries", "this call may not be repeated, by its method", help);
    }
    if settings.field_maps.len() > MOST_MAPS {
        say("fieldMaps", "these are too many", "write at most 100");
    }
    if settings.conditions.len() > MOST_MAPS {
        say("conditions", "these are too many", "write at most 100");
    }
    let circuit = settings.circuit.unwrap_or_default();
    if circuit.failures == 0 || circuit.half_open_probes == 0 || circuit.successes == 0 {
        say(
            "circuit",
            "`failures`, `halfOpenProbes` and `successes` are at least 1",
            "leave them out for the defaults",
        );
    }
    if let Some(cache) = &settings.cache {
        if cache.max_entries.is_some_and(|most| !(1..=1_000_000).contains(&most)) {
            say("cache/maxEntries", "it is no number of answers", "write 1 to 1000000");
        }
        if cache.max_bytes.is_some_and(|size| size.0 < 1024) {
            say("cache/maxBytes", "no answer would fit", "write 1kb or more");
        }
        let writes = !method.is_safe() && cache.ttl.is_none_or(|ttl| !ttl.0.is_zero());
        if writes && settings.idempotent == Some(false) {
            say(
                "cache",
                "a call that may not be repeated is not answered from memory either",
                "leave `cache` or `idempotent` out",
            );
        }
    }
}

fn templates<'s>(
    key: &str,
    fields: impl IntoIterator<Item = (&'s String, &'s String)>,
    known: &Known,
    at: &str,
    problems: &mut Vec<SettingsProblem>,
) -> Vec<(String, Template)> {
    let mut all = Vec::new();
    for (name, text) in fields {
        match Template::new(text, known) {
            Ok(template) => all.push((name.clone(), template)),
            Err(bad) => problems.push(SettingsProblem::new(format!("{at}/{key}/{name}"), bad.to_string())),
        }
    }
    all
}

/// Problems show no value: headers carry secrets.
fn headers(
    settings: &CallSettings,
    known: &Known,
    at: &str,
    problems: &mut Vec<SettingsProblem>,
) -> Vec<(HeaderName, Template)> {
    let mut all = Vec::new();
    for (name, template) in templates("headers", &settings.headers, known, at, problems) {
        let place = format!("{at}/headers/{name}");
        match header::changeable(&name, true) {
            Ok(name) if template.constant().is_none_or(|text| header::value(text).is_some()) => {
                all.push((name, template));
            }
            Ok(_) => problems.push(SettingsProblem::new(place, "this cannot be the value of a header")),
            Err(why) => problems.push(SettingsProblem::new(place, why)),
        }
    }
    all
}

fn when(settings: &CallSettings, at: &str, problems: &mut Vec<SettingsProblem>) -> (Vec<Method>, Vec<PathPattern>) {
    let methods = settings.when.methods.iter().enumerate();
    let methods = methods.map(|(index, text)| method(text, &format!("{at}/when/methods/{index}"), problems)).collect();
    let mut paths = Vec::new();
    for (index, text) in settings.when.paths.iter().enumerate() {
        match PathPattern::new(text) {
            Ok(path) => paths.push(path),
            Err(bad) => problems.push(SettingsProblem::new(format!("{at}/when/paths/{index}"), bad.to_string())),
        }
    }
    (methods, paths)
}
