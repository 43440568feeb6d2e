//! npm's `@libsql/client`, unmodified.

use buntime_database::testing::{LibsqlServer, PostgresServer};
use buntime_tests::{Gateway, libsql_client};
use serde_json::json;

use super::{TOKEN, config, libsql, post, postgres, query, sqlite, start};

/// What SQLite's own engines must do.
const EVERYTHING: &str = r#"
const db = open()
await db.executeMultiple(`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data BLOB, n REAL);
  CREATE TRIGGER noted AFTER DELETE ON t BEGIN SELECT 1; SELECT 2; END; CREATE INDEX by_n ON t (n);`)

// One statement.
const made = await db.execute({ sql: 'INSERT INTO t (name, data, n) VALUES (?, ?, ?)', args: ["it's", new Uint8Array([0, 255]), 1.5] })
same([made.rowsAffected, made.lastInsertRowid], [1, 1n], 'inserted')
const read = await db.execute('SELECT id, name, data, n, NULL AS empty FROM t')
same(read.columns, ['id', 'name', 'data', 'n', 'empty'], 'columns')
same([...Array(5).keys()].map((at) => read.rows[0][at]), [1, "it's", new Uint8Array([0, 255]).buffer, 1.5, null], 'row')
same(read.rows[0].name, "it's", 'by name')

// Names, with every sign.
for (const [sign, args] of [[':', { a: 'x', b: 2 }], ['@', { '@a': 'x', b: 2 }], ['$', { $a: 'x', $b: 2 }]])
  same((await db.execute({ sql: `SELECT ${sign}b AS b, ${sign}a AS a, ${sign}b AS again`, args })).toJSON().rows, [[2, 'x', 2]], sign)
await fails(() => db.execute({ sql: 'SELECT :a', args: { b: 1 } }), 'ARGS_INVALID', ':a')

// Types.
const bigints = open('', { intMode: 'bigint' })
const max = 2n ** 63n - 1n
same((await bigints.execute({ sql: 'SELECT ? AS v, ? AS w', args: [max, -max] })).rows[0].v, max, 'bigint')
same((await open('', { intMode: 'string' }).execute({ sql: 'SELECT ?', args: [max] })).rows[0][0], String(max), 'string')
await db.execute({ sql: 'SELECT ?', args: [max] }).then(() => { throw new Error('too large a number') }, (error) => same(error instanceof RangeError, true, String(error)))
same((await db.execute({ sql: 'SELECT ?, ?, ?, typeof(?)', args: [true, null, new Date(5), 2.5] })).toJSON().rows, [[1, null, 5, 'real']], 'others')
same((await db.execute({ sql: 'SELECT length(?)', args: [new Uint8Array(1_000_000)] })).rows[0][0], 1_000_000, 'a large blob')

// All or nothing.
const both = await db.batch([{ sql: 'INSERT INTO t (name) VALUES (?)', args: ['b1'] }, "INSERT INTO t (name) VALUES ('b2')", 'SELECT count(*) AS n FROM t'], 'write')
same([both[0].rowsAffected, both[1].lastInsertRowid, both[2].rows[0].n], [1, 3n, 3], 'batch')
await fails(() => db.batch(["INSERT INTO t (name) VALUES ('b3')", "INSERT INTO t (name) VALUES ('b1')"], 'write'), 'SQLITE_CONSTRAINT', 'UNIQUE')
same((await db.execute('SELECT count(*) AS n FROM t')).rows[0].n, 3, 'rolled back')
same((await db.batch(['SELECT 1 AS one', 'SELECT 2 AS two'], 'read'))[1].rows[0].two, 2, 'reading')
await fails(() => db.batch(["DELETE FROM t"], 'read'), 'SQLITE_READONLY', 'only reading')

// A transaction that thinks.
const tx = await db.transaction('write')
const { rows: [{ n }] } = await tx.execute('SELECT count(*) AS n FROM t')
await tx.execute({ sql: 'INSERT INTO t (name) VALUES (:name)', args: { name: `tx${n}` } })
same((await tx.batch(["INSERT INTO t (name) VALUES ('tx')", 'SELECT count(*) FROM t']))[1].rows[0][0], 5, 'inside')
same((await db.execute('SELECT count(*) AS n FROM t')).rows[0].n, 3, 'not seen outside')
await fails(() => tx.execute("INSERT INTO t (name) VALUES ('tx')"), 'SQLITE_CONSTRAINT', 'UNIQUE')
await tx.executeMultiple("UPDATE t SET n = 2 WHERE name = 'tx'; SELECT 1;")
await tx.commit()
same((await db.execute("SELECT n FROM t WHERE name = 'tx'")).rows[0].n, 2, 'committed')
const undone = await db.transaction('deferred')
await undone.execute('DELETE FROM t')
await undone.rollback()
same((await db.execute('SELECT count(*) AS n FROM t')).rows[0].n, 5, 'rolled back by hand')
const dropped = await db.transaction('write')
await dropped.execute('DELETE FROM t')
dropped.close()
await db.execute("INSERT INTO t (name) VALUES ('after')")
same((await db.execute('SELECT count(*) AS n FROM t')).rows[0].n, 6, 'closed without a word')
const reading = await db.transaction('read')
same((await reading.execute('SELECT count(*) AS n FROM t')).rows[0].n, 6, 'a transaction that reads')
await fails(() => reading.execute('DELETE FROM t'), 'SQLITE_READONLY', 'only reading')
reading.close()

