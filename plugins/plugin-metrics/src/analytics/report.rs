//! The answer: sums of the rows of a window, as a series and by route, consumer, status and error.

use std::fmt::Write as _;

use buntime_database::{Adapter, Result, Row, Rows, Value};
use schemars::JsonSchema;
use serde::Serialize;

use super::{key::class, window::Window};

/// What `/api/analytics` answers.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The first moment it is of, in UTC.
    since: String,
    /// The first moment it is not of any more, in UTC.
    until: String,
    /// Seconds from one point of the series to the next.
    step: i64,
    /// Everything together.
    totals: Figures,
    /// Every point of the window, from its beginning.
    series: Vec<Point>,
    /// Those with most requests first.
    routes: Vec<RouteRow>,
    /// Those with most requests first.
    consumers: Vec<ConsumerRow>,
    /// Those with most requests first.
    statuses: Vec<StatusRow>,
    /// Requests that were answered with an error or broke off; the most frequent first.
    errors: Vec<ErrorRow>,
    /// How the database is.
    pub(super) storage: Storage,
}

/// Sums of requests.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// How many have ended.
    requests: i64,
    /// How many of them with a status of 4xx.
    client_errors: i64,
    /// How many of them with a status of 5xx.
    server_errors: i64,
    /// How long they took, on average, in milliseconds.
    mean_ms: Option<f64>,
    /// Bytes of their bodies.
    request_bytes: i64,
    /// Bytes of the answers' bodies.
    response_bytes: i64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Point {
    /// Its beginning, in UTC.
    at: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RouteRow {
    /// Its label; `other` stands for those beyond `maxSeries`.
    route: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ConsumerRow {
    /// Its name; null for requests of nobody known, `other` for those beyond `maxSeries`.
    consumer: Option<String>,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct StatusRow {
    /// The status; null for requests beyond `maxSeries`.
    status: Option<u16>,
    /// `1xx` … `5xx`.
    class: String,
    /// How many.
    requests: i64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ErrorRow {
    /// The error's code; null where a route or another server answered so itself, `other` for those beyond `maxSeries`.
    code: Option<String>,
    /// The status; null for requests beyond `maxSeries`.
    status: Option<u16>,
    /// `1xx` … `5xx`.
    class: String,
    /// How many.
    requests: i64,
    /// The beginning of the last step of the series in which there was one, in UTC.
    last: String,
}

/// How the database is.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Storage {
    /// Could what was counted not be written? It waits in memory then, and is not in this answer.
    pub(super) failing: bool,
    /// Requests for which there was no room while they waited.
    pub(super) lost: u64,
}

const CLIENT_ERROR: &str = "(status BETWEEN 400 AND 499 OR status = 4)";
const SERVER_ERROR: &str = "(status >= 500 OR status = 5)";

impl Report {
    /// Reads it.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn read(database: &dyn Adapter, window: &Window, storage: Storage) -> Result<Self> {
        let figures = figures();
        let point = format!("(bucket - {}) / {}", window.since, window.step);
        let limit = format!("ORDER BY 2 DESC, 1 LIMIT {}", window.limit);
        let ask = |what: String, condition: &str, rest: &str| {
            let (sql, args) = question(window, &what, condition, rest);
            async move { database.query(&sql, args).await }
        };
        let top = |column: &str, of: &str, condition: &str| {
            ask(format!("{column}, {of}"), condition, &format!("GROUP BY {column} {limit}"))
        };
        let requests = sum("requests");
        let last = format!("{requests}, status, CAST(MAX({point}) AS BIGINT)");
        let wrong = format!("AND (code <> '' OR {CLIENT_ERROR} OR {SERVER_ERROR})");
        let (points, routes, consumers, statuses, errors) = tokio::try_join!(
            ask(format!("{point}, {figures}"), "", "GROUP BY 1"),
            top("route", &figures, ""),
            top("consumer", &figures, ""),
            top("status", &requests, ""),
            ask(format!("code, {last}"), &wrong, &format!("GROUP BY code, status {limit}")),
        )?;
        let (series, totals) = drawn(window, &points)?;
        Ok(Self {
            since: Window::written(window.since),
            until: Window::written(window.until),
            step: window.step,
            totals,
            series,
            routes: rows(&routes, |row| Ok(RouteRow { route: row.at(0)?, figures: Figures::of(row)? }))?,
            consumers: rows(&consumers, |row| Ok(ConsumerRow { consumer: named(row)?, figures: Figures::of(row)? }))?,
            statuses: rows(&statuses, |row| {
                let (status, class) = status(row.at(0)?);
                Ok(StatusRow { status, class, requests: row.at(1)? })
            })?,
            errors: rows(&errors, |row| {
                let (status, class) = status(row.at(2)?);
                let last = window.since + row.at::<i64>(3)? * window.step;
                Ok(ErrorRow { code: named(row)?, status, class, requests: row.at(1)?, last: Window::written(last) })
            })?,
            storage,
        })
    }
}

/// A question about the rows of a window. Only what a client wrote is an argument.
fn question(window: &Window, what: &str, condition: &str, rest: &str) -> (String, Vec<Value>) {
    let mut args = Vec::new();
    let mut sql = format!(
        "SELECT {what} FROM metrics_requests WHERE step = {} AND bucket >= {} AND bucket < {}",
        window.rows, window.since, window.until
    );
    let mut only = |expression: String, value: &str| {
        args.push(Value::from(value));
        // Writing to a string cannot fail.
        let _ = write!(sql, " AND {expression} = ?{}", args.len());
    };
    if let Some(route) = &window.only.route {
        only("route".to_owned(), route);
    }
    if let Some(consumer) = &window.only.consumer {
        only("consumer".to_owned(), consumer);
    }
    if let Some(service) = &window.only.service {
        let prefix = format!("service:{service}/");
        only(format!("SUBSTR(route, 1, {})", prefix.chars().count()), &prefix);
    }
    let _ = write!(sql, " {condition} {rest}");
    (sql, args)
}

/// The columns of [`Figures`], behind another.
fn figures() -> String {
    let when = |condition: &str| sum(&format!("CASE WHEN {condition} THEN requests ELSE 0 END"));
    let [requests, micros] = ["requests", "micros"].map(sum);
    let [sent, answered] = ["request_bytes", "response_bytes"].map(sum);
    format!("{requests}, {}, {}, {micros}, {sent}, {answered}", when(CLIENT_ERROR), when(SERVER_ERROR))
}

/// Some engines sum integers into decimals.
fn sum(what: &str) -> String {
    format!("CAST(SUM({what}) AS BIGINT)")
}

fn rows<T>(rows: &Rows, one: impl Fn(Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(one).collect()
}

/// The series, with points where there was nothing, and its sum.
fn drawn(window: &Window, found: &Rows) -> Result<(Vec<Point>, Figures)> {
    let mut all = vec![Summed::default(); window.points()];
    let mut totals = Summed::default();
    for row in found.iter() {
        let figures = Summed::of(row)?;
        totals.add(figures);
        let index = usize::try_from(row.at::<i64>(0)?).ok();
        if let Some(point) = index.and_then(|index| all.get_mut(index)) {
            point.add(figures);
        }
    }
    let times = (window.since..window.until).step_by(usize::try_from(window.step).unwrap_or(1));
    let points = times.zip(all).map(|(at, summed)| Point { at: Window::written(at), figures: summed.shown() });
    Ok((points.collect(), totals.shown()))
}

/// The columns of [`figures`].
#[derive(Clone, Copy, Debug, Default)]
struct Summed([i64; 6]);

impl Summed {
    fn of(row: Row<'_>) -> Result<Self> {
        let mut columns = [0; 6];
        for (at, column) in columns.iter_mut().enumerate() {
            *column = row.at(at + 1)?;
        }
        Ok(Self(columns))
    }

    fn add(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }

    fn shown(self) -> Figures {
        let [requests, client_errors, server_errors, micros, request_bytes, response_bytes] = self.0;
        // To the microsecond.
        let mean_ms = (requests > 0).then(|| (micros as f64 / requests as f64).round() / 1e3);
        Figures { requests, client_errors, server_errors, mean_ms, request_bytes, response_bytes }
    }
}

impl Figures {
    fn of(row: Row<'_>) -> Result<Self> {
        Ok(Summed::of(row)?.shown())
    }
}

fn named(row: Row<'_>) -> Result<Option<String>> {
    Ok(Some(row.at::<String>(0)?).filter(|name| !name.is_empty()))
}

/// A status and its class; a class alone is of requests beyond `maxSeries`.
fn status(written: i64) -> (Option<u16>, String) {
    let status = u16::try_from(written).unwrap_or(0);
    (Some(status).filter(|status| *status > 5), format!("{}xx", class(status)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::{ledger::Kept, schema, window::Query};
    use buntime_database::sqlite::{Options, Sqlite};
    use std::time::{Duration, Instant};

    const NOW: i64 = 1_778_051_289;

    /// A month in which 500 series were always busy, as its rows are kept.
    async fn filled(file: &std::path::Path) -> Sqlite {
        let sqlite = Sqlite::open(Options::file(file)).await.unwrap();
        sqlite.migrate(schema::COMPONENT, &schema::migrations()).await.unwrap();
        for (step, buckets) in [(21_600, 120), (3_600, 336), (600, 432), (60, 180)] {
            let now = NOW - NOW % step;
            let sql = format!(
                "WITH RECURSIVE b(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM b WHERE n < {buckets} - 1),
                    s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 499)
                INSERT INTO metrics_requests SELECT {step}, {now} - {step} * b.n, 'service:users/r' || (s.n % 25),
                    'c' || (s.n / 25), CASE WHEN s.n % 7 = 0 THEN 503 ELSE 200 END, '', 1, 10, 0, 1 FROM b, s"
            );
            sqlite.execute(&sql, Vec::new()).await.unwrap();
        }
        sqlite
    }

    #[tokio::test]
    async fn a_busy_month_is_read_quickly() {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = filled(&dir.path().join("month.db")).await;
        let kept = Kept::of(Duration::from_secs(30 * 86_400));
        let storage = Storage { failing: false, lost: 0 };
        for (asked, most) in [("hour", 60), ("day", 144), ("month", 120)] {
            let query: Query = serde_json::from_value(serde_json::json!({ "window": asked })).unwrap();
            let window = Window::of(query, NOW, kept).unwrap();
            let begun = Instant::now();
            let report = Report::read(&sqlite, &window, storage).await.unwrap();
            assert_eq!(report.routes.len(), 20);
            assert!(report.totals.requests <= most * 500, "{asked}: no row is read twice");
            assert!(report.totals.requests > (most - 10) * 500, "{asked}: {}", report.totals.requests);
            assert!(begun.elapsed() < Duration::from_secs(10), "{asked}: {:?}", begun.elapsed());
        }
        sqlite.close().await;
    }
}
