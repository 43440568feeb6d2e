//! Fixed responses, and the files of responses and documents: read once, when the plugin starts.

use std::path::Path;

use axum::body::Body;
use buntime_core::{BoxError, HttpResponse, SettingsProblem};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::Value;

use crate::config::ResponseSettings;

/// No file may be larger: it stays in memory.
const LARGEST: u64 = 4 << 20;

/// A response that is ready to be given any number of times.
#[derive(Debug)]
pub(crate) struct Fixed {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What is wrong with it, files excepted.
pub(crate) fn check(settings: &ResponseSettings, pointer: &str, problems: &mut Vec<SettingsProblem>) {
    if !(200..=599).contains(&settings.status) {
        let problem = SettingsProblem::new(format!("{pointer}/status"), "it is no status that ends a request");
        problems.push(problem.with_help("write one from 200 to 599"));
    }
    for (name, value) in &settings.headers {
        if field(name, value).is_none() {
            problems.push(SettingsProblem::new(format!("{pointer}/headers/{name}"), "this is no header"));
        }
    }
    if settings.body.is_some() && settings.file.is_some() {
        let problem = SettingsProblem::new(format!("{pointer}/file"), "it has a `body` already");
        problems.push(problem.with_help("leave out one of the two"));
    }
}

fn field(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    // The server's own: they say how the answer is sent.
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];
    Some((name, HeaderValue::from_str(value).ok()?)).filter(|(name, _)| !framing.contains(name))
}

impl Fixed {
    /// Makes it, from settings that were checked; relative files begin at `base`.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(crate) fn new(settings: &ResponseSettings, base: &Path) -> Result<Self, BoxError> {
        let mut headers: HeaderMap = settings.headers.iter().filter_map(|(name, value)| field(name, value)).collect();
        let (body, content_type) = match (&settings.body, &settings.file) {
            (Some(Value::String(text)), _) => (Bytes::from(text.clone()), "text/plain; charset=utf-8"),
            (Some(json), _) => (Bytes::from(json.to_string()), "application/json"),
            (None, Some(file)) => (read(base, file)?, content_type_of(file)),
            (None, None) => (Bytes::new(), ""),
        };
        if !content_type.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let status = StatusCode::from_u16(settings.status)?;
        // These have no body, whatever is configured.
        let body = if matches!(settings.status, 204 | 205 | 304) { Bytes::new() } else { body };
        Ok(Self { status, headers, body })
    }

    /// The response to a request of that method.
    pub(crate) fn response(&self, method: &Method) -> HttpResponse {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        let mut response = HttpResponse::from(response);
        set_body(&mut response, self.body.clone(), method);
        response
    }
}

/// Gives a response this body, of which the answer to a HEAD has the length only.
pub(crate) fn set_body(response: &mut HttpResponse, body: Bytes, method: &Method) {
    response.head.headers.remove(header::CONTENT_LENGTH);
    let no_content = matches!(response.head.status.as_u16(), 204 | 304);
    if *method == Method::HEAD && !no_content {
        response.head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    response.body = if *method == Method::HEAD { Body::empty() } else { Body::from(body) };
}

/// The whole file.
///
/// # Errors
/// When it cannot be read or is too large: which one, why, and what to change.
pub(crate) fn read(base: &Path, file: &Path) -> Result<Bytes, BoxError> {
    let path = base.join(file);
    let told = |why: String| format!("cannot read `{}`: {why}; write the path of a readable file", path.display());
    let found = std::fs::metadata(&path).map_err(|error| told(error.to_string()))?;
    if !found.is_file() {
        return Err(told("it is no file".to_owned()).into());
    }
    if found.len() > LARGEST {
        return Err(told(format!("it has {} bytes, and {LARGEST} are the most", found.len())).into());
    }
    Ok(Bytes::from(std::fs::read(&path).map_err(|error| told(error.to_string()))?))
}

/// What a file's name says of its type.
pub(crate) fn content_type_of(file: &Path) -> &'static str {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        "css" => "text/css; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
