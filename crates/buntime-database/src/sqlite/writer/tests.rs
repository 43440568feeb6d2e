//! Groups: what is in one, and what those in it do to each other.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{GROUP, Options};
use crate::{
    Adapter, Constraint, ErrorKind, Migration, Next, Outcome, Plan, Planned, Result, Statement, args, sqlite::Sqlite,
};

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Fine,
    /// Fails by its own will, when it has written.
    Fails,
    /// Gives up, when it has written.
    Abandons,
    /// A statement of it fails, when it has written.
    Breaks,
    /// The same, and the whole transaction is lost.
    RollsBack,
    /// Is decided when it has read, and fine.
    Decided,
    /// Is decided when it has read, and a statement of it fails all the same, when it has written.
    DecidedBreaks,
    /// Gives up when it has read.
    Leaves,
}

use End::{Abandons, Breaks, Decided, DecidedBreaks, Fails, Fine, Leaves, RollsBack};

type Meanwhile = Box<dyn FnOnce() + Send>;
type Asked = BoxFuture<'static, Result<Planned>>;

/// Takes the next number, writes it down, and ends. The row 0 is there already.
struct Request {
    end: End,
    /// Done when it is run for the first time.
    meanwhile: Mutex<Option<Meanwhile>>,
    told: Arc<Mutex<Vec<i64>>>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.end.fmt(f)
    }
}

fn number(done: &[Outcome]) -> i64 {
    done[0].rows.first().unwrap().at(0).unwrap()
}

impl Plan for Request {
    fn next(&self, done: &[Outcome]) -> Result<Next> {
        if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
            meanwhile();
        }
        let insert = |or: &str, id| Statement::new(format!("INSERT {or} INTO t VALUES (?1)"), args![id]);
        if done.is_empty() {
            return Ok(Next::Run(vec![Statement::new(
                match self.end {
                    Decided | DecidedBreaks | Leaves => "SELECT n + 1 FROM clock",
                    _ => "UPDATE clock SET n = n + 1 RETURNING n",
                },
                args![],
            )]));
        }
        let mine = insert("", number(done));
        let take = Statement::new("UPDATE clock SET n = ?1", args![number(done)]);
        Ok(match (done.len(), self.end) {
            (_, Decided) => Next::Finish(vec![take, mine]),
            (_, DecidedBreaks) => Next::Finish(vec![take, mine, insert("", 0)]),
            (_, Leaves) => Next::Abandon,
            (1, Breaks) => Next::Run(vec![mine, insert("", 0)]),
            (1, RollsBack) => Next::Run(vec![mine, insert("OR ROLLBACK", 0)]),
            (1, _) => Next::Run(vec![mine]),
            (_, Fails) => return Err(crate::Error::new(ErrorKind::Other, "no")),
            (_, Abandons) => Next::Abandon,
            _ => Next::Commit,
        })
    }

    fn committed(&self, done: &[Outcome]) {
        self.told.lock().unwrap().push(number(done));
    }
}

struct Case {
    db: Arc<Sqlite>,
    told: Arc<Mutex<Vec<i64>>>,
}

impl Case {
    async fn new(options: Options) -> Self {
        let db = Arc::new(Sqlite::open(options).await.unwrap());
        for sql in [
            "CREATE TABLE t (id INTEGER PRIMARY KEY)",
            "CREATE TABLE clock (n INTEGER)",
            "INSERT INTO t VALUES (0)",
            "INSERT INTO clock VALUES (0)",
        ] {
            db.execute(sql, args![]).await.unwrap();
        }
        Self { db, told: Arc::default() }
    }

    fn request(&self, end: End, meanwhile: Option<Meanwhile>) -> Asked {
        let (db, told) = (Arc::clone(&self.db), Arc::clone(&self.told));
        let request = Request { end, meanwhile: Mutex::new(meanwhile), told };
        async move { db.planned(Arc::new(request)).await }.boxed()
    }

    /// Runs them as one group: all are queued before the first has ended. And how many commits that took.
    async fn group(self: &Arc<Self>, ends: &[End]) -> (Vec<Result<Planned>>, u64) {
        let before = self.db.stats().commits;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (case, rest, into) = (Arc::clone(self), ends[1..].to_vec(), Arc::clone(&asked));
        let others = move || into.lock().unwrap().extend(rest.into_iter().map(|end| queued(case.request(end, None))));
        let mut results = vec![self.request(ends[0], Some(Box::new(others))).await];
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        results.extend(join_all(asked).await);
        (results, self.db.stats().commits - before)
    }