// Errors.
await fails(() => db.execute('SELEC 1'), 'SQLITE_ERROR', 'SELEC')
await fails(() => db.execute('SELECT * FROM nowhere'), 'SQLITE_ERROR', 'nowhere')
await fails(() => db.execute({ sql: 'INSERT INTO t (name) VALUES (?)', args: [null] }), 'SQLITE_CONSTRAINT', 'NOT NULL')
await fails(() => db.execute("ATTACH 'x' AS y"), 'SQLITE_AUTH', 'cannot be used here')

// Many at once.
const all = await Promise.all([...Array(50).keys()].map((n) => db.execute({ sql: 'INSERT INTO t (name) VALUES (?) RETURNING id', args: [`many${n}`] })))
same(new Set(all.map((one) => one.rows[0].id)).size, 50, 'each its own')
await Promise.all([...Array(8).keys()].map(async (n) => {
  const tx = await db.transaction('write')
  await tx.execute({ sql: "UPDATE t SET n = coalesce(n, 0) + 1 WHERE name = 'after'", args: [] })
  await tx.commit()
}))
same((await db.execute("SELECT n FROM t WHERE name = 'after'")).rows[0].n, 8, 'nothing is lost')
db.close()
console.log('done')
"#;

fn endpoint(gateway: &Gateway) -> String {
    format!("http://{}/p/database/api/hrana/", gateway.addr())
}

