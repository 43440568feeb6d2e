//! The OpenAPI fragment: KV Connect, and the REST face of the default namespace. Each REST route is below
//! `/ns/{namespace}/api`, too.

use buntime_keyval::{Error, MOST_PRIORITY};
use serde_json::{Map, Value, json};

use crate::rest::MUTATIONS;

/// One operation of the REST face.
struct Route {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    /// Parameters in the query: names with what they say.
    query: &'static [(&'static str, &'static str)],
    /// The members of its body, if it has one.
    body: &'static [(&'static str, &'static str)],
    answer: &'static str,
    kind: &'static str,
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const LINES: &str = "application/x-ndjson";

/// A selection of entries in a query.
const SELECTION: &[(&str, &str)] = &[
    ("prefix", "Only keys below this path"),
    ("start", "Only keys from this path"),
    ("end", "Only keys before this path"),
    ("cursor", "Behind the entry of that cursor"),
    ("limit", "At most so many, 1 to 1000; default 100"),
    ("reverse", "`true`: from the end"),
];
/// The same in a body.
const SELECTED: &[(&str, &str)] = &[
    ("prefix", "Only keys below it, a list of parts"),
    ("start", "Only keys from it"),
    ("end", "Only keys before it"),
    ("cursor", "Behind the entry of that cursor"),
    ("limit", "At most so many"),
    ("reverse", "From the end?"),
    ("where", "A filter of values"),
];
const WATCH: &[(&str, &str)] = &[
    ("keys", "Paths of keys, with commas between them"),
    ("initial", "`false`: not what is there already"),
    ("lastEventId", "Where another stream was; as the header Last-Event-ID"),
];
const WATCH_PREFIX: &[(&str, &str)] = &[
    ("prefix", "Paths of prefixes, with commas between them; also `prefixes`"),
    ("initial", "`false`: not what is there already"),
    ("limit", "Entries of one event"),
    ("lastEventId", "Where another stream was; as the header Last-Event-ID"),
];
const LISTEN: &[(&str, &str)] = &[
    ("queue", "Which queue; default `default`"),
    ("lease", "How long a message is the listener's: milliseconds, or `30s`"),
    ("prefetch", "Messages that it has and has not finished, at most; default 32"),
];
const POLL: &[(&str, &str)] = &[
    ("queue", "Which queue; default `default`"),
    ("wait", "How long to wait for a message, up to a minute: milliseconds, or `20s`"),
    ("lease", "How long it is the consumer's"),
    ("max", "At most so many, 1 to 1000, as `messages`"),
];
const QUEUE: &[(&str, &str)] = &[("queue", "Only of that queue")];
const EXPIRES: &[(&str, &str)] = &[
    ("expiresIn", "Milliseconds after which it is gone"),
    ("expiresAt", "Or when it is gone, in milliseconds since the Unix epoch, as reading the entry says it"),
];
const EXACT: &[(&str, &str)] = &[("exact", "`true`: not what is below it")];
const DELETED: &[(&str, &str)] = &[("exact", "Not what is below it?"), ("where", "Only those that this filter picks")];
const DELETED_MANY: &[(&str, &str)] =
    &[("keys", "Keys, lists of parts"), ("exact", "Not what is below them?"), ("where", "Only what this filter picks")];
const WRITE: &[(&str, &str)] = &[
    ("checks", "`{ key, versionstamp }`: each must be so; `null` is no entry"),
    (
        "mutations",
        "`{ type, key, value?, expiresIn?, expiresAt?, strict?, limits?, options? }`, or of `enqueue` `{ value, options? }`",
    ),
];
const MESSAGE: &[(&str, &str)] = &[
    ("value", "What it says"),
    ("options", "queue, delay, backoffSchedule, keysIfUndelivered, priority, dedupKey"),
    ("messages", "Instead: several, each with a value and options; all are put in, or none"),
];
const SETTLED: &[(&str, &str)] =
    &[("id", "Which message"), ("lease", "What it came with"), ("messages", "Instead: several `{ id, lease? }`")];
const FAILED: &[(&str, &str)] = &[
    ("id", "Which message"),
    ("lease", "What it came with"),
    ("reason", "Why"),
    ("delay", "Milliseconds until the next try"),
    ("dead", "No further try?"),
];
const LONGER: &[(&str, &str)] =
    &[("id", "Which message"), ("lease", "What it came with"), ("by", "Milliseconds from now")];
/// A search in a query.
const SEARCHED: &[(&str, &str)] = &[
    ("prefix", "Below which path"),
    ("query", "Words, \"phrases\", prefix*, field:word, AND, OR, NOT, parentheses"),
    ("limit", "At most so many, 1 to 1000; default 100"),
    ("offset", "After so many, up to 10000"),
    ("start", "Only keys from this path"),
    ("end", "Only keys before this path"),
    ("highlight", "`true`: with the HTML of what was found, by field"),
    ("snippets", "`true`: with the same in pieces, for programs"),
    ("reverse", "`true`: the worst of them first"),
];
const BY_INDEX: &[(&str, &str)] = &[
    ("prefix", "That of the index"),
    ("name", "That of the index"),
    ("equals", "What the first field is, or a list of what the first are"),
    ("gt", "What the next field is more than"),
    ("gte", "What it is at least"),
    ("lt", "What it is less than"),
    ("lte", "What it is at most"),
    ("limit", "At most so many, 1 to 1000; default 100"),
    ("reverse", "From the end?"),
    ("cursor", "Where the page before ended"),
];
const INDEX: &[(&str, &str)] = &[
    ("prefix", "Of entries below it"),
    ("kind", "`search`, `sorted` or `count`"),
    ("fields", "Of which fields"),
    ("tokenize", "`unicode61`, `porter` or `ascii`"),
    ("name", "Of a sorted one"),
    ("unique", "May only one entry have the same?"),
];
const INDEXES: &[(&str, &str)] =
    &[("id", "Only that one"), ("wait", "With an id: how long to wait until it is built, up to a minute")];
const REMOVED: &[(&str, &str)] =
    &[("id", "Its number, or:"), ("prefix", "Its path"), ("kind", "Default `search`"), ("name", "Of a sorted one")];
const SEARCH: &[(&str, &str)] = &[
    ("prefix", "Below which prefix"),
    ("query", "What for"),
    ("limit", "At most so many"),
    ("offset", "After so many"),
    ("start", "Only keys from it"),
    ("end", "Only keys before it"),
    ("highlight", "With the HTML of what was found, by field?"),
    ("snippets", "With the same in pieces `[text, found]`, for programs?"),
    ("reverse", "The worst of them first?"),
    ("where", "A filter of values"),
];

/// Method, path, summary, query, body, answer, its type.
#[rustfmt::skip]
const ROUTES: &[Route] = &[
    route("get", "/api/keys/{path}", "An entry; its ETag is its versionstamp", &[], &[], "The entry", JSON),
    route("put", "/api/keys/{path}", "Write an entry: the body is its value", EXPIRES, &[], "Its versionstamp", JSON),
    route("delete", "/api/keys/{path}", "Delete an entry and what is below it", EXACT, DELETED, "How many there were", JSON),
    route("get", "/api/keys", "Entries in the order of keys; `X-Cursor` is where the next begin", SELECTION, &[], "Entries", JSON),
    route("post", "/api/keys/list", "The same, also by a filter", &[], SELECTED, "Entries", JSON),
    route("get", "/api/keys/count", "How many entries there are", SELECTION, &[], "The number", JSON),
    route("post", "/api/keys/count", "The same, also by a filter", &[], SELECTED, "The number", JSON),
    route("get", "/api/keys/paginate", "A page of entries", SELECTION, &[], "Entries, and the cursor of the next page", JSON),
    route("post", "/api/keys/paginate", "The same, also by a filter", &[], SELECTED, "Entries, and the cursor of the next page", JSON),
    route("post", "/api/keys/batch", "Several entries, of one moment", &[], &[("keys", "Keys, lists of parts")], "Entries in the order of their keys", JSON),
    route("post", "/api/keys/delete-batch", "Delete several, in one commit", &[], DELETED_MANY, "How many there were", JSON),
    route("post", "/api/atomic", "Checks, mutations and messages, all in one commit or none", &[], WRITE, "Whether the checks held, and the commit; or `failedChecks`, by their places", JSON),
    route("get", "/api/watch", "How keys are, whenever one changes", WATCH, &[], "Events `change`, `ping`", EVENTS),
    route("get", "/api/watch/poll", "Which of the keys changed since", &[("keys", "Paths"), ("versionstamps", "What was seen of each"), ("wait", "How long to wait for a change")], &[], "Entries, and versionstamps for the next time", JSON),
    route("get", "/api/watch/prefix", "What is below prefixes, whenever it changes", WATCH_PREFIX, &[], "Events `change`, `ping`, `reset`", EVENTS),
    route("get", "/api/watch/prefix/poll", "What changed below prefixes since", &[("prefix", "Paths"), ("versionstamps", "What the last answer said"), ("limit", "About so many"), ("wait", "How long to wait for a change")], &[], "Entries, and where the next time begins", JSON),
    route("post", "/api/queue/enqueue", "Put a message into a queue", &[], MESSAGE, "Its id", JSON),
    route("get", "/api/queue/poll", "Take messages out, under a lease", POLL, &[], "The message, or null", JSON),
    route("get", "/api/queue/listen", "Messages as they come, each under a lease", LISTEN, &[], "Events `message`, `ping`", EVENTS),
    route("post", "/api/queue/ack", "Finish a message", &[], SETTLED, "Whether it was", JSON),
    route("post", "/api/queue/nack", "Give a message back: it is tried again, or is dead", &[], FAILED, "Whether it was", JSON),
    route("post", "/api/queue/extend", "Keep a message for longer", &[], LONGER, "Until when", JSON),
    route("get", "/api/queue/stats", "What queues hold", QUEUE, &[], "Figures", JSON),
    route("get", "/api/queue/dlq", "Dead letters, the newest first", &[("queue", "Only of that queue"), ("limit", "At most so many"), ("offset", "After so many")], &[], "Dead letters", JSON),
    route("delete", "/api/queue/dlq", "Delete the dead letters", QUEUE, &[], "How many there were", JSON),
    route("get", "/api/queue/dlq/{id}", "A dead letter", &[], &[], "It", JSON),
    route("delete", "/api/queue/dlq/{id}", "Delete a dead letter", &[], &[], "Whether it was there", JSON),
    route("post", "/api/queue/dlq/{id}/requeue", "Put a dead letter back into its queue", &[], &[], "The new message's id", JSON),
    route("post", "/api/indexes", "Declare an index", &[], INDEX, "Done", JSON),
    route("get", "/api/indexes", "The indexes, and how far they are", INDEXES, &[], "Indexes", JSON),
    route("delete", "/api/indexes", "Remove an index", REMOVED, &[], "Whether it was there", JSON),
    route("post", "/api/indexes/list", "Entries in the order of a sorted index", &[], BY_INDEX, "A page", JSON),
    route("get", "/api/search", "Search, the best first", SEARCHED, &[], "Entries, each with its score", JSON),
    route("post", "/api/search", "The same, also by a filter", &[], SEARCH, "Entries, each with its score", JSON),
    route("get", "/api/tree", "What stands below a prefix, each part once", &[("prefix", "Its path"), ("after", "Behind that part"), ("limit", "At most so many")], &[], "Parts", JSON),
    route("get", "/api/export", "A line of JSON for each entry", &[("prefix", "Only keys below this path"), ("start", "From"), ("end", "Before")], &[], "Lines", LINES),
    route("post", "/api/import", "Write entries, a line of JSON for each, some to a commit", &[], &[], "How many", JSON),
    route("get", "/api/metrics", "Operations, queues and storage", &[], &[], "Figures", JSON),
    route("get", "/api/metrics/prometheus", "The same for Prometheus", &[], &[], "Families", "text/plain"),
];

const fn route(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    query: &'static [(&'static str, &'static str)],
    body: &'static [(&'static str, &'static str)],
    answer: &'static str,
    kind: &'static str,
) -> Route {
    Route { method, path, summary, query, body, answer, kind }
}

/// The fragment.
pub(crate) fn fragment() -> Value {
    let mut paths = connect();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation(route);
    }
    if let Some(write) = paths.get_mut("/api/atomic") {
        let members = &mut write["post"]["requestBody"]["content"][JSON]["schema"]["properties"];
        members["checks"]["items"] = check();
        members["mutations"]["items"] = mutation();
    }
    json!({ "paths": paths })
}

