//! Sends a call: through the guard, in time, again where it may be.

use std::time::Duration;

use buntime_content::json;
use buntime_ssrf::{CallError, GuardedClient, Limits, Refused, whole};
use http::{Response, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    answer::{Answer, Failure},
    call::{Asked, Call},
    circuit::Circuit,
};

/// How deep an answer may nest.
const DEPTH: u8 = 64;
/// The pause before the first repetition; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// An answer longer than this is read off the threads that serve.
const LONG: usize = 64 << 10;

/// Sends it. Whatever happens, it ends within the call's time.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn send(
    client: &GuardedClient,
    call: &Call,
    circuit: &Circuit,
    asked: &Asked,
) -> Result<Answer, Failure> {
    let pass = circuit.pass().ok_or(Failure::Open)?;
    let until = Instant::now() + call.timeout;
    let tried = tokio::time::timeout_at(until, tries(client, call, asked, until)).await;
    let result = tried.unwrap_or(Err(Failure::Timeout));
    match &result {
        Err(failure) if failure.is_of_the_api() => pass.failed(),
        Err(_) => drop(pass),
        Ok(_) => pass.succeeded(),
    }
    result
}

async fn tries(client: &GuardedClient, call: &Call, asked: &Asked, until: Instant) -> Result<Answer, Failure> {
    let mut pause = PAUSE;
    for _ in 0..call.retries {
        match once(client, call, asked, until).await {
            Err(failure) if failure.passes() => {}
            done => return done,
        }
        // Between half and the whole: callers that failed together come back apart.
        tokio::time::sleep(pause.mul_f64(fastrand::f64() / 2.0 + 0.5)).await;
        pause *= 2;
    }
    once(client, call, asked, until).await
}

async fn once(client: &GuardedClient, call: &Call, asked: &Asked, until: Instant) -> Result<Answer, Failure> {
    let left = until.saturating_duration_since(Instant::now());
    let limits = Limits { total: Some(left), stall: left, response: call.max_answer, ..Limits::default() };
    let mut request =
        buntime_ssrf::Call::new(call.method.clone(), asked.url.as_str()).body(asked.body.clone()).limits(limits);
    for (name, value) in &asked.headers {
        request = request.header(name.clone(), value.clone());
    }
    let response = match &call.endpoint.origin {
        Some(origin) => client.send_trusted(origin, request).await,
        None => client.send(request).await,
    };
    let response = match response {
        Ok(response) => whole(response).await,
        Err(error) => Err(error),
    };
    let (head, body) = response.map_err(|error| failure(&error)).map(Response::into_parts)?;
    let named = call.conditions.iter().any(|condition| condition.names(head.status));
    if !head.status.is_success() && !named {
        return Err(Failure::Status(head.status));
    }
    let size = body.len();
    let read = move || if body.trim_ascii().is_empty() { Ok(Value::Null) } else { json::read(&body, DEPTH) };
    let document = if size <= LONG {
        read()
    } else {
        tokio::task::spawn_blocking(read).await.map_err(|_| Failure::Unreachable)?
    };
    match document {
        Ok(document) => Ok(Answer { status: head.status, document, size }),
        // What an error says may be anything.
        Err(_) if !head.status.is_success() => Ok(Answer { status: head.status, document: Value::Null, size }),
        Err(_) => Err(Failure::Nonsense),
    }
}

fn failure(error: &CallError) -> Failure {
    match error {
        CallError::Timeout => Failure::Timeout,
        CallError::TooLarge(_) => Failure::TooLarge,
        CallError::Refused(Refused::Unresolved { .. }) | CallError::Redirect(Refused::Unresolved { .. }) => {
            Failure::Unreachable
        }
        CallError::Refused(_) | CallError::Redirect(_) | CallError::TooManyRedirects(_) => Failure::Blocked,
        CallError::Method(_) => Failure::Unsendable,
        _ => Failure::Unreachable,
    }
}

/// May an answer be kept?
pub(crate) fn is_lasting(status: StatusCode) -> bool {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS, StatusCode::UNAUTHORIZED];
    status.is_success() || (status.is_client_error() && !passing.contains(&status))
}
