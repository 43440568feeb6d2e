//! Running statements on a connection: one by itself, or a list as one transaction.

use futures_util::{TryStreamExt, future::join_all};
use tokio_postgres::{Client, RowStream, Statement as Compiled};

use super::{
    calls::argument_count,
    connect::Connection,
    errors::{self, Again, Failed},
    prepared,
    translate::Translated,
    values::{Argument, Cell},
};
use crate::{Error, ErrorKind, Outcome, Rows, Value, sql::Class};

/// How many statements are sent before the first is answered. [`join_all`] polls up to 30 in their order.
const PIPELINE: usize = 30;

/// A statement that is ready to be sent.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) translated: std::sync::Arc<Translated>,
    pub(super) args: Vec<Value>,
    pub(super) expect: Option<u64>,
}

impl Ready {
    fn reads(&self) -> bool {
        self.translated.class == Class::Read
    }
}

/// Runs it by itself.
pub(super) async fn single(on: &mut Connection, ready: &Ready, max_bytes: usize) -> Result<Outcome, Failed> {
    let result = match prepared::prepare(&on.client, &mut on.cache, &ready.translated, &ready.args).await {
        Ok(known) => alone(&on.client, &known, ready, max_bytes).await,
        Err(failed) => Err(failed),
    };
    tidy(on, &result);
    result
}

/// Runs what is compiled, outside of any transaction. What writes and returns rows has one of its own: it is not to stay if
/// the rows cannot be read.
pub(super) async fn alone(
    client: &Client,
    known: &Compiled,
    ready: &Ready,
    max_bytes: usize,
) -> Result<Outcome, Failed> {
    if ready.reads() || (known.columns().is_empty() && ready.expect.is_none()) {
        return compiled(client, known, ready, max_bytes, ready.reads()).await;
    }
    // Sent at once, in this order.
    let (begun, done) = tokio::join!(client.batch_execute("BEGIN"), compiled(client, known, ready, max_bytes, true));
    end(client, begun.map_err(|error| errors::running(&error, true)).and(done), false).await
}

/// Runs what is compiled, inside a transaction. What fails here after it ran there fails the transaction there too.
pub(super) async fn inside(
    client: &Client,
    known: &Compiled,
    ready: &Ready,
    max_bytes: usize,
) -> Result<Outcome, Failed> {
    let done = compiled(client, known, ready, max_bytes, true).await;
    let ours =
        |failed: &Failed| matches!(failed.error.kind(), ErrorKind::Column | ErrorKind::TooBig | ErrorKind::Expectation);
    if !ready.reads() && done.as_ref().is_err_and(ours) {
        // There is no such savepoint, which is an error like any other.
        let _ = client.batch_execute("ROLLBACK TO buntime_nowhere").await;
    }
    done
}

/// Ends a transaction: by a commit if all went well. `reads`: it changes nothing.
async fn end<T>(client: &Client, done: Result<T, Failed>, reads: bool) -> Result<T, Failed> {
    match done {
        Ok(done) => {
            // From here on a lost connection leaves it open whether it happened. One that only read did nothing.
            client.batch_execute("COMMIT").await.map_err(|error| errors::running(&error, reads))?;
            Ok(done)
        }
        Err(failed) if failed.again == Again::Lost => Err(failed),
        Err(failed) => {
            client.batch_execute("ROLLBACK").await.map_err(|error| errors::running(&error, true))?;
            Err(failed)
        }
    }
}

/// Runs all of them, or nothing.
pub(super) async fn transaction(on: &mut Connection, list: &[Ready], max_bytes: usize) -> Result<Vec<Outcome>, Failed> {
    on.client.batch_execute("BEGIN").await.map_err(|error| errors::running(&error, true))?;
    let result = statements(on, list, max_bytes, 0).await;
    tidy(on, &result);
    end(&on.client, result, list.iter().all(Ready::reads)).await
}

