//! `/api/session`: the admin token for a cookie. As JSON for programs, as a form for the sign-in page.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Query, State},
    response::Response,
};
use buntime_core::{Error, ErrorKind, Meta};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{Admin, body, failure::Failure, guard::Refusal, sessions};
use crate::{
    gateway::{answer, gate::Visitor},
    pages,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    token: String,
}

/// What a sign-in asks for.
struct Asked {
    token: String,
    /// Where the form leads; `None` for programs.
    target: Option<String>,
}

pub(super) async fn open(State(admin): State<Arc<Admin>>, request: Request<Body>) -> Result<Response, Failure> {
    let meta = request.extensions().get::<Meta>().cloned();
    let Some(meta) = meta else { return Err(Error::new(ErrorKind::Internal).into()) };
    let asked = read(request).await?;
    let settings = admin.shared.settings.load_full();
    let Some(expected) = settings.admin else {
        let detail = "No admin token is configured, so there is nothing to sign in with";
        return Err(Error::new(ErrorKind::Forbidden).with_detail(detail).into());
    };
    let now = Instant::now();
    if let Err(refusal) = admin.shared.guard.judge_token(asked.token.trim(), expected, meta.client_ip, now) {
        return match asked.target {
            Some(target) => Ok(pages::sign_in(&target, Some(message(refusal)))),
            None => Err(refusal.to_error().into()),
        };
    }
    let Some(id) = admin.shared.guard.sessions.open(expected, now) else {
        return Err(Error::new(ErrorKind::Internal).with_internal("the system gives no random bytes").into());
    };
    let mut response = match asked.target {
        Some(target) => see_other(&target),
        None => {
            answer::json(StatusCode::OK, &json!({ "message": "signed in", "expiresIn": sessions::LIFETIME.as_secs() }))
        }
    };
    set_cookie(&mut response, &id, sessions::LIFETIME.as_secs(), meta.scheme == "https");
    Ok(response)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    #[serde(rename = "return")]
    target: String,
}

/// For browsers the form, for programs whether this session is open and whether whoever asks may administer.
pub(super) async fn show(State(admin): State<Arc<Admin>>, request: Request<Body>) -> Result<Response, Failure> {
    let Some(Visitor { client, settings }) = request.extensions().get::<Visitor>() else {
        return Err(Error::new(ErrorKind::Internal).into());
    };
    let headers = request.headers();
    if answer::accepts(headers, "text/html") {
        let query = Query::<Shown>::try_from_uri(request.uri()).map(|query| query.0).unwrap_or_default();
        let none = "No admin token is configured here, so there is nothing to sign in with: set BUNTIME_ADMIN_TOKEN.";
        let mut response = pages::sign_in(&local(query.target), settings.admin.is_none().then_some(none));
        // It was asked for.
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
        return Ok(response);
    }
    let open =
        |id: &str| settings.admin.is_some_and(|token| admin.shared.guard.sessions.is_open(id, token, Instant::now()));
    let is_open = sessions::id_of(headers).is_some_and(open);
    let administers = admin.shared.guard.judge(settings, client, headers).is_ok();
    Ok(answer::json(StatusCode::OK, &json!({ "signedIn": is_open, "administers": administers })))
}

pub(super) async fn end(State(admin): State<Arc<Admin>>, request: Request<Body>) -> Response {
    if let Some(id) = sessions::id_of(request.headers()) {
        admin.shared.guard.sessions.end(id);
    }
    let is_https = request.extensions().get::<Meta>().is_some_and(|meta| meta.scheme == "https");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    set_cookie(&mut response, "", 0, is_https);
    response
}

async fn read(request: Request<Body>) -> Result<Asked, Failure> {
    if !is_form(request.headers()) {
        let Credentials { token } = body::read(request).await?;
        return Ok(Asked { token, target: None });
    }
    let form = body::bytes(request).await?;
    let (mut token, mut target) = (String::new(), "/".to_owned());
    for (name, value) in url::form_urlencoded::parse(&form) {
        match &*name {
            "token" => token = value.into_owned(),
            "return" => target = value.into_owned(),
            _ => {}
        }
    }
    Ok(Asked { token, target: Some(local(target)) })
}

fn is_form(headers: &HeaderMap) -> bool {
    body::content_type(headers).as_deref() == Some("application/x-www-form-urlencoded")
}

/// A path on this server, whatever was asked for: `//host` and `/\host` are other servers to a browser.
fn local(target: String) -> String {
    let fine = target.starts_with('/')
        && !target[1..].starts_with(['/', '\\'])
        && target.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if fine { target } else { "/".to_owned() }
}

fn message(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Wait(_) => "Too many wrong tokens came from this address. Wait a minute before the next.",
        Refusal::NoToken | Refusal::WrongToken | Refusal::NotLocal | Refusal::CrossOrigin => {
            "This is not the admin token."
        }
    }
}

fn see_other(target: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(target) = HeaderValue::from_str(target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn set_cookie(response: &mut Response, id: &str, seconds: u64, is_https: bool) {
    let secure = if is_https { "; Secure" } else { "" };
    let cookie = format!("{}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", sessions::COOKIE);
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_leads_nowhere_else() {
        assert_eq!(local("/p/logs/?a=1".into()), "/p/logs/?a=1");
        for target in ["//evil.example", "/\\evil.example", "https://evil.example", "", "evil", "/a\r\nx: y", "/ä"] {
            assert_eq!(local(target.into()), "/", "{target}");
        }
    }
}