/// What must be so.
fn check() -> Value {
    let members = json!({
        "key": key(),
        "versionstamp": { "type": ["string", "null"], "description": "Twenty hexadecimal digits; `null` is no entry" },
    });
    json!({ "type": "object", "properties": members, "additionalProperties": false })
}

fn key() -> Value {
    json!({ "type": "array", "description": "Its parts, typed as in VALUES.md" })
}

/// What is done, or a message.
fn mutation() -> Value {
    let says = |words: &str| json!({ "description": words });
    let millis = |words: &str| json!({ "type": ["integer", "string"], "description": words });
    let limits = json!({
        "min": says("The least that it may become"),
        "max": says("The most that it may become"),
        "clamp": { "type": "boolean", "description": "Is a sum outside of them the limit, rather than refused?" },
    });
    let options = json!({
        "queue": { "type": "string", "description": "Which queue; default `default`" },
        "delay": millis("Milliseconds, or `30s`, before it may be delivered"),
        "backoffSchedule": { "type": "array", "items": millis("Before that further try") },
        "keysIfUndelivered": { "type": "array", "items": key() },
        "priority": { "type": "integer", "minimum": 0, "maximum": MOST_PRIORITY },
        "dedupKey": { "type": "string", "description": "Another message with it is dropped" },
    });
    let members = json!({
        "type": { "type": "string", "enum": MUTATIONS },
        "key": key(),
        "value": says("What it comes with, typed as in VALUES.md"),
        "expiresIn": says("Milliseconds after which the entry is gone"),
        "expiresAt": says("Instead: when, in milliseconds since 1970"),
        "strict": {
            "type": "boolean",
            "description": "Of sum, min and max: as Deno has them, only with a number of the same type",
        },
        "limits": { "type": "object", "properties": limits, "additionalProperties": false },
        "options": { "type": "object", "properties": options, "additionalProperties": false },
    });
    json!({ "type": "object", "required": ["type"], "properties": members, "additionalProperties": false })
}

