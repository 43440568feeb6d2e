//! What runs beside the requests: active health checks, and names looked up again. One task for each target that needs
//! one; it does one thing at a time, and ends with its cluster.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use buntime_config::model::ActiveHealth;
use http::{HeaderValue, Request, Uri, header, uri::PathAndQuery};
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;

use super::{
    options::{Call, HostChoice, Resolve},
    target::Target,
};

/// How much of an answer to a check is read, so that its connection can be used again.
const READ: usize = 64 << 10;

/// Asks a target now and then, until cancelled.
pub(super) async fn check(target: Arc<Target>, settings: ActiveHealth, cancelled: CancellationToken) {
    let checking = async {
        loop {
            let limit = *settings.timeout;
            let found = tokio::time::timeout(limit, ask(&target, &settings)).await;
            let found = found.unwrap_or_else(|_| Err(format!("no answer within {}", settings.timeout)));
            let what = found.clone().err();
            if target.checked(found, settings.unhealthy_after, settings.healthy_after) {
                match what {
                    Some(what) => tracing::warn!(target = %target.url, what, "an upstream target is unhealthy"),
                    None => tracing::info!(target = %target.url, "an upstream target is healthy again"),
                }
            }
            tokio::time::sleep(jittered(*settings.interval)).await;
        }
    };
    tokio::select! {
        () = checking => {}
        () = cancelled.cancelled() => {}
    }
}

async fn ask(target: &Target, settings: &ActiveHealth) -> Result<(), String> {
    let path = PathAndQuery::try_from(&*settings.path).map_err(|error| error.to_string())?;
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("buntime-health-check"));
    let call = Call { host: HostChoice::TARGET, ..Call::new(std::net::Ipv4Addr::LOCALHOST.into()) };
    let answer = target.wire.send_to_root(request, &call).await.map_err(|error| super::send::words(&error))?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read +=
            frame.map_err(|error| format!("its answer broke off: {error}"))?.data_ref().map_or(0, bytes::Bytes::len);
        if read > READ {
            break;
        }
    }
    let is_good = settings.statuses.iter().any(|range| range.contains(status));
    if is_good { Ok(()) } else { Err(format!("answered {status}")) }
}

/// Looks a target's name up now and then, until cancelled.
pub(super) async fn look_up(
    target: Arc<Target>,
    resolver: Arc<dyn Resolve>,
    refresh: Duration,
    cancelled: CancellationToken,
) {
    let looking = async {
        let Some((host, port)) = target.wire.name() else { return };
        loop {
            let found = tokio::time::timeout(refresh.max(Duration::from_secs(5)), resolver.resolve(host, port)).await;
            let found = found.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
            if let Err(error) = found.and_then(|found| target.wire.look_up(found)) {
                tracing::warn!(target = %target.url, %error, "an upstream's name cannot be looked up; its last addresses stay");
            }
            tokio::time::sleep(jittered(refresh)).await;
        }
    };
    tokio::select! {
        () = looking => {}
        () = cancelled.cancelled() => {}
    }
}

/// A tenth more or less, so that what begins together does not stay together.
fn jittered(span: Duration) -> Duration {
    span.mul_f64(0.9 + 0.2 * fastrand::f64())
}