async fn with_token(adapters: serde_json::Value) -> Gateway {
    let mut config = config(adapters, &[]);
    config["admin"] = json!({ "token": TOKEN });
    Gateway::start(config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_sqlite_as_a_server_of_its_own() {
    let gateway = with_token(json!([sqlite(true)])).await;
    let Some(ran) = libsql_client(EVERYTHING, &endpoint(&gateway), TOKEN).await else { return };
    assert_eq!(ran.out(), "done\n");
    // Declared types, and migrations without foreign keys.
    let script = r#"
const db = open()
same((await db.execute('SELECT id, name, n + 1 AS more FROM t LIMIT 1')).columnTypes, ['INTEGER', 'TEXT', ''], 'types')
await db.migrate(['CREATE TABLE child (t INTEGER REFERENCES t (id))', 'INSERT INTO child VALUES (999)'])
await fails(() => db.execute('INSERT INTO child VALUES (998)'), 'SQLITE_CONSTRAINT', 'FOREIGN KEY')
console.log('done')"#;
    let Some(ran) = libsql_client(script, &endpoint(&gateway), TOKEN).await else { return };
    assert_eq!(ran.out(), "done\n");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_a_libsql_server_through_us() {
    let Some(server) = LibsqlServer::start().await else { return };
    let gateway = with_token(json!([libsql(&server, true)])).await;
    let Some(ran) = libsql_client(EVERYTHING, &endpoint(&gateway), TOKEN).await else { return };
    assert_eq!(ran.out(), "done\n");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_postgres_as_far_as_its_sql_goes() {
    let Some(server) = PostgresServer::start().await else { return };
    let gateway = with_token(json!([sqlite(true), postgres(&server, false)])).await;
    let script = r#"
const db = open('postgres/')
await db.executeMultiple('CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name TEXT NOT NULL UNIQUE, data BYTEA, at TIMESTAMPTZ); CREATE INDEX by_at ON t (at);')
const made = await db.execute({ sql: 'INSERT INTO t (name, data, at) VALUES (?1, $2, ?3) RETURNING id', args: ["it's", new Uint8Array([0, 255]), '2026-01-31 12:00:00+01'] })
same([made.rowsAffected, made.rows[0].id, made.columnTypes], [1, 1, ['int8']], 'inserted')
const read = await db.execute('SELECT name, data, at FROM t')
same([read.rows[0].name, read.rows[0].data, read.rows[0].at], ["it's", new Uint8Array([0, 255]).buffer, '2026-01-31 11:00:00+00'], 'read')
// As clients of SQLite write them.
same((await db.execute({ sql: "SELECT name, ? AS v FROM t WHERE name = ?", args: [2.5, "it's"] })).toJSON().rows, [["it's", 2.5]], 'marks')
same((await db.execute({ sql: "SELECT :b::text AS b, :a::bigint AS a, :b AS again", args: { a: 1, b: 'x' } })).toJSON().rows, [['x', 1, 'x']], 'names')
same((await db.execute(`SELECT '{"k":1}'::jsonb ? 'k' AS has, (ARRAY[1,2,3])[1:2]::text AS slice`)).toJSON().rows, [[1, '{1,2}']], 'operators')
const max = 2n ** 63n - 1n
same((await open('postgres/', { intMode: 'bigint' }).execute({ sql: 'SELECT ?1 AS v', args: [max] })).rows[0].v, max, 'bigint')
same((await db.batch([{ sql: 'INSERT INTO t (name) VALUES (?1)', args: ['b1'] }, 'SELECT count(*) AS n FROM t'], 'write'))[1].rows[0].n, 2, 'batch')
await fails(() => db.batch(["INSERT INTO t (name) VALUES ('b2')", "INSERT INTO t (name) VALUES ('b1')"], 'write'), 'SQLITE_CONSTRAINT', '23505')
await fails(() => db.batch(["DELETE FROM t"], 'read'), 'SQLITE_READONLY', '25006')
const tx = await db.transaction('write')
const { rows: [{ n }] } = await tx.execute('SELECT count(*) AS n FROM t')
await tx.execute({ sql: 'INSERT INTO t (name) VALUES (?1)', args: [`tx${n}`] })
same((await db.execute('SELECT count(*) AS n FROM t')).rows[0].n, 2, 'not seen outside')
await tx.commit()
const dropped = await db.transaction('write')
await dropped.execute('DELETE FROM t')
dropped.close()
const undone = await db.transaction('write')
await undone.execute('DELETE FROM t')
await undone.rollback()
same((await db.execute('SELECT count(*) AS n FROM t')).rows[0].n, 3, 'rolled back')
await fails(() => db.execute('SELEC 1'), 'SQLITE_ERROR', 'SELEC')
await fails(() => db.execute('SET search_path TO x'), 'SQLITE_AUTH', 'cannot be used here')
same((await open().execute("SELECT count(*) AS n FROM sqlite_master WHERE name = 't'")).rows[0].n, 0, 'the default is another')
db.close()
console.log('done')"#;
    let Some(ran) = libsql_client(script, &endpoint(&gateway), TOKEN).await else { return };
    assert_eq!(ran.out(), "done\n");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_adapters_and_tenants_by_path_or_header() {
    let gateway = start(json!([sqlite(true)]), &[]).await;
    for id in ["acme", "v2"] {
        assert_eq!(post(&gateway, "/tenants", &json!({ "id": id })).await.status, 201);
    }
    let script = r#"
const marked = (name) => (input) => { input.headers.set('x-database-adapter', 'sqlite'); input.headers.set('x-database-namespace', name); return fetch(input) }
const acme = open('sqlite/acme/', { authToken: undefined })
const same_acme = open('', { authToken: undefined, fetch: marked('acme') })
await acme.execute('CREATE TABLE own (x)')
await same_acme.execute('INSERT INTO own VALUES (1)')
const tx = await acme.transaction('write')
await tx.execute('INSERT INTO own VALUES (2)')
await tx.commit()
same((await acme.execute('SELECT count(*) AS n FROM own')).rows[0].n, 2, 'one database')
await open('sqlite/v2/', { authToken: undefined }).execute('CREATE TABLE other (x)')
await fails(() => open('', { authToken: undefined }).execute('SELECT * FROM own'), 'SQLITE_ERROR', 'own')
await fails(() => open('sqlite/nobody/', { authToken: undefined }).execute('SELECT 1'), 'no_such_tenant', 'nobody')
await fails(() => open('oracle/', { authToken: undefined }).execute('SELECT 1'), 'unknown_adapter', 'Available: sqlite')
console.log('done')"#;
    let Some(ran) = libsql_client(script, &endpoint(&gateway), "").await else { return };
    assert_eq!(ran.out(), "done\n");
    assert_eq!(
        query(&gateway, &json!({ "tenant": "acme", "sql": "SELECT sum(x) AS s FROM own" })).await["rows"][0]["s"],
        3
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn is_told_when_it_may_not() {
    let gateway = with_token(json!([sqlite(true)])).await;
    let script = "await fails(() => open().execute('SELECT 1'), 'SERVER_ERROR', '401'); console.log('done')";
    let Some(ran) = libsql_client(script, &endpoint(&gateway), "another-token-that-is-long").await else { return };
    assert_eq!(ran.out(), "done\n");
    gateway.stop().await;
}