/// Runs them in order, inside a transaction; the first is number `from` of it. Those that are compiled already are sent
/// without waiting for the answers of those before: after one that failed the server runs none.
pub(super) async fn statements(
    on: &mut Connection,
    list: &[Ready],
    max_bytes: usize,
    from: usize,
) -> Result<Vec<Outcome>, Failed> {
    let mut outcomes = Vec::with_capacity(list.len());
    while let Some(rest) = list.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
        let first = from + outcomes.len();
        let known: Vec<Compiled> = rest
            .iter()
            .take(PIPELINE)
            .map_while(|ready| prepared::known(&mut on.cache, &ready.translated, &ready.args))
            .collect();
        if let ([], Some(ready)) = (known.as_slice(), rest.first()) {
            let done = statement(&on.client, &mut on.cache, ready, max_bytes, true).await;
            outcomes.push(done.map_err(|failed| failed.at_statement(first))?);
            continue;
        }
        let sent = known
            .iter()
            .zip(rest)
            .map(|(compiled, ready)| self::compiled(&on.client, compiled, ready, max_bytes, true));
        // Fewer than it takes to be polled in another order.
        for (at, done) in join_all(sent).await.into_iter().enumerate() {
            outcomes.push(done.map_err(|failed| failed.at_statement(first + at))?);
        }
    }
    Ok(outcomes)
}

/// What made another try worth while may be an outdated statement.
fn tidy<T>(on: &mut Connection, result: &Result<T, Failed>) {
    if result.as_ref().is_err_and(|failed| failed.again == Again::Learnt) {
        on.cache.clear();
    }
}

async fn statement(
    client: &Client,
    cache: &mut prepared::Cache,
    ready: &Ready,
    max_bytes: usize,
    harmless: bool,
) -> Result<Outcome, Failed> {
    let known = prepared::prepare(client, cache, &ready.translated, &ready.args).await?;
    compiled(client, &known, ready, max_bytes, harmless).await
}

/// Runs what is compiled.
pub(super) async fn compiled(
    client: &Client,
    compiled: &Compiled,
    ready: &Ready,
    max_bytes: usize,
    harmless: bool,
) -> Result<Outcome, Failed> {
    if compiled.params().len() != ready.args.len() {
        let (takes, given) = (compiled.params().len(), ready.args.len());
        return Err(Failed::never(argument_count(takes, given)));
    }
    let args = ready.args.iter().map(Argument);
    let running = |error| errors::running(&error, harmless);
    let stream = client.query_raw(compiled, args).await.map_err(running)?;
    let (rows, tag) = collect(stream, compiled, max_bytes, harmless).await?;
    let affected = if ready.reads() { 0 } else { tag };
    let touched = if ready.reads() { rows.len() as u64 } else { affected };
    match ready.expect {
        Some(expected) if expected != touched => {
            let what = format!("expected {expected} rows, touched {touched}");
            Err(Failed::never(Error::new(ErrorKind::Expectation, what)))
        }
        _ => Ok(Outcome { affected, last_insert_id: None, rows }),
    }
}

async fn collect(
    stream: RowStream,
    compiled: &Compiled,
    max_bytes: usize,
    harmless: bool,
) -> Result<(Rows, u64), Failed> {
    let mut stream = std::pin::pin!(stream);
    let (mut values, mut bytes) = (Vec::new(), 0);
    while let Some(row) = stream.try_next().await.map_err(|error| errors::running(&error, harmless))? {
        let mut line = Vec::with_capacity(row.len());
        for at in 0..row.len() {
            let Cell(value) = row.try_get(at).map_err(|error| unreadable(&row, at, &error))?;
            bytes += value.size();
            line.push(value);
        }
        if bytes > max_bytes {
            let limit = format!("the rows take more than {max_bytes} bytes; ask for fewer (LIMIT)");
            return Err(Failed::never(Error::new(ErrorKind::TooBig, limit)));
        }
        values.push(line);
    }
    let columns = compiled.columns().iter().map(|column| column.name().to_owned()).collect();
    Ok((Rows::new(columns, values), stream.rows_affected().unwrap_or(0)))
}

fn unreadable(row: &tokio_postgres::Row, at: usize, error: &tokio_postgres::Error) -> Failed {
    let name = row.columns().get(at).map_or("?", tokio_postgres::Column::name);
    let why = super::options::source_words(error);
    Failed::never(Error::new(ErrorKind::Column, format!("column `{name}`: {why}")))
}
