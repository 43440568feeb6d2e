//! How much may be asked, and how much is answered.

use std::time::Duration;

use buntime_database::{Error, ErrorKind, Result, Value};

use crate::config::DatabaseSettings;

/// Those of the settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) rows: usize,
    pub(crate) answer: usize,
    pub(crate) statement: usize,
    pub(crate) body: usize,
    pub(crate) timeout: Duration,
}

impl Limits {
    pub(crate) fn of(settings: &DatabaseSettings) -> Self {
        Self {
            rows: settings.max_rows,
            answer: settings.max_answer.as_usize(),
            statement: settings.max_statement.as_usize(),
            body: settings.max_body.as_usize(),
            timeout: *settings.query_timeout,
        }
    }

    /// Is it short enough?
    pub(crate) fn statement(&self, sql: &str) -> Result<()> {
        if sql.len() <= self.statement {
            return Ok(());
        }
        let what = format!("the statement is longer than {} bytes (maxStatement)", self.statement);
        Err(Error::new(ErrorKind::TooBig, what))
    }

    /// Waits no longer than a statement may take for what changes nothing. What is dropped then stops.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.within_if(true, work).await
    }

    /// The same for what may change something, unless it is `harmless`. What is dropped then is told to stop, and whether it
    /// was done before that nobody hears.
    pub(crate) async fn within_if<T>(&self, harmless: bool, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| {
            let late = format!("it took longer than {} ms (queryTimeout), and was stopped", self.timeout.as_millis());
            Err(Error::new(if harmless { ErrorKind::Timeout } else { ErrorKind::Uncertain }, late))
        })
    }

    /// What one answer may hold.
    pub(crate) fn budget(&self) -> Budget {
        Budget { rows: self.rows, bytes: self.answer }
    }
}

/// What is left of an answer's limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    rows: usize,
    bytes: usize,
}

impl Budget {
    /// How many of these rows fit, from the first; they are taken.
    pub(crate) fn take(&mut self, rows: &[Vec<Value>]) -> usize {
        let mut taken = 0;
        for row in rows {
            let bytes: usize = row.iter().map(Value::size).sum();
            let (Some(rows), Some(bytes)) = (self.rows.checked_sub(1), self.bytes.checked_sub(bytes)) else { break };
            (self.rows, self.bytes) = (rows, bytes);
            taken += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_no_longer_does_not_know_whether_it_was_done() {
        let limits = Limits { timeout: Duration::from_millis(1), ..Limits::of(&DatabaseSettings::default()) };
        for (harmless, kind) in [(true, ErrorKind::Timeout), (false, ErrorKind::Uncertain)] {
            let late = limits.within_if(harmless, std::future::pending::<Result<()>>()).await.unwrap_err();
            assert_eq!(late.kind(), kind);
        }
    }

    #[test]
    fn rows_and_bytes_are_counted_over_all_of_an_answer() {
        let limits = Limits::of(&DatabaseSettings { max_rows: 5, ..DatabaseSettings::default() });
        let three = vec![vec![Value::Null]; 3];
        let mut budget = limits.budget();
        assert_eq!((budget.take(&three), budget.take(&three), budget.take(&three)), (3, 2, 0));
        let mut budget = Budget { rows: 10, bytes: 100 };
        assert_eq!(budget.take(&[vec![Value::Text("x".repeat(60))], vec![Value::Text("x".repeat(60))]]), 1);
    }
}
