//! The databases' page: looking at tables page by page, asking, changing, taking along.

use serde_json::{Value, json};

use super::world::World;

pub(super) async fn used(world: &World) {
    let tab = &world.tab;
    world.open("/p/database/").await;
    tab.shows("#adapters-table", "sqlite").await;
    tab.shows("#adapters-table", "healthy").await;
    tab.shows("#adapters-table", "buntime.db").await;
    // What the runtime and its plugins keep.
    tab.shows("#tables-table", "proxy_rules").await;
    asked(world).await;
    paged(world).await;
    world.look("database").await;
    taken_along(world).await;
    tenants(world).await;
}

async fn ask(world: &World, sql: &str, args: &str, mode: &str) {
    let tab = &world.tab;
    tab.write("#query-sql", sql).await;
    tab.write("#query-args", args).await;
    tab.value(&format!("document.querySelector('#query-mode').value = {}", json!(mode))).await;
    tab.press("#query-form", "Run").await;
}

async fn asked(world: &World) {
    let tab = &world.tab;
    // It reads, unless it is told that it may write; what is wrong is said at its field.
    ask(world, "CREATE TABLE browsed (id INTEGER PRIMARY KEY, name TEXT, data BLOB)", "", "read").await;
    tab.shows("#query-sql-told", "only reading is allowed here; choose “change data”").await;
    ask(world, "CREATE TABLE browsed (id INTEGER PRIMARY KEY, name TEXT, data BLOB)", "", "write").await;
    tab.shows("#tables-table", "browsed").await;
    tab.until("nothing is wrong any more", "document.querySelector('#query-sql-told').hidden").await;
    ask(world, "SELECT ?1", "{", "read").await;
    tab.shows("#query-args-told", "no JSON array").await;
    ask(world, "SELECT ?1", "[[1]]", "read").await;
    tab.shows("#query-args-told", "args[0]").await;
    ask(world, "SELEC 1", "", "read").await;
    tab.shows("#query-sql-told", "syntax error").await;
    let many = "INSERT INTO browsed SELECT value, 'name, \"' || value || '\"', CASE WHEN value % 2 THEN x'00ff' END \
                FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 120) SELECT value FROM n)";
    ask(world, many, "", "write").await;
    tab.shows("#result-said", "120 changed").await;
    let sql = "SELECT ?1 AS whole, ?2 AS bytes, NULL AS nothing_there, '<b>no markup</b>' AS text, 1.5 AS half, id FROM browsed WHERE id = ?3";
    let args = r#"[{ "type": "integer", "value": "9223372036854775807" }, { "type": "blob", "base64": "AP8" }, 7]"#;
    ask(world, sql, args, "read").await;
    tab.shows("#result-said", "1 row in").await;
    for shown in ["9223372036854775807", "blob, 2 B", "NULL", "<b>no markup</b>", "1.5", "7"] {
        tab.shows("#result-table tbody", shown).await;
    }
    tab.errors();
}

async fn paged(world: &World) {
    let tab = &world.tab;
    tab.press("#tables-table [data-key=browsed]", "Open").await;
    tab.shows("#rows-title", "browsed").await;
    tab.shows("#rows-said", "1 to 50 of 120").await;
    tab.shows("#rows-table thead", "INTEGER").await;
    tab.shows("#rows-table", "name, \"1\"").await;
    tab.until("there is nothing before", "document.querySelector('#rows-back').disabled").await;
    tab.press("#rows", "On").await;
    tab.shows("#rows-said", "51 to 100 of 120").await;
    tab.press("#rows", "On").await;
    tab.shows("#rows-said", "101 to 120 of 120").await;
    tab.until("there is nothing behind", "document.querySelector('#rows-on').disabled").await;
    tab.press("#rows", "Back").await;
    tab.shows("#rows-said", "51 to 100 of 120").await;
}

/// What the last file had in it that a button made.
async fn file(world: &World, within: &str, button: &str) -> String {
    let tab = &world.tab;
    let watch = "window.files ??= []; if (!URL.kept) { URL.kept = URL.createObjectURL; \
                 URL.createObjectURL = (blob) => (files.push(blob), URL.kept(blob)) }; files.length = 0; true";
    tab.value(watch).await;
    tab.press(within, button).await;
    tab.until("there is a file", "files.length === 1").await;
    let Value::String(text) = tab.value("files[0].text()").await else { panic!("no text") };
    text
}

async fn taken_along(world: &World) {
    let csv = file(world, "#rows", "All as CSV").await;
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!((lines.len(), lines[121]), (122, ""));
    assert_eq!(lines[..3], ["id,name,data", "1,\"name, \"\"1\"\"\",AP8", "2,\"name, \"\"2\"\"\","]);
    let all: Value = serde_json::from_str(&file(world, "#rows", "All as JSON").await).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(120));
    assert_eq!(all[0], json!({ "id": 1, "name": "name, \"1\"", "data": { "type": "blob", "base64": "AP8" } }));
    let csv = file(world, "#result", "As CSV").await;
    let expected = "whole,bytes,nothing_there,text,half,id\r\n9223372036854775807,AP8,,<b>no markup</b>,1.5,7\r\n";
    assert_eq!(csv, expected);
    let one: Value = serde_json::from_str(&file(world, "#result", "As JSON").await).unwrap();
    assert_eq!(one[0]["whole"], json!({ "type": "integer", "value": "9223372036854775807" }));
    world.tab.shows("#toasts", "in the file").await;
}

async fn tenants(world: &World) {
    let tab = &world.tab;
    tab.write("#tenant-id", "../x").await;
    tab.press("#tenant-form", "Make").await;
    tab.shows("#tenant-id-told", "a tenant's name").await;
    tab.errors();
    tab.write("#tenant-id", "acme").await;
    tab.press("#tenant-form", "Make").await;
    tab.shows("#tables-table", "There is no table").await;
    assert_eq!(tab.value("location.search").await, "?type=sqlite&tenant=acme");
    ask(world, "CREATE TABLE of_acme (x)", "", "write").await;
    tab.shows("#tables-table", "of_acme").await;
    // The address says what is looked at.
    world.open("/p/database/?type=sqlite&tenant=acme").await;
    tab.shows("#tables-table", "of_acme").await;
    world.look("database-tenant").await;
    tab.value("confirm = () => true").await;
    tab.press("#tenant-form", "Delete the tenant").await;
    tab.shows("#toasts", "acme is gone").await;
    tab.shows("#tables-table", "browsed").await;
    assert_eq!(world.json("/p/database/api/tenants").await["tenants"], json!([]));
}
