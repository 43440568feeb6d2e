//! The REST API, on each engine.

use buntime_database::testing::{LibsqlServer, PostgresServer};
use buntime_tests::{Gateway, client};
use http::Method;
use serde_json::{Value, json};

use super::{TOKEN, config, libsql, post, postgres, query, send, sqlite, start};

/// What is the same everywhere. `blob` is the engine's word for bytes.
async fn everything_on(kind: &str, adapter: Value, blob: &str) {
    let gateway = start(json!([adapter]), &[]).await;
    let told = gateway.json("/p/database/api/adapters").await;
    assert_eq!((&told["adapters"], &told["default"]), (&json!([kind]), &json!(kind)));
    assert_eq!(told["details"][0]["tenants"], true, "{told}");
    for (path, expected) in [
        (format!("/health?type={kind}"), json!({ "status": "healthy", "type": kind })),
        ("/health".to_owned(), json!({ "status": "healthy", "adapters": { kind: "healthy" } })),
        ("/tenants".to_owned(), json!({ "tenants": [], "type": kind })),
    ] {
        assert_eq!(gateway.json(&format!("/p/database/api{path}")).await, expected, "{path}");
    }
    queries(&gateway, "", kind, blob).await;
    tables(&gateway, kind).await;
    tenants(&gateway, kind, blob).await;
    gateway.stop().await;
}

async fn queries(gateway: &Gateway, tenant: &str, kind: &str, blob: &str) {
    let ask = |sql: &str, args: Value| {
        let body = json!({ "sql": sql, "args": args, "tenant": tenant, "type": kind });
        async move { query(gateway, &body).await }
    };
    // Names that would be trouble if they stood in SQL as they are.
    let create = format!(
        "CREATE TABLE \"odd \"\"name; --\" (id BIGINT PRIMARY KEY, \"the text\" TEXT NOT NULL, data {blob}, real DOUBLE PRECISION)"
    );
    ask(&create, json!([])).await;
    let big = i64::MAX.to_string();
    let inserted = ask(
        "INSERT INTO \"odd \"\"name; --\" VALUES (?1, ?2, ?3, ?4), (2, 'two', NULL, -0.5)",
        json!([{ "type": "integer", "value": big }, "it's", { "type": "blob", "base64": "AP8=" }, 1.0]),
    )
    .await;
    assert_eq!((&inserted["affectedRows"], &inserted["rowCount"]), (&json!(2), &json!(0)), "{inserted}");
    let read =
        ask("SELECT id, \"the text\", data, real, id AS id FROM \"odd \"\"name; --\" ORDER BY id DESC", json!([]))
            .await;
    assert_eq!(read["columns"], json!(["id", "the text", "data", "real", "id_2"]));
    let whole = json!({ "type": "integer", "value": big });
    assert_eq!(
        read["rows"],
        json!([
            { "id": whole, "the text": "it's", "data": { "type": "blob", "base64": "AP8" }, "real": 1.0, "id_2": whole },
            { "id": 2, "the text": "two", "data": null, "real": -0.5, "id_2": 2 },
        ])
    );
    assert_eq!((&read["rowCount"], &read["truncated"], &read["affectedRows"]), (&json!(2), &json!(false), &json!(0)));
    let named = ask(
        "SELECT :text AS t, id FROM \"odd \"\"name; --\" WHERE \"the text\" = :text AND id < :most",
        json!({ "most": 5, ":text": "two", "unused": [] }),
    );
    assert_eq!(named.await["rows"], json!([{ "t": "two", "id": 2 }]));
    let changed = ask("UPDATE \"odd \"\"name; --\" SET real = ?1 WHERE id > ?2", json!([2.5, 0])).await;
    assert_eq!(changed["affectedRows"], 2);

    // Held to reading, whatever it says.
    let reading = |sql: &str| json!({ "sql": sql, "readOnly": true, "tenant": tenant, "type": kind });
    assert_eq!(query(gateway, &reading("SELECT count(*) AS n FROM \"odd \"\"name; --\"")).await["rows"][0]["n"], 2);
    for sql in
        ["DELETE FROM \"odd \"\"name; --\"", "WITH x AS (SELECT 1) DELETE FROM \"odd \"\"name; --\" RETURNING id"]
    {
        let refused = post(gateway, "/query", &reading(sql)).await;
        assert_eq!((refused.status, refused.problem().as_str()), (409, "read_only"), "{sql}: {}", refused.text());
    }

    // Mistakes are told.
    for (body, status, code, words) in [
        (json!({}), 400, "malformed_request", "Missing or invalid SQL query"),
        (json!({ "sql": 7 }), 400, "malformed_request", "Missing or invalid SQL query"),
        (json!({ "sql": "SELECT ?1", "args": [[1]] }), 400, "malformed_request", "args[0]"),
        (json!({ "sql": "SELECT :a", "args": { "a": [] } }), 400, "malformed_request", "args.a"),
        (json!({ "sql": "SELECT ?1", "args": 7 }), 400, "malformed_request", "an array"),
        (json!({ "sql": "SELECT ?1" }), 400, "argument", "takes 1 arguments, and 0 were given"),
        (json!({ "sql": "SELEC 1" }), 400, "syntax", "SELEC"),
        (json!({ "sql": "SELECT * FROM nowhere" }), 400, "syntax", "nowhere"),
        (json!({ "sql": "SELECT 1; SELECT 2" }), 400, "syntax", "more than one statement"),
        (json!({ "sql": "BEGIN" }), 400, "not_allowed", "cannot be used here"),
        (json!({ "sql": "INSERT INTO \"odd \"\"name; --\" VALUES (2, 'x', NULL, 1)" }), 409, "constraint", ""),
        (json!({ "sql": "SELECT 1", "sqll": 1 }), 400, "malformed_request", "sqll"),
        (json!({ "sql": "SELECT 1", "type": "mysql" }), 400, "unknown_adapter", "Available:"),
        (json!({ "sql": "SELECT 1", "tenant": "../x" }), 400, "argument", "a tenant's name"),
        (json!({ "sql": "SELECT 1", "tenant": "nobody" }), 404, "no_such_tenant", "nobody"),
    ] {
        let mut body = body;
        if body["tenant"].is_null() && !tenant.is_empty() {
            body["tenant"] = json!(tenant);
        }
        let answer = post(gateway, "/query", &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code), "{body}: {}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{body}: {}", answer.text());
    }
}