    async fn ids(&self) -> Vec<i64> {
        let rows = self.db.query("SELECT id FROM t WHERE id > 0 ORDER BY id", args![]).await.unwrap();
        rows.iter().map(|row| row.at(0).unwrap()).collect()
    }
}

/// Asked once, it is in the queue; and it is not answered before whoever runs now.
fn queued<T>(mut asked: BoxFuture<'static, T>) -> BoxFuture<'static, T> {
    assert!((&mut asked).now_or_never().is_none());
    asked
}

fn for_so_long(mut options: Options, group_time: Duration) -> Options {
    options.group_time = group_time;
    options
}

async fn in_memory() -> Arc<Case> {
    Arc::new(Case::new(for_so_long(Options::memory(), Duration::MAX)).await)
}

#[tokio::test]
async fn what_comes_while_a_group_runs_is_committed_with_it() {
    /// The last asks for the next, until there are so many.
    fn chain(case: &Arc<Case>, left: usize, asked: &Arc<Mutex<Vec<Asked>>>) -> Asked {
        let (of, into) = (Arc::clone(case), Arc::clone(asked));
        let more = move || {
            let next = queued(chain(&of, left - 1, &into));
            into.lock().unwrap().push(next);
        };
        case.request(Fine, (left > 1).then(|| Box::new(more) as Meanwhile))
    }
    let dir = TempDir::new().unwrap();
    let case = Arc::new(Case::new(for_so_long(Options::in_dir(dir.path()), Duration::MAX)).await);
    for (requests, commits) in [(1, 1), (2, 1), (10, 1), (GROUP, 1), (GROUP + 1, 2)] {
        let (before, asked) = (case.db.stats(), Arc::default());
        assert!(chain(&case, requests, &asked).await.unwrap().committed);
        while let Some(next) = { asked.lock().unwrap().pop() } {
            assert!(next.await.unwrap().committed);
        }
        let after = case.db.stats();
        let ran = (after.requests - before.requests, after.commits - before.commits);
        assert_eq!(ran, (requests as u64, commits), "{requests} requests");
    }
    let told = case.told.lock().unwrap().clone();
    assert_eq!((case.ids().await, told.len()), (told, 1 + 2 + 10 + GROUP + GROUP + 1));
}

#[tokio::test]
async fn a_group_ends_when_its_time_is_over() {
    let case = Arc::new(Case::new(for_so_long(Options::memory(), Duration::ZERO)).await);
    assert_eq!(case.group(&[Fine; 5]).await.1, 5);
}

#[tokio::test]
async fn what_is_no_request_ends_a_group() {
    let case = in_memory().await;
    let before = case.db.stats().commits;
    let (of, asked) = (Arc::clone(&case), Arc::new(Mutex::new(None)));
    let into = Arc::clone(&asked);
    let others = move || {
        let second = queued(of.request(Fine, None));
        let db = Arc::clone(&of.db);
        let migrated = async move { db.migrate("x", &[Migration::new("1", "CREATE TABLE x (y INTEGER)")]).await };
        let migrated = queued(migrated.boxed());
        let third = queued(of.request(Fine, None));
        *into.lock().unwrap() = Some((second, migrated, third));
    };
    assert!(case.request(Fine, Some(Box::new(others))).await.unwrap().committed);
    let (second, migrated, third) = asked.lock().unwrap().take().unwrap();
    assert!(second.await.unwrap().committed && third.await.unwrap().committed);
    migrated.await.unwrap();
    assert_eq!(case.db.stats().commits - before, 2, "one before it, one behind");
}

#[tokio::test]
async fn one_that_fails_harms_no_other() {
    for end in [Fails, Abandons, Breaks, Leaves] {
        let case = in_memory().await;
        let (results, commits) = case.group(&[end, Fine, end, end, Fine, end]).await;
        assert_eq!((commits, case.ids().await), (1, vec![1, 2]), "{end:?}");
        judge(&[end, Fine, end, end, Fine, end], &results);
        let (results, commits) = case.group(&[end, end]).await;
        assert_eq!((commits, case.ids().await), (0, vec![1, 2]), "{end:?}");
        judge(&[end, end], &results);
    }
}

/// What is decided has no savepoint: when it fails all the same, the others are run again.
#[tokio::test]
async fn a_decided_request_that_fails_harms_no_other() {
    let case = in_memory().await;
    let ends = [Decided, Fine, Leaves, Fails, DecidedBreaks, Decided, Fine, Decided];
    let (results, commits) = case.group(&ends).await;
    judge(&ends, &results);
    assert_eq!(
        (commits, case.ids().await),
        (3, vec![1, 2, 3, 4, 5]),
        "each before it by itself, those behind together"
    );
    let alone = [DecidedBreaks, Decided, Decided];
    let (results, commits) = case.group(&alone).await;
    judge(&alone, &results);
    assert_eq!((commits, case.ids().await.len()), (1, 7), "with nobody before it");
}

/// Each has its own end, and its own error.
fn judge(ends: &[End], results: &[Result<Planned>]) {
    assert_eq!(ends.len(), results.len());
    for (end, result) in ends.iter().zip(results) {
        match (end, result) {
            (Fine | Decided, Ok(planned)) => assert!(planned.committed),
            (Abandons | Leaves, Ok(planned)) => assert!(!planned.committed),
            (Fails, Err(error)) => assert_eq!(error.kind(), ErrorKind::Other),
            (Breaks | RollsBack | DecidedBreaks, Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Constraint(Constraint::Unique), "{error}");
                assert_eq!(error.statement(), Some(if *end == DecidedBreaks { 3 } else { 2 }));
            }
            _ => panic!("{end:?} has ended with {result:?}"),
        }
    }
}

