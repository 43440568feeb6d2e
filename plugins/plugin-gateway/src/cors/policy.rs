//! What is answered to whom.

use axum::body::Body;
use buntime_core::{BoxError, HttpResponse, units::Span};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request};

use super::{REQUEST_PRIVATE_NETWORK, only, origin::Pattern, vary};
use crate::config::CorsSettings;

const METHODS: &str = "GET, HEAD, PUT, PATCH, POST, DELETE";
/// The default of `maxAge`.
const MAX_AGE: Span = Span::secs(86_400);

/// CORS settings, ready to be asked.
#[derive(Debug)]
pub(crate) struct CorsPolicy {
    origins: Vec<Pattern>,
    /// All are allowed, and the answer is the same for everybody.
    any: bool,
    credentials: bool,
    private_network: bool,
    /// `None`: those that are asked for.
    methods: Option<HeaderValue>,
    allowed: Option<HeaderValue>,
    exposed: Option<HeaderValue>,
    max_age: HeaderValue,
}

/// A list as a header's value; `None` where it has `*`, and the answer is what was asked for.
fn listed(words: &[String]) -> Result<Option<HeaderValue>, BoxError> {
    if words.iter().any(|word| word == "*") {
        return Ok(None);
    }
    Ok(Some(HeaderValue::try_from(words.join(", "))?))
}

impl CorsPolicy {
    /// Reads settings that have been checked.
    pub(crate) fn new(settings: &CorsSettings) -> Result<Self, BoxError> {
        let words = crate::config::words;
        let origins = words(settings.origin.as_ref()).iter().map(|text| Pattern::new(text));
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        let methods = match words(settings.methods.as_ref()) {
            [] => Some(HeaderValue::from_static(METHODS)),
            // Methods are told apart by case; in lower case they are hardly meant.
            several => listed(&several.iter().map(|method| method.to_ascii_uppercase()).collect::<Vec<_>>())?,
        };
        let allowed = match words(settings.allowed_headers.as_ref()) {
            [] => None,
            several => listed(several)?,
        };
        let exposed = match words(settings.exposed_headers.as_ref()) {
            [] => None,
            several => Some(HeaderValue::try_from(several.join(", "))?),
        };
        Ok(Self {
            any: origins.iter().any(|pattern| matches!(pattern, Pattern::Any)),
            origins,
            credentials: settings.credentials.unwrap_or(false),
            private_network: settings.private_network.unwrap_or(false),
            methods,
            allowed,
            exposed,
            max_age: HeaderValue::from(settings.max_age.unwrap_or(MAX_AGE).as_secs()),
        })
    }

    /// The value of `Access-Control-Allow-Origin` for who asks; `None` if it may not.
    pub(crate) fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = only(headers, &header::ORIGIN)?;
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?;
        self.origins.iter().any(|pattern| pattern.is_match(text)).then(|| origin.clone())
    }

    /// Puts the headers of an actual answer in place of what is there.
    pub(crate) fn apply(&self, allowed: Option<&HeaderValue>, headers: &mut HeaderMap) {
        for name in [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            headers.remove(name);
        }
        // The answer to one origin must not be given to another, nor to who has none.
        if !self.any {
            vary(headers, "Origin");
        }
        if let Some(origin) = allowed {
            self.allow(origin, headers);
            if let Some(exposed) = &self.exposed {
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
            }
        }
    }

    fn allow(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials && !self.any {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The answer to a preflight: always 204; without allow headers for who may not.
    pub(crate) fn preflight(&self, head: &request::Parts) -> HttpResponse {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if !self.any {
            vary(headers, "Origin");
        }
        vary(headers, "Access-Control-Request-Method");
        vary(headers, "Access-Control-Request-Headers");
        if self.private_network {
            vary(headers, "Access-Control-Request-Private-Network");
        }
        if let Some(origin) = self.allowed(&head.headers) {
            self.allow(&origin, headers);
            let asked = |name| only(&head.headers, name).cloned();
            let methods = self.methods.clone().or_else(|| asked(&header::ACCESS_CONTROL_REQUEST_METHOD));
            if let Some(methods) = methods {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            let allowed = self.allowed.clone().or_else(|| asked(&header::ACCESS_CONTROL_REQUEST_HEADERS));
            if let Some(allowed) = allowed {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            }
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            if self.private_network && only(&head.headers, &REQUEST_PRIVATE_NETWORK).is_some_and(|v| v == "true") {
                headers.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
            }
        }
        response.into()
    }
}
