//! Small answers, and one shape for the errors of every route.

use axum::body::Body;
use buntime_core::{Error, ErrorKind, problem};
use buntime_http::body::collect;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;
use serde_json::{Map, Value};

/// A JSON answer. What the runtime says of itself is not to be cached.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A 405 that says what is allowed.
pub(crate) fn not_allowed(allow: &'static str) -> Error {
    Error::new(ErrorKind::MethodNotAllowed).with_header(header::ALLOW, HeaderValue::from_static(allow))
}

/// Only to be looked at?
pub(crate) fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Does a client name this type among those it takes? Browsers name `text/html`.
pub(crate) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|line| line.split(','))
        .any(|one| one.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(kind)))
}

/// Largest error body that is looked into.
const LARGEST: u64 = 64 << 10;

/// Gives an error of a route the shape of all others: a bare status gets a body, and a problem that does not know its
/// request id is told.
pub(crate) async fn shape(response: Response<Body>, id: &HeaderValue) -> Response<Body> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    match response.headers().get(header::CONTENT_TYPE) {
        None if response.body().is_end_stream() => bare(&response, id),
        Some(kind) if kind == "application/problem+json" => {
            let (mut head, body) = response.into_parts();
            let mut members = head.extensions.remove::<Extra>().map(|extra| extra.0).unwrap_or_default();
            let id = id.to_str().unwrap_or_default().to_owned();
            members.insert("request_id".to_owned(), Value::String(id));
            extend(Response::from_parts(head, body), members).await
        }
        _ => response,
    }
}

/// Members that an error's answer has beside those of every error.
#[derive(Clone)]
pub(crate) struct Extra(pub(crate) Map<String, Value>);

/// A bare status as a problem, with the headers it came with.
fn bare(response: &Response<Body>, id: &HeaderValue) -> Response<Body> {
    let Some(kind) = kind_of(response.status()) else {
        return problem::response(&Error::new(ErrorKind::Internal).with_status(response.status()), Some(id));
    };
    let mut error = Error::new(kind).with_status(response.status());
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH {
            error = error.with_header(name.clone(), value.clone());
        }
    }
    problem::response(&error, Some(id))
}

fn kind_of(status: StatusCode) -> Option<ErrorKind> {
    Some(match status {
        StatusCode::BAD_REQUEST => ErrorKind::Malformed,
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ErrorKind::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => ErrorKind::RequestTimeout,
        StatusCode::CONFLICT => ErrorKind::Conflict,
        StatusCode::PRECONDITION_FAILED => ErrorKind::PreconditionFailed,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorKind::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => ErrorKind::Unprocessable,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => ErrorKind::OverCapacity,
        _ => return None,
    })
}

/// Adds members to a JSON object that is being answered, where they are not there yet.
async fn extend(response: Response<Body>, members: Map<String, Value>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let whole = body.size_hint().exact().is_some_and(|length| length <= LARGEST);
    if !whole {
        return Response::from_parts(head, body);
    }
    let Ok(bytes) = collect(body, LARGEST).await else { return Response::from_parts(head, Body::empty()) };
    let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    for (name, value) in members {
        object.entry(name).or_insert(value);
    }
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(Value::Object(object).to_string()))
}
