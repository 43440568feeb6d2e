//! The rows of the database: one for each step, bucket and series. Every request is in four of them, of a minute, of
//! ten, of an hour and of six, so that nothing must be rolled up later, whoever else writes, and each question reads few rows.
//!
//! Plain SQL: SQLite, libSQL and `PostgreSQL` take it. No consumer and no code are written as an empty text, since a null
//! is not equal to another in a key.

use buntime_database::{Migration, Statement, args};

use super::{key::Key, tally::Counts};

/// Seconds.
pub(super) const MINUTE: i64 = 60;
/// Seconds.
pub(super) const TEN_MINUTES: i64 = 600;
/// Seconds.
pub(super) const HOUR: i64 = 3_600;
/// Seconds.
pub(super) const SIX_HOURS: i64 = 6 * HOUR;

/// Who owns the table.
pub(super) const COMPONENT: &str = "plugin-metrics";

pub(super) fn migrations() -> [Migration; 1] {
    [Migration::new(
        "0001-analytics",
        "CREATE TABLE metrics_requests (
            step BIGINT NOT NULL, bucket BIGINT NOT NULL,
            route TEXT NOT NULL, consumer TEXT NOT NULL, status BIGINT NOT NULL, code TEXT NOT NULL,
            requests BIGINT NOT NULL, micros BIGINT NOT NULL, request_bytes BIGINT NOT NULL, response_bytes BIGINT NOT NULL,
            PRIMARY KEY (step, bucket, route, consumer, status, code)
        )",
    )]
}

const ADD: &str = "INSERT INTO metrics_requests
        (step, bucket, route, consumer, status, code, requests, micros, request_bytes, response_bytes)
    VALUES (60, ?1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12),
        (600, ?2, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12),
        (3600, ?3, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12),
        (21600, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
    ON CONFLICT (step, bucket, route, consumer, status, code) DO UPDATE SET
        requests = metrics_requests.requests + excluded.requests,
        micros = metrics_requests.micros + excluded.micros,
        request_bytes = metrics_requests.request_bytes + excluded.request_bytes,
        response_bytes = metrics_requests.response_bytes + excluded.response_bytes";

/// Adds what was counted of a series in a minute.
pub(super) fn add(minute: i64, key: &Key, counts: &Counts) -> Statement {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let begin = |step: i64| minute - minute % step;
    let args = args![
        begin(MINUTE),
        begin(TEN_MINUTES),
        begin(HOUR),
        begin(SIX_HOURS),
        &*key.route,
        key.consumer.as_deref().unwrap_or_default(),
        i64::from(key.status),
        key.code.unwrap_or_default(),
        number(counts.requests),
        number(counts.micros),
        number(counts.request_bytes),
        number(counts.response_bytes),
    ];
    Statement::new(ADD, args)
}

/// Deletes the rows of a step that end before a moment.
pub(super) fn forget(step: i64, before: i64) -> Statement {
    Statement::new("DELETE FROM metrics_requests WHERE step = ?1 AND bucket < ?2", args![step, before - step])
}
