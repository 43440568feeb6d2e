//! Plans on SQLite: what is decided inside the transaction, alone and in groups.

use std::sync::{Arc, Mutex};

use buntime_database::{
    Adapter, Error, ErrorKind, Next, Outcome, Plan, Result, Statement, args,
    sqlite::{Options, Sqlite},
};
use futures_util::future::join_all;
use tempfile::TempDir;

/// Doubles the number, up to a limit; past it, it fails or gives up.
#[derive(Debug)]
struct Double {
    most: i64,
    fails: bool,
    seen: Arc<Mutex<Vec<i64>>>,
}

impl Plan for Double {
    fn next(&self, done: &[Outcome]) -> Result<Next> {
        let Some(read) = done.first() else {
            return Ok(Next::Run(vec![Statement::new("UPDATE t SET n = n * 2 RETURNING n", args![])]));
        };
        if done.len() > 1 {
            return Ok(Next::Commit);
        }
        let n: i64 = read.rows.first().unwrap().at(0)?;
        match n > self.most {
            true if self.fails => Err(Error::new(ErrorKind::Other, "too much")),
            true => Ok(Next::Abandon),
            false => Ok(Next::Run(vec![Statement::new("INSERT INTO log VALUES (?1)", args![n])])),
        }
    }

    fn committed(&self, done: &[Outcome]) {
        self.seen.lock().unwrap().push(done[0].rows.first().unwrap().at(0).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_inside_a_transaction_holds_in_a_group_too() {
    let dir = TempDir::new().unwrap();
    for options in [Options::in_dir(dir.path()), Options::memory()] {
        let db = Sqlite::open(options).await.unwrap();
        db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
        db.execute("CREATE TABLE log (n INTEGER)", args![]).await.unwrap();
        db.execute("INSERT INTO t VALUES (1)", args![]).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ask = |n: i64| db.planned(Arc::new(Double { most: 64, fails: n % 3 == 0, seen: seen.clone() }));
        let ended = join_all((0..30).map(ask)).await;
        let committed = ended.iter().filter(|ended| ended.as_ref().is_ok_and(|planned| planned.committed)).count();
        assert_eq!(committed, 6, "1 doubled six times is 64");
        for error in ended.iter().filter_map(|ended| ended.as_ref().err()) {
            assert_eq!((error.kind(), error.detail()), (ErrorKind::Other, "too much"));
        }
        assert_eq!(*seen.lock().unwrap(), [2, 4, 8, 16, 32, 64], "told once each, in the order of commits");
        let log = db.query("SELECT group_concat(n) FROM (SELECT n FROM log ORDER BY n)", args![]).await.unwrap();
        assert_eq!(log.first().unwrap().at::<String>(0).unwrap(), "2,4,8,16,32,64");
        db.close().await;
    }
}

#[tokio::test]
async fn a_statement_that_fails_undoes_the_plan_and_says_which_it_was() {
    #[derive(Debug)]
    struct Wrong;
    impl Plan for Wrong {
        fn next(&self, done: &[Outcome]) -> Result<Next> {
            let sql = if done.is_empty() { "INSERT INTO t VALUES (1)" } else { "INSERT INTO nowhere VALUES (1)" };
            Ok(Next::Run(vec![Statement::new(sql, args![])]))
        }
    }
    let db = Sqlite::open(Options::memory()).await.unwrap();
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    let error = db.planned(Arc::new(Wrong)).await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::Syntax, Some(1)));
    assert!(db.query("SELECT * FROM t", args![]).await.unwrap().is_empty());
}
