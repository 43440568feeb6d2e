//! Indexes and search: in the shapes of the original's server and in those of its client.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, World};

async fn posts(world: &World) {
    for (n, title, author, views) in
        [(1, "Red <wine>", "Ada", 5), (2, "White wine and wine", "Grace", 50), (3, "Beer", "Ada", 7)]
    {
        let post = json!({ "title": title, "author": { "name": author }, "views": views, "tags": ["drink", author] });
        world.put(&format!("/api/keys/posts/{n}"), &post).await.ok();
    }
}

fn keys(answer: &Answer) -> Vec<Value> {
    answer.ok().as_array().expect("a list").iter().map(|entry| entry["key"].clone()).collect()
}

fn numbers(of: &[i32]) -> Vec<Value> {
    of.iter().map(|n| json!(["posts", n])).collect()
}

#[tokio::test]
async fn what_is_declared_is_searched_in_both_shapes() {
    let world = World::new().await;
    posts(&world).await;
    let none = world.get("/api/search?prefix=posts&query=wine").await;
    assert_eq!(none.error(), (404, "There is no search index of [\"posts\"]".to_owned()));
    // As the original's server reads it, and as its client sends it.
    let server = json!({ "prefix": ["posts"], "options": { "fields": ["title"], "tokenize": "porter" } });
    let declared = world.post("/api/indexes", &server).await;
    assert_eq!((declared.status, &declared.ok()["ok"]), (200, &json!(true)));
    let client = json!({ "prefix": ["posts"], "fields": ["title", "author.name"], "tokenize": "unicode61" });
    let index = world.post("/api/indexes", &client).await.ok()["index"].clone();
    let listed = world.get("/api/indexes").await.ok();
    assert_eq!(listed, json!([index]), "the other is replaced");
    let shown = json!({
        "id": index["id"], "prefix": ["posts"], "fields": ["title", "author.name"], "tokenize": "unicode61", "kind": "search", "state": "ready",
        "entries": 3, "tableName": index["tableName"], "createdAt": index["createdAt"],
    });
    assert_eq!(index, shown);

    let found = world.get("/api/search?prefix=posts&query=wine").await;
    assert_eq!(keys(&found), numbers(&[2, 1]), "by rank");
    assert_eq!(found.ok()[0]["value"]["author"], json!({ "name": "Grace" }));
    assert_eq!(keys(&world.get("/api/search?prefix=posts&query=wine&reverse=true").await), numbers(&[1, 2]));
    assert_eq!(keys(&world.get("/api/search?prefix=posts&query=wine&limit=1&offset=1").await), numbers(&[1]));
    assert_eq!(keys(&world.get("/api/search?prefix=posts&query=wine&start=posts/2").await), numbers(&[2]));
    assert_eq!(keys(&world.get("/api/search?prefix=posts&query=author.name%3Aada+NOT+red").await), numbers(&[3]));
    let marked = world.get("/api/search?prefix=posts&query=red&highlight=true").await.ok();
    assert_eq!(marked[0]["highlights"], json!({ "title": "<mark>Red</mark> &lt;wine&gt;" }));
    assert!(marked[0]["score"].as_f64().expect("a number") > 0.0);
    let pieces = world.get("/api/search?prefix=posts&query=red&snippets=true").await.ok();
    let title =
        json!({ "field": "title", "pieces": [["Red", true], [" <wine>", false]], "before": false, "after": false });
    assert_eq!((&pieces[0]["snippets"], pieces[0].get("highlights")), (&json!([title]), None));

    let search = async |body: Value| keys(&world.post("/api/search", &body).await);
    let filter = json!({ "views": { "$gt": 6 } });
    let beside = json!({ "prefix": ["posts"], "query": "wine OR beer", "limit": 10, "where": filter, "start": null });
    let inside = json!({ "prefix": ["posts"], "query": "wine OR beer", "options": { "limit": 10, "where": filter } });
    assert_eq!(search(beside).await, numbers(&[3, 2]));
    assert_eq!(search(inside).await, numbers(&[3, 2]));

    // Changed by each way there is.
    world.post("/api/atomic", &json!({ "mutations": [{ "type": "delete", "key": ["posts", 2] }] })).await.ok();
    assert_eq!(keys(&world.get("/api/search?prefix=posts&query=wine").await), numbers(&[1]));
    world.delete("/api/keys/posts").await.ok();
    assert_eq!(keys(&world.get("/api/search?prefix=posts&query=wine").await), numbers(&[]));
    assert_eq!(world.get("/api/indexes").await.ok()[0]["entries"], 0);

    // Removed as the client does it, and as the server reads it; another namespace has none of it.
    world.put("/ns/other/api/keys/a", &json!(1)).await.ok();
    assert_eq!(world.get("/ns/other/api/indexes").await.ok(), json!([]));
    let remove = world.ask(Method::DELETE, "/api/indexes").json(&json!({ "prefix": ["posts"] }));
    assert_eq!(world.send(remove).await.ok(), json!({ "ok": true, "removed": true }));
    let again = world.delete("/api/indexes?prefix=posts").await;
    assert_eq!(
        (again.ok(), world.get("/api/indexes").await.ok()),
        (json!({ "ok": true, "removed": false }), json!([]))
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_originals_words_where_it_has_some() {
    let world = World::new().await;
    let declare = async |body: Value| world.post("/api/indexes", &body).await.error();
    let bad = |words: &str| (400, words.to_owned());
    assert_eq!(declare(json!({ "fields": ["a"] })).await, bad("prefix is required"));
    assert_eq!(
        declare(json!({ "prefix": ["p"], "options": {} })).await,
        bad("options.fields must be a non-empty array")
    );
    assert_eq!(declare(json!({ "prefix": ["p"], "fields": [] })).await, bad("At least one field must be specified"));
    assert_eq!(
        declare(json!({ "prefix": ["p"], "fields": ["a"], "tokenize": "x'); DROP" })).await,
        bad("There is no tokenizer \"x'); DROP\"; write unicode61, porter or ascii")
    );
    assert_eq!(
        declare(json!({ "prefix": ["p"], "kind": "count", "unique": true })).await,
        bad("unique is for indexes of the kind \"sorted\"")
    );
    assert_eq!(
        declare(json!({ "prefix": ["p"], "kind": "x", "fields": ["a"] })).await,
        bad("There is no kind \"x\"; write search, sorted or count")
    );
    world.post("/api/indexes", &json!({ "prefix": ["p"], "fields": ["a"] })).await.ok();
    let search = async |query: &str| world.get(&format!("/api/search?{query}")).await.error();
    assert_eq!(search("query=a").await, bad("prefix is required"));
    assert_eq!(search("prefix=p").await, bad("query is required"));
    assert_eq!(
        search("prefix=p&query=red+AND+OR").await,
        bad("The query cannot be understood at character 9: a word is missing before this OR")
    );
    let unknown =
        world.post("/api/search", &json!({ "prefix": ["p"], "query": "a", "where": { "a": { "$equals": 1 } } })).await;
    assert!(unknown.error().1.contains("`$equals`"));
    assert_eq!(world.delete("/api/indexes").await.error(), bad("prefix is required"));
}

#[tokio::test]
async fn entries_are_listed_by_their_values_and_counted() {
    let world = World::new().await;
    posts(&world).await;
    let by_views = json!({ "prefix": ["posts"], "kind": "sorted", "fields": ["views"] });
    assert_eq!(world.post("/api/indexes", &by_views).await.ok()["index"]["name"], "views");
    let by_tag =
        json!({ "prefix": ["posts"], "options": { "kind": "sorted", "fields": ["tags", "views"], "name": "tag" } });
    world.post("/api/indexes", &by_tag).await.ok();
    world.post("/api/indexes", &json!({ "prefix": ["posts"], "kind": "count" })).await.ok();
    let list = async |mut body: Value| {
        body["prefix"] = json!(["posts"]);
        let page = world.post("/api/indexes/list", &body).await.ok();
        let keys: Vec<Value> =
            page["entries"].as_array().expect("a list").iter().map(|entry| entry["key"].clone()).collect();
        (keys, page["cursor"].clone())
    };
    assert_eq!(list(json!({ "name": "views" })).await.0, numbers(&[1, 3, 2]));
    assert_eq!(list(json!({ "name": "views", "gt": 5, "lte": 50, "reverse": true })).await.0, numbers(&[2, 3]));
    assert_eq!(list(json!({ "name": "tag", "equals": "Ada" })).await.0, numbers(&[1, 3]));
    assert_eq!(list(json!({ "name": "tag", "equals": ["drink"], "gte": 7 })).await.0, numbers(&[3, 2]));
    let (first, cursor) = list(json!({ "name": "views", "limit": 2 })).await;
    let (second, end) = list(json!({ "name": "views", "limit": 2, "cursor": cursor })).await;
    assert_eq!((first, second, end), (numbers(&[1, 3]), numbers(&[2]), Value::Null));
    let wrong = async |body: Value| world.post("/api/indexes/list", &body).await.error();
    assert_eq!(
        wrong(json!({ "prefix": ["posts"], "name": "x" })).await,
        (404, "There is no sorted index `x` of [\"posts\"]".to_owned())
    );
    assert_eq!(
        wrong(json!({ "prefix": ["posts"], "name": "views", "gt": 1, "gte": 1 })).await.1,
        "Write gt or gte, not both"
    );

    assert_eq!(world.get("/api/keys/count?prefix=posts").await.ok(), json!({ "count": 3 }));
    world.delete("/api/keys/posts/2").await.ok();
    assert_eq!(world.get("/api/keys/count?prefix=posts").await.ok(), json!({ "count": 2 }));
    let removed = world.delete("/api/indexes?prefix=posts&name=tag").await.ok();
    assert_eq!(
        (&removed["removed"], world.get("/api/indexes").await.ok().as_array().map(Vec::len)),
        (&json!(true), Some(2))
    );
}

#[tokio::test]
async fn an_index_has_a_number_by_which_it_is_waited_for_and_removed() {
    let world = World::new().await;
    posts(&world).await;
    let count = json!({ "prefix": ["posts"], "kind": "count" });
    let index = world.post("/api/indexes", &count).await.ok()["index"].clone();
    world.post("/api/indexes", &json!({ "prefix": [], "kind": "count" })).await.ok();
    let id = index["id"].as_i64().expect("a number");
    assert_eq!(world.get(&format!("/api/indexes?id={id}&wait=20s")).await.ok(), json!([index]));
    assert_eq!(world.get("/api/indexes?id=-1&wait=1000").await.ok(), json!([]));
    assert_eq!(world.get("/api/indexes?wait=20s").await.error().1, "wait goes with the id of an index");
    assert_eq!(world.get("/api/indexes?number=1").await.error().0, 400);
    let both = world.delete(&format!("/api/indexes?id={id}&prefix=posts")).await.error();
    assert_eq!(both, (400, "Write the id of an index, or its prefix, kind and name, not both".to_owned()));
    for removed in [true, false] {
        let answer = world.send(world.ask(Method::DELETE, "/api/indexes").json(&json!({ "id": id }))).await;
        assert_eq!(answer.ok(), json!({ "ok": true, "removed": removed }));
    }
    assert_eq!(world.get("/api/indexes").await.ok().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_unique_is_refused_twice() {
    let world = World::new().await;
    let unique = json!({ "prefix": ["users"], "kind": "sorted", "fields": ["mail"], "unique": true });
    world.post("/api/indexes", &unique).await.ok();
    world.put("/api/keys/users/1", &json!({ "mail": "a@b.c" })).await.ok();
    let words = "The index `mail` of [\"users\"] is unique, and [\"users\", 1] has the same as [\"users\", 2]";
    assert_eq!(world.put("/api/keys/users/2", &json!({ "mail": "a@b.c" })).await.error(), (409, words.to_owned()));
    world.put("/api/keys/users/1", &json!({ "mail": "a@b.c", "name": "Ada" })).await.ok();
    // What is not unique cannot be declared so.
    world.put("/api/keys/v/1", &json!({ "n": 1 })).await.ok();
    world.put("/api/keys/v/2", &json!({ "n": 1 })).await.ok();
    let declared = world
        .post("/api/indexes", &json!({ "prefix": ["v"], "kind": "sorted", "fields": ["n"], "unique": true }))
        .await;
    assert_eq!(declared.error().0, 409);
    assert_eq!(world.get("/api/indexes").await.ok()[1]["state"], "failed");
}
