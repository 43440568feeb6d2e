//! How a rule's upstream is, judged by what became of the requests to it. Nothing is asked on purpose.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use buntime_core::{Error, Finding};
use buntime_http::upstream::UpstreamError;
use serde_json::json;

/// Connections in a row that failed before an upstream counts as down.
const DOWN: u32 = 3;

/// What became of the last attempts.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// Failed to connect, in a row.
    failed: AtomicU32,
}

impl Attempts {
    /// Notes one.
    pub(crate) fn note<T>(&self, result: &Result<T, Error>) {
        match result {
            Err(error) if matches!(UpstreamError::find(error), Some(UpstreamError::Connect(_))) => {
                // Wraps after four billion failures in a row; until then it only grows.
                self.failed.fetch_add(1, Relaxed);
            }
            // The usual case writes nothing that other cores read.
            Ok(_) if self.failed.load(Relaxed) == 0 => {}
            Ok(_) => self.failed.store(0, Relaxed),
            // It was reached, or the client is to blame.
            Err(_) => {}
        }
    }

    /// What it says of the upstream.
    pub(crate) fn finding(&self) -> Finding {
        let failed = self.failed.load(Relaxed);
        let details = json!({ "failedConnects": failed });
        match failed {
            0 => Finding::healthy(),
            1 => Finding::degraded("The last attempt to connect failed").with_details(details),
            n if n < DOWN => {
                Finding::degraded(format!("The last {n} attempts to connect failed")).with_details(details)
            }
            n => Finding::unhealthy(format!("The last {n} attempts to connect failed")).with_details(details),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_core::health::Status;
    use buntime_http::upstream::ConnectFailure;

    #[test]
    fn failures_in_a_row_count() {
        let attempts = Attempts::default();
        let status = || attempts.finding().status;
        let fail = || attempts.note::<()>(&Err(UpstreamError::Connect(ConnectFailure::Timeout).into()));
        assert_eq!(status(), Status::Healthy);
        fail();
        assert_eq!(status(), Status::Degraded);
        attempts.note::<()>(&Err(UpstreamError::Timeout.into()));
        fail();
        fail();
        assert_eq!(status(), Status::Unhealthy);
        attempts.note::<()>(&Ok(()));
        assert_eq!(status(), Status::Healthy);
    }
}
