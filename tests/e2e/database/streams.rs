//! Hrana as it is on the wire: batons, conditions, cursors, what is said when something is wrong.

use std::time::Duration;

use buntime_database::testing::PostgresServer;
use buntime_testing::eventually;
use buntime_tests::{Answer, Gateway, client, soon};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{post, postgres, query, send, sqlite, start, with_settings};

async fn pipeline(gateway: &Gateway, baton: &Value, requests: Value) -> Answer {
    post(gateway, "/hrana/v3/pipeline", &json!({ "baton": baton, "requests": requests })).await
}

/// The next baton, and what each request came to.
async fn ask(gateway: &Gateway, baton: &Value, requests: Value) -> (Value, Vec<Value>) {
    let answer = pipeline(gateway, baton, requests).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{}", answer.text());
    let mut told = answer.json();
    assert_eq!(told["base_url"], Value::Null);
    let results = told["results"].as_array().unwrap().clone();
    (told["baton"].take(), results)
}

fn execute(sql: &str) -> Value {
    json!({ "type": "execute", "stmt": { "sql": sql } })
}

fn step(sql: &str, condition: Value) -> Value {
    [("stmt", json!({ "sql": sql })), ("condition", condition)].into_iter().collect()
}

/// The code of a request that could not be done at all.
fn refused(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), "application/json", "{}", answer.text());
    let told = answer.json();
    assert!(told["message"].as_str().is_some_and(|message| !message.is_empty()), "{told}");
    (answer.status, told["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_lives_from_baton_to_baton() {
    let gateway = start(json!([sqlite(true)]), &[]).await;
    for version in ["v2", "v3"] {
        assert_eq!(gateway.get(&format!("/p/database/api/hrana/{version}")).await.status, 200);
        assert_eq!(gateway.get(&format!("/p/database/api/hrana/sqlite/{version}")).await.status, 200);
    }
    for none in ["v1", "v3-protobuf", "v4", "sqlite/nobody/v3"] {
        assert_eq!(gateway.get(&format!("/p/database/api/hrana/{none}")).await.status, 404, "{none}");
    }
    let (baton, told) = ask(
        &gateway,
        &Value::Null,
        json!([
            execute("CREATE TABLE t (x INTEGER UNIQUE)"),
            execute("BEGIN IMMEDIATE"),
            { "type": "store_sql", "sql_id": 7, "sql": "INSERT INTO t VALUES (:x)" },
            { "type": "execute", "stmt": { "sql_id": 7, "named_args": [{ "name": "x", "value": { "type": "integer", "value": "1" } }] } },
            { "type": "get_autocommit" },
            execute("SELEC"),
        ]),
    )
    .await;
    let kinds: Vec<&str> = told.iter().map(|one| one["response"]["type"].as_str().unwrap_or("error")).collect();
    assert_eq!(kinds, ["execute", "execute", "store_sql", "execute", "get_autocommit", "error"]);
    assert_eq!(told[3]["response"]["result"]["affected_row_count"], 1);
    assert_eq!(told[3]["response"]["result"]["last_insert_rowid"], "1");
    assert_eq!(told[4]["response"]["is_autocommit"], false);
    assert_eq!(told[5]["error"]["code"], "SQLITE_ERROR");
    // Nobody else sees it.
    assert_eq!(query(&gateway, &json!({ "sql": "SELECT count(*) AS n FROM t" })).await["rows"][0]["n"], 0);

    let first = baton.clone();
    let describe = json!([
        { "type": "describe", "sql": "SELECT x AS y FROM t WHERE x > :least" },
        { "type": "describe", "sql_id": 7 },
        { "type": "store_sql", "sql_id": 7, "sql": "SELECT 1" },
        { "type": "close_sql", "sql_id": 7 },
        { "type": "close_sql", "sql_id": 99 },
        { "type": "execute", "stmt": { "sql_id": 7 } },
        { "type": "execute", "stmt": { "sql": "SELECT x FROM t", "want_rows": false } },
    ]);
    let (baton, told) = ask(&gateway, &baton, describe).await;
    assert_ne!(baton, first);
    let expected = json!({ "params": [{ "name": ":least" }], "cols": [{ "name": "y", "decltype": "INTEGER" }],
        "is_explain": false, "is_readonly": true });
    assert_eq!(told[0]["response"]["result"], expected);
    assert_eq!(told[1]["response"]["result"]["is_readonly"], false);
    assert_eq!(told[2]["error"]["code"], "SQL_STORED");
    assert_eq!(told[4]["response"]["type"], "close_sql");
    assert_eq!(told[5]["error"]["code"], "SQL_NOT_FOUND");
    assert_eq!(
        (&told[6]["response"]["result"]["rows"], &told[6]["response"]["result"]["cols"][0]["name"]),
        (&json!([]), &json!("x"))
    );

    let reused = pipeline(&gateway, &first, json!([execute("COMMIT")])).await;
    assert_eq!(refused(&reused), (400, "BATON_REUSED".to_owned()));
    let other = json!({ "baton": baton, "requests": [] });
    post(&gateway, "/tenants", &json!({ "id": "acme" })).await;
    let other = post(&gateway, "/hrana/sqlite/acme/v3/pipeline", &other).await;
    assert_eq!(refused(&other), (400, "BATON_INVALID".to_owned()));
    let (baton, told) =
        ask(&gateway, &baton, json!([execute("COMMIT"), { "type": "close" }, execute("SELECT 1")])).await;
    assert_eq!(
        (&baton, &told[1]["response"]["type"], &told[2]["error"]["code"]),
        (&Value::Null, &json!("close"), &json!("STREAM_CLOSED"))
    );
    assert_eq!(query(&gateway, &json!({ "sql": "SELECT count(*) AS n FROM t" })).await["rows"][0]["n"], 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_and_streams_are_counted() {
    let gateway = start(json!([sqlite(true)]), &[json!("@buntime/plugin-metrics")]).await;
    query(&gateway, &json!({ "sql": "SELECT 1" })).await;
    post(&gateway, "/query", &json!({ "sql": "SELEC 1" })).await;
    ask(&gateway, &Value::Null, json!([execute("SELECT 1"), execute("SELEC 1"), execute("SELECT 2")])).await;
    let metrics = gateway.metrics().await;
    for line in [
        "database_statement_duration_seconds_count{adapter=\"sqlite\"} 5",
        "database_statement_errors_total{adapter=\"sqlite\"} 2",
        "database_streams 1",
    ] {
        assert!(metrics.lines().any(|one| one.ends_with(line)), "{line}: {metrics}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_have_conditions() {
    let gateway = start(json!([sqlite(true)]), &[]).await;
    let ok = |step: u32| json!({ "type": "ok", "step": step });
    let not = |cond: Value| json!({ "type": "not", "cond": cond });
    let steps = json!([
        step("CREATE TABLE t (x INTEGER UNIQUE)", Value::Null),
        step("BEGIN", ok(0)),
        step(
            "INSERT INTO t VALUES (1)",
            json!({ "type": "and", "conds": [ok(1), not(json!({ "type": "is_autocommit" }))] })
        ),
        step("INSERT INTO t VALUES (1)", ok(2)),
        step("INSERT INTO t VALUES (2)", ok(3)),
        step("COMMIT", ok(4)),
        step("ROLLBACK", not(ok(5))),
        step(
            "SELECT count(*) FROM t",
            json!({ "type": "or", "conds": [{ "type": "error", "step": 0 }, { "type": "is_autocommit" }] })
        ),
    ]);
    let (_, told) =
        ask(&gateway, &Value::Null, json!([{ "type": "batch", "batch": { "steps": steps } }, { "type": "close" }]))
            .await;
    let result = &told[0]["response"]["result"];
    let ran: Vec<bool> = result["step_results"].as_array().unwrap().iter().map(|one| !one.is_null()).collect();
    assert_eq!(ran, [true, true, true, false, false, false, true, true], "{result}");
    let failed: Vec<&Value> = result["step_errors"].as_array().unwrap().iter().filter(|one| !one.is_null()).collect();
    assert_eq!((failed.len(), &failed[0]["code"]), (1, &json!("SQLITE_CONSTRAINT")));
    assert_eq!(result["step_results"][7]["rows"], json!([[{ "type": "integer", "value": "0" }]]));
    let beyond = json!([{ "type": "batch", "batch": { "steps": [step("SELECT 1", ok(0))] } }]);
    let (_, told) = ask(&gateway, &Value::Null, beyond).await;
    assert_eq!(told[0]["error"]["code"], "BATCH_COND_BAD_STEP");
    gateway.stop().await;
}

/// A stream that is forgotten: what it had begun is rolled back, and others need not wait for long.
async fn expires_on(adapter: Value) {
    let settings = json!({ "adapters": [adapter], "streamIdle": "1s", "maxStreams": 2 });
    let gateway = Gateway::start(with_settings(settings, &[])).await;
    query(&gateway, &json!({ "sql": "CREATE TABLE t (x BIGINT)" })).await;
    let (baton, _) = ask(&gateway, &Value::Null, json!([execute("BEGIN"), execute("INSERT INTO t VALUES (1)")])).await;
    let (other, _) = ask(&gateway, &Value::Null, json!([execute("SELECT 1")])).await;
    let full = pipeline(&gateway, &Value::Null, json!([])).await;
    assert_eq!(refused(&full), (503, "TOO_MANY_STREAMS".to_owned()));
    assert!(!full.header("retry-after").is_empty());
    // Waits for the first one's lock, where the engine has such a thing.
    query(&gateway, &json!({ "sql": "INSERT INTO t VALUES (2)" })).await;
    for baton in [baton, other] {
        // Another baton of the stream does not keep it alive.
        let mut wrong = baton.as_str().unwrap().to_owned();
        let replaced = if wrong.as_bytes()[40] == b'A' { "B" } else { "A" };
        wrong.replace_range(40..41, replaced);
        let wrong = json!(wrong);
        eventually("it is ended", || async {
            let (status, code) = refused(&pipeline(&gateway, &wrong, json!([])).await);
            assert!(status == 400 && matches!(&*code, "BATON_REUSED" | "STREAM_EXPIRED"), "{code}");
            code == "STREAM_EXPIRED"
        })
        .await;
        let late = pipeline(&gateway, &baton, json!([execute("COMMIT")])).await;
        assert_eq!(refused(&late), (400, "STREAM_EXPIRED".to_owned()));
    }
    ask(&gateway, &Value::Null, json!([execute("SELECT 1")])).await;
    let left = query(&gateway, &json!({ "sql": "SELECT x FROM t" })).await;
    assert_eq!(left["rows"], json!([{ "x": 2 }]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_rolled_back_on_sqlite() {
    expires_on(sqlite(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_rolled_back_on_postgres() {
    let Some(server) = PostgresServer::start().await else { return };
    expires_on(postgres(&server, true)).await;
}

/// A client that goes away in the middle leaves nothing.
/// What a batch of npm's client in mode `write` is on the wire, with arguments whose types only the call brings.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_acknowledged_is_committed_on_postgres() {
    let Some(server) = PostgresServer::start().await else { return };
    let gateway = start(json!([postgres(&server, true)]), &[]).await;
    query(&gateway, &json!({ "sql": "CREATE TABLE t (n BIGINT)" })).await;
    let after = |at: u64| json!({ "type": "ok", "step": at });
    let integer = |value: &str| json!({ "type": "integer", "value": value });
    let insert = json!({ "sql": "INSERT INTO t (n) VALUES (? + ?) RETURNING n", "args": [integer("1"), integer("2")] });
    let steps = json!([
        { "stmt": { "sql": "BEGIN IMMEDIATE" } },
        { "stmt": insert, "condition": after(0) },
        step("COMMIT", after(1)),
        step("ROLLBACK", json!({ "type": "not", "cond": after(2) })),
    ]);
    let (_, told) = ask(&gateway, &Value::Null, json!([{ "type": "batch", "batch": { "steps": steps } }])).await;
    let result = &told[0]["response"]["result"];
    assert_eq!(result["step_errors"], json!([null, null, null, null]), "{result}");
    assert_eq!(result["step_results"][1]["rows"], json!([[integer("3")]]));
    assert_eq!(result["step_results"][1]["cols"][0]["decltype"], "int8");
    assert_eq!(query(&gateway, &json!({ "sql": "SELECT n FROM t" })).await["rows"], json!([{ "n": 3 }]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_rolled_back() {
    let gateway = start(json!([sqlite(true)]), &[]).await;
    query(&gateway, &json!({ "sql": "CREATE TABLE t (x BIGINT)" })).await;
    let (baton, _) = ask(&gateway, &Value::Null, json!([execute("BEGIN"), execute("INSERT INTO t VALUES (1)")])).await;
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let asked = pipeline(&gateway, &baton, json!([execute(endless)]));
    assert!(tokio::time::timeout(Duration::from_millis(300), asked).await.is_err(), "it does not end by itself");
    soon("others may write", query(&gateway, &json!({ "sql": "INSERT INTO t VALUES (2)" }))).await;
    assert_eq!(query(&gateway, &json!({ "sql": "SELECT x FROM t" })).await["rows"], json!([{ "x": 2 }]));
    let late = pipeline(&gateway, &baton, json!([])).await;
    assert_eq!(late.status, 400);
    gateway.stop().await;
}

async fn cursor(gateway: &Gateway, baton: &Value, steps: Value) -> Vec<Value> {
    let body = json!({ "baton": baton, "batch": { "steps": steps } });
    let answer = post(gateway, "/hrana/v3/cursor", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_send_rows_as_they_are_made() {
    let settings = json!({ "adapters": [sqlite(true)], "maxRows": 10 });
    let gateway = Gateway::start(with_settings(settings, &[])).await;
    let many =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) SELECT x, 'row' AS r FROM n";
    let lines = cursor(
        &gateway,
        &Value::Null,
        json!([
            step("CREATE TABLE t (x INTEGER UNIQUE)", Value::Null),
            step("BEGIN", Value::Null),
            step("INSERT INTO t VALUES (1)", Value::Null),
            step(many, json!({ "type": "ok", "step": 0 })),
            step("INSERT INTO t VALUES (1)", Value::Null),
            step("SELECT 1", json!({ "type": "ok", "step": 4 })),
            step("SELECT x FROM t", Value::Null),
        ]),
    )
    .await;
    let baton = lines[0]["baton"].clone();
    assert_eq!(lines[0]["base_url"], Value::Null);
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).cloned().collect::<Vec<_>>();
    // More rows than an answer may have: they are never together.
    assert_eq!(of("row").len(), 20_001);
    let begun: Vec<Value> = of("step_begin").iter().map(|line| line["step"].clone()).collect();
    assert_eq!((begun, of("step_end").len()), (vec![json!(0), json!(1), json!(2), json!(3), json!(6)], 5));
    assert_eq!((of("step_error").len(), &of("step_error")[0]["step"]), (1, &json!(4)));
    let third = &of("step_begin")[3];
    assert_eq!(third["cols"], json!([{ "name": "x", "decltype": null }, { "name": "r", "decltype": null }]));
    assert_eq!(of("row")[0]["row"], json!([{ "type": "integer", "value": "1" }, { "type": "text", "value": "row" }]));
    // It goes on with the baton.
    let (_, told) =
        ask(&gateway, &baton, json!([{ "type": "get_autocommit" }, execute("COMMIT"), { "type": "close" }])).await;
    assert_eq!((&told[0]["response"]["is_autocommit"], &told[1]["type"]), (&json!(false), &json!("ok")), "{told:?}");
    let (_, told) = ask(&gateway, &Value::Null, json!([execute(many)])).await;
    assert_eq!(told[0]["error"]["code"], "RESPONSE_TOO_LARGE");
    let lines = cursor(&gateway, &Value::Null, json!([step("SELECT 1", json!({ "type": "ok", "step": 5 }))])).await;
    assert_eq!((&lines[1]["type"], &lines[1]["error"]["code"]), (&json!("error"), &json!("BATCH_COND_BAD_STEP")));

    // Who leaves a cursor behind leaves its transaction behind.
    let body = json!({ "baton": null, "batch": { "steps": [step("BEGIN", Value::Null), step("INSERT INTO t VALUES (2)", Value::Null), step(many, Value::Null)] } });
    let request = client::request("POST", "/p/database/api/hrana/v3/cursor").body(body.to_string().into()).unwrap();
    let mut answer = client::open(gateway.addr(), request).await;
    soon("a piece", answer.frame()).await.unwrap().unwrap();
    drop(answer);
    soon("others may write", query(&gateway, &json!({ "sql": "INSERT INTO t VALUES (3)" }))).await;
    let left = query(&gateway, &json!({ "sql": "SELECT x FROM t ORDER BY x" })).await;
    assert_eq!(left["rows"], json!([{ "x": 1 }, { "x": 3 }]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_hrana_is_refused() {
    let gateway = start(json!([sqlite(true)]), &[]).await;
    for (path, body, status, code) in [
        ("/hrana/v3/pipeline", json!({}), 400, "HRANA_PROTO_ERROR"),
        ("/hrana/v3/pipeline", json!({ "requests": [{ "type": "listen" }] }), 400, "HRANA_PROTO_ERROR"),
        ("/hrana/v2/pipeline", json!([]), 400, "HRANA_PROTO_ERROR"),
        ("/hrana/v3/cursor", json!({ "batch": {} }), 400, "HRANA_PROTO_ERROR"),
        ("/hrana/v3/pipeline", json!({ "baton": "x", "requests": [] }), 400, "BATON_INVALID"),
        ("/hrana/mysql/v3/pipeline", json!({ "requests": [] }), 400, "unknown_adapter"),
        ("/hrana/sqlite/nobody/v3/pipeline", json!({ "requests": [] }), 404, "no_such_tenant"),
        ("/hrana/sqlite/..x/v3/pipeline", json!({ "requests": [] }), 400, "argument"),
    ] {
        let answer = post(&gateway, path, &body).await;
        assert_eq!(refused(&answer), (status, code.to_owned()), "{path} {body}");
    }
    // Deep conditions end the reader's patience, not its stack.
    let deep =
        format!("{}{{\"type\":\"is_autocommit\"}}{}", "{\"type\":\"not\",\"cond\":".repeat(50_000), "}".repeat(50_000));
    let body = format!(
        "{{\"requests\":[{{\"type\":\"batch\",\"batch\":{{\"steps\":[{{\"stmt\":{{\"sql\":\"SELECT 1\"}},\"condition\":{deep}}}]}}}}]}}"
    );
    let answer = send(&gateway, client::request("POST", "/p/database/api/hrana/v3/pipeline"), body).await;
    assert_eq!(refused(&answer), (400, "HRANA_PROTO_ERROR".to_owned()));
    let wrong = json!([
        { "type": "execute", "stmt": {} },
        { "type": "execute", "stmt": { "sql": "SELECT 1", "sql_id": 1 } },
        { "type": "execute", "stmt": { "sql": "SELECT ?", "args": [{ "type": "integer", "value": "1.5" }] } },
        { "type": "execute", "stmt": { "sql": "SELECT 9e999" } },
        { "type": "sequence", "sql": "SELECT 1; SELEC 2; SELECT 3" },
        execute("SELECT 1"),
    ]);
    let (_, told) = ask(&gateway, &Value::Null, wrong).await;
    let codes: Vec<&str> = told.iter().map(|one| one["error"]["code"].as_str().unwrap_or("ok")).collect();
    assert_eq!(codes, ["SQL_INVALID", "SQL_INVALID", "ARGS_INVALID", "SQLITE_MISMATCH", "SQLITE_ERROR", "ok"]);
    assert!(told[4]["error"]["message"].as_str().unwrap().starts_with("statement 1: "), "{}", told[4]);
    gateway.stop().await;
}