/// What is acknowledged, of requests that end in all ways, is there, and nothing else is.
async fn holds(case: &Case, mut acknowledged: Vec<i64>) {
    acknowledged.sort_unstable();
    assert_eq!(
        acknowledged,
        (1..=acknowledged.len() as i64).collect::<Vec<_>>(),
        "each number once, and none left out"
    );
    assert_eq!(case.ids().await, acknowledged);
    assert_eq!(*case.told.lock().unwrap(), acknowledged, "in the order of commits, once each");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_of_many_at_once() {
    let dir = TempDir::new().unwrap();
    let case = Arc::new(Case::new(Options::in_dir(dir.path())).await);
    const ENDS: [End; 13] = [
        Fine,
        Decided,
        Decided,
        Leaves,
        Decided,
        Fails,
        Fine,
        Decided,
        Breaks,
        DecidedBreaks,
        Abandons,
        Decided,
        RollsBack,
    ];
    let tasks = (0..24).map(|task| {
        let case = Arc::clone(&case);
        tokio::spawn(async move {
            let (mut mine, mut ends) = (Vec::new(), ENDS.iter().copied().cycle().skip(task * 5));
            for end in ends.by_ref().take(40) {
                let result = case.request(end, None).await;
                judge(&[end], std::slice::from_ref(&result));
                mine.extend(result.ok().filter(|planned| planned.committed).map(|planned| number(&planned.outcomes)));
            }
            assert!(mine.is_sorted_by(|one, next| one < next), "{mine:?}");
            mine
        })
    });
    let acknowledged = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    holds(&case, acknowledged).await;
    let stats = case.db.stats();
    assert!(stats.requests >= 24 * 40, "{stats:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn what_is_acknowledged_is_there_and_nothing_else(
        ends in proptest::collection::vec(
            prop_oneof![
                6 => Just(Fine),
                6 => Just(Decided),
                1 => prop::sample::select(vec![Fails, Abandons, Breaks, RollsBack, DecidedBreaks, Leaves]),
                1 => prop::sample::select(vec![Fails, Abandons, Breaks, Leaves]),
            ],
            1..30,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let case = in_memory().await;
            let (results, _) = case.group(&ends).await;
            judge(&ends, &results);
            let acknowledged: Vec<i64> = results
                .iter()
                .filter_map(|result| result.as_ref().ok().filter(|planned| planned.committed))
                .map(|planned| number(&planned.outcomes))
                .collect();
            assert!(acknowledged.is_sorted_by(|one, next| one < next), "{acknowledged:?}");
            holds(&case, acknowledged).await;
        });
    }
}