fn operation(route: &Route) -> Value {
    let text = json!({ "type": "string" });
    let query = route.query.iter().map(
        |(name, says)| json!({ "name": name, "in": "query", "required": false, "description": says, "schema": text }),
    );
    // What is between braces.
    let inside = route.path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let inside = inside.map(|(name, _)| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let name = json!({ "description": "Which error of the store it is", "schema": text });
    let problem = |says: &str| json!({ "description": says, "headers": { Error::HEADER: name } });
    let mut operation = json!({
        "tags": ["keyval"],
        "summary": route.summary,
        "parameters": inside.chain(query).collect::<Value>(),
        "responses": {
            "200": { "description": route.answer, "content": { route.kind: { "schema": {} } } },
            "400": problem("It makes no sense; `error` says why"),
            "401": problem("No access token, or another"),
            "403": problem("No tokens are configured, and this is no direct connection from this machine"),
            "404": problem("There is no such namespace, entry, message or index"),
            "409": problem("The message is another's by now, or another entry has what may be there once"),
            "412": problem("If-Match or If-None-Match does not hold"),
            "413": problem("Over a limit, which is named"),
            "507": problem("No space is left; reads go on"),
        },
    });
    if !route.body.is_empty() {
        let members: Map<String, Value> =
            route.body.iter().map(|(name, says)| ((*name).to_owned(), json!({ "description": says }))).collect();
        let schema = json!({ "type": "object", "properties": members, "additionalProperties": false });
        operation["requestBody"] = json!({ "content": { JSON: { "schema": schema } } });
    } else if route.method == "put" || route.path == "/api/import" {
        let kind = if route.method == "put" { JSON } else { LINES };
        operation["requestBody"] = json!({ "required": true, "content": { kind: { "schema": {} } } });
    }
    operation
}

/// KV Connect.
fn connect() -> Map<String, Value> {
    let metadata = |summary: &str| {
        json!({ "post": {
            "summary": summary,
            "requestBody": { "content": { "application/json": { "schema": { "type": "object",
                "properties": { "supportedVersions": { "type": "array", "items": { "type": "integer" } } } } } } },
            "responses": {
                "200": { "description": "Where the data path is", "content": { "application/json": { "schema": { "type": "object" } } } },
                "401": { "description": "No access token, or another" },
                "403": { "description": "No tokens are configured, and this is no direct connection from this machine" } } } })
    };
    let data = |summary: &str, answer: &str| {
        json!({ "post": {
            "summary": summary,
            "requestBody": { "content": { "application/x-protobuf": { "schema": { "type": "string", "format": "binary" } } } },
            "responses": { "200": { "description": answer }, "400": { "description": "It makes no sense, or the store failed" },
                "409": { "description": "The namespace is full, or the write may have happened" },
                "413": { "description": "Over a limit, which is named" }, "507": { "description": "No space is left" } } } })
    };
    let paths = [
        ("/", metadata("KV Connect: the exchange of metadata")),
        ("/ns/{namespace}", metadata("KV Connect, of another namespace")),
        (
            "/connect/{namespace}/snapshot_read",
            data("Entries of ranges, of one moment", "com.deno.kv.datapath.SnapshotReadOutput"),
        ),
        (
            "/connect/{namespace}/atomic_write",
            data("Checks, mutations and messages, all or none", "com.deno.kv.datapath.AtomicWriteOutput"),
        ),
        (
            "/connect/{namespace}/watch",
            data("How keys are, whenever one changes", "A stream of com.deno.kv.datapath.WatchOutput"),
        ),
    ];
    paths.into_iter().map(|(path, of)| (path.to_owned(), of)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_said_once_with_what_is_in_its_path() {
        let fragment = fragment();
        let paths = fragment["paths"].as_object().unwrap();
        let operations: usize = paths.values().map(|of| of.as_object().map_or(0, Map::len)).sum();
        // Those of KV Connect are five.
        assert_eq!(operations, ROUTES.len() + 5);
        let letter = &paths["/api/queue/dlq/{id}/requeue"]["post"];
        assert_eq!(letter["parameters"][0]["name"], "id");
        assert!(letter.get("requestBody").is_none());
        let write = &paths["/api/atomic"]["post"]["requestBody"]["content"][JSON]["schema"];
        let step = &write["properties"]["mutations"]["items"];
        assert_eq!(step["properties"]["type"]["enum"].as_array().map(Vec::len), Some(MUTATIONS.len()));
    }
}