async fn tables(gateway: &Gateway, kind: &str) {
    query(gateway, &json!({ "sql": "CREATE VIEW seen AS SELECT 1 AS one" })).await;
    let found = gateway.json("/p/database/api/tables").await;
    let tables = found["tables"].as_array().unwrap();
    assert!(tables.contains(&json!({ "name": "odd \"name; --", "type": "table" })), "{found}");
    assert!(tables.contains(&json!({ "name": "seen", "type": "view" })), "{found}");
    assert_eq!(found["type"], kind);
    let odd = "/p/database/api/tables/odd%20%22name%3B%20--";
    let schema = gateway.json(&format!("{odd}/schema")).await;
    let named: Vec<Value> =
        schema["columns"].as_array().unwrap().iter().map(|c| json!([c["name"], c["nullable"], c["pk"]])).collect();
    assert_eq!(
        named[1..],
        [json!(["the text", false, false]), json!(["data", true, false]), json!(["real", true, false])]
    );
    assert_eq!((&named[0][0], &named[0][2]), (&json!("id"), &json!(true)), "{schema}");

    query(gateway, &json!({ "sql": "CREATE TABLE many (n BIGINT, doubled BIGINT)" })).await;
    for from in [0, 600] {
        let rows: Vec<String> = (from..from + 600).map(|n| format!("({n}, {})", n * 2)).collect();
        query(gateway, &json!({ "sql": format!("INSERT INTO many VALUES {}", rows.join(",")) })).await;
    }
    // Pages fit together: each row once, in one order.
    let mut seen = Vec::new();
    for offset in (0..1200).step_by(250) {
        let page = gateway.json(&format!("/p/database/api/tables/many/rows?limit=250&offset={offset}")).await;
        assert_eq!((&page["total"], &page["offset"], &page["limit"]), (&json!(1200), &json!(offset), &json!(250)));
        seen.extend(page["rows"].as_array().unwrap().iter().map(|row| row["n"].as_i64().unwrap()));
    }
    assert_eq!(seen, (0..1200).collect::<Vec<_>>());
    let page = gateway.json("/p/database/api/tables/many/rows").await;
    assert_eq!((page["rows"].as_array().unwrap().len(), &page["columns"][0]["name"]), (100, &json!("n")));
    let uncounted = gateway.json("/p/database/api/tables/many/rows?limit=1&count=false").await;
    assert_eq!((uncounted["rows"].as_array().map(Vec::len), &uncounted["total"]), (Some(1), &Value::Null));
    let most = gateway.json("/p/database/api/tables/many/rows?limit=5000").await;
    assert_eq!((&most["limit"], most["rows"].as_array().unwrap().len()), (&json!(1000), 1000));
    for (path, status, code) in [
        ("many/rows?limit=-1", 400, "malformed_request"),
        ("many/rows?offset=-1", 400, "malformed_request"),
        ("many/rows?limit=x", 400, "malformed_request"),
        ("many%22%3B%20DROP%20TABLE%20many%3B%20--/rows", 404, "no_such_table"),
        ("nowhere/schema", 404, "no_such_table"),
        ("nowhere/rows?type=mysql", 400, "unknown_adapter"),
    ] {
        let answer = gateway.get(&format!("/p/database/api/tables/{path}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code), "{path}: {}", answer.text());
    }
    let view = gateway.json("/p/database/api/tables/seen/rows").await;
    assert_eq!((&view["rows"], &view["total"]), (&json!([{ "one": 1 }]), &json!(1)));
}

async fn tenants(gateway: &Gateway, kind: &str, blob: &str) {
    let made = post(gateway, "/tenants", &json!({ "id": "acme", "type": kind })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json(), json!({ "ok": true, "id": "acme", "type": kind, "created": true }));
    let again = post(gateway, "/tenants", &json!({ "id": "acme" })).await;
    assert_eq!((again.status, &again.json()["created"]), (200, &json!(false)));
    for id in [json!(null), json!(""), json!("../x"), json!("A")] {
        let refused = post(gateway, "/tenants", &json!({ "id": id })).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains("Missing or invalid tenant id"), "{}", refused.text());
    }
    let other = post(gateway, "/tenants", &json!({ "id": "other" })).await;
    assert_eq!(other.status, 201);
    assert_eq!(gateway.json("/p/database/api/tenants").await["tenants"], json!(["acme", "other"]));
    // Each sees its own.
    queries(gateway, "acme", kind, blob).await;
    let of = async |tenant: &str| {
        let told = gateway.json(&format!("/p/database/api/tables?tenant={tenant}")).await;
        told["tables"].as_array().unwrap().len()
    };
    assert_eq!((of("acme").await, of("other").await), (1, 0));
    for (id, status) in [("acme", 200), ("acme", 404), ("other", 200)] {
        let gone = gateway.send(Method::DELETE, &format!("/p/database/api/tenants/{id}"), &json!(null)).await;
        assert_eq!(gone.status, status, "{}", gone.text());
    }
    assert_eq!(gateway.json("/p/database/api/tenants").await["tenants"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    everything_on("sqlite", sqlite(true), "BLOB").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let Some(server) = PostgresServer::start().await else { return };
    everything_on("postgres", postgres(&server, true), "BYTEA").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_libsql_server() {
    let Some(server) = LibsqlServer::start().await else { return };
    everything_on("libsql", libsql(&server, true), "BLOB").await;
}

/// What PostgreSQL alone has: functions that write, types that no other engine has.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_alone() {
    let Some(server) = PostgresServer::start().await else { return };
    let gateway = start(json!([postgres(&server, true)]), &[]).await;
    let ask = |sql: &str| {
        let body = json!({ "sql": sql });
        let gateway = &gateway;
        async move { query(gateway, &body).await }
    };
    ask("CREATE SEQUENCE s").await;
    let refused = post(&gateway, "/query", &json!({ "sql": "SELECT nextval('s')", "readOnly": true })).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "read_only"), "{}", refused.text());
    for sql in ["COMMIT", "SET default_transaction_read_only = off"] {
        let refused = post(&gateway, "/query", &json!({ "sql": sql, "readOnly": true })).await;
        assert_eq!(refused.problem(), "not_allowed", "{}", refused.text());
    }
    ask("CREATE TYPE mood AS ENUM ('sad', 'happy')").await;
    ask("CREATE TABLE own (a INT[], b INTERVAL, c mood, d UUID, e JSONB, f BOOLEAN, g NUMERIC(8, 2), PRIMARY KEY (d, a))").await;
    ask("INSERT INTO own VALUES ('{1,2}', '1 day', 'happy', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{\"x\":1}', true, 1.50)").await;
    let page = gateway.json("/p/database/api/tables/own/rows").await;
    let expected = json!({ "a": "{1,2}", "b": "1 day", "c": "happy", "d": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "e": "{\"x\": 1}", "f": 1, "g": "1.50" });
    assert_eq!(page["rows"], json!([expected]));
    let columns = page["columns"].as_array().unwrap();
    let types: Vec<&str> = columns.iter().map(|column| column["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["integer[]", "interval", "mood", "uuid", "jsonb", "boolean", "numeric(8,2)"]);
    let keys: Vec<bool> = columns.iter().map(|column| column["pk"].as_bool().unwrap()).collect();
    assert_eq!(keys, [true, false, false, true, false, false, false]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_said_to_be() {
    let Some(mut server) = PostgresServer::start().await else { return };
    let gateway = start(json!([sqlite(true), postgres(&server, false)]), &[]).await;
    server.crash();
    let health = gateway.json("/p/database/api/health").await;
    assert_eq!((&health["status"], &health["adapters"]["sqlite"]), (&json!("degraded"), &json!("healthy")), "{health}");
    let health = gateway.get("/p/database/api/health?type=postgres").await;
    assert_eq!((health.status, &health.json()["status"]), (503, &json!("unhealthy")), "{}", health.text());
    let refused = post(&gateway, "/query", &json!({ "sql": "SELECT 1", "type": "postgres" })).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"), "{}", refused.text());
    assert!(!refused.text().contains("127.0.0.1"), "{}", refused.text());
    server.go_on().await;
    buntime_testing::eventually("it is well again", || async {
        gateway.get("/p/database/api/health?type=postgres").await.status == 200
    })
    .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold() {
    let settings = json!({ "adapters": [sqlite(true)], "maxRows": 10, "maxStatement": "1kb", "maxBody": "64kb",
        "queryTimeout": "300ms" });
    let gateway = Gateway::start(super::with_settings(settings, &[])).await;
    let many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50) SELECT x FROM n";
    let cut = query(&gateway, &json!({ "sql": many })).await;
    assert_eq!(
        (cut["rows"].as_array().unwrap().len(), &cut["rowCount"], &cut["truncated"]),
        (10, &json!(50), &json!(true))
    );
    let long = post(&gateway, "/query", &json!({ "sql": format!("SELECT '{}'", "x".repeat(1100)) })).await;
    assert_eq!((long.status, long.problem().as_str()), (413, "too_big"));
    assert!(long.text().contains("maxStatement"), "{}", long.text());
    let large = post(&gateway, "/query", &json!({ "sql": "SELECT ?1", "args": ["x".repeat(70_000)] })).await;
    assert_eq!(large.status, 413);
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let late = post(&gateway, "/query", &json!({ "sql": endless })).await;
    assert_eq!((late.status, late.problem().as_str()), (504, "timeout"), "{}", late.text());
    // Whether what writes was stopped in time nobody has heard.
    let late = post(&gateway, "/query", &json!({ "sql": format!("CREATE TABLE endless AS {endless}") })).await;
    assert_eq!((late.status, late.problem().as_str()), (504, "uncertain"), "{}", late.text());
    // The thread that ran it is free again.
    assert_eq!(query(&gateway, &json!({ "sql": "SELECT 1 AS one" })).await["rows"], json!([{ "one": 1 }]));
    gateway.stop().await;
}

/// Nobody but who administers sees anything of it.
#[tokio::test(flavor = "multi_thread")]
async fn for_administrators_alone() {
    let mut config = config(json!([sqlite(true)]), &[]);
    config["admin"] = json!({ "token": TOKEN });
    let gateway = Gateway::start(config).await;
    let routes = [
        ("GET", "/p/database/api/adapters"),
        ("GET", "/p/database/api/health"),
        ("GET", "/p/database/api/tenants"),
        ("POST", "/p/database/api/tenants"),
        ("DELETE", "/p/database/api/tenants/a"),
        ("GET", "/p/database/api/tables"),
        ("GET", "/p/database/api/tables/a/schema"),
        ("GET", "/p/database/api/tables/a/rows"),
        ("POST", "/p/database/api/query"),
        ("GET", "/p/database/api/hrana/v2"),
        ("GET", "/p/database/api/hrana/v3"),
        ("POST", "/p/database/api/hrana/v2/pipeline"),
        ("POST", "/p/database/api/hrana/v3/pipeline"),
        ("POST", "/p/database/api/hrana/v3/cursor"),
        ("POST", "/p/database/api/hrana/sqlite/a/v3/pipeline"),
    ];
    for (method, path) in routes {
        let none = send(&gateway, client::request(method, path), "").await;
        assert_eq!((none.status, none.problem().as_str()), (401, "unauthorized"), "{method} {path}");
        let wrong = client::request(method, path).header("authorization", "Bearer another-token-that-is-long");
        assert!(matches!(send(&gateway, wrong, "").await.status, 401 | 429), "{method} {path}");
    }
    gateway.stop().await;
    // Without a token: from this machine, and not because another site's page said so.
    let gateway = start(json!([sqlite(true)]), &[]).await;
    let crossed = client::request("POST", "/p/database/api/query")
        .header("content-type", "application/json")
        .header("origin", "https://elsewhere.example");
    assert_eq!(send(&gateway, crossed, json!({ "sql": "SELECT 1" }).to_string()).await.status, 403);
    let forwarded = client::request("GET", "/p/database/api/tables").header("x-forwarded-for", "192.0.2.1");
    assert_eq!(send(&gateway, forwarded, "").await.status, 403);
    gateway.stop().await;
}
