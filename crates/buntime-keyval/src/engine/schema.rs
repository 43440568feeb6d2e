//! The tables.

use buntime_database::{Adapter, Migration};

use crate::Result;

/// The component's name in the database's record of migrations.
const COMPONENT: &str = "keyval";

/// One row says which commit was the last, and is locked by every write: so versionstamps are in the order of commits on
/// any engine. `shape` changes with what is declared (indexes, quotas), so that a write that was prepared for another shape is
/// prepared again.
const FIRST: &str = "
CREATE TABLE kv_clock (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, shape INTEGER NOT NULL, uuid TEXT NOT NULL) STRICT;
CREATE TABLE kv_namespaces (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, max_entries INTEGER, max_bytes INTEGER,
    entries INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE kv_entries (
    ns INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, encoding INTEGER NOT NULL, version INTEGER NOT NULL,
    expires_at INTEGER, PRIMARY KEY (ns, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_entries_expiry ON kv_entries (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE kv_messages (
    id TEXT PRIMARY KEY, ns INTEGER NOT NULL, queue TEXT NOT NULL, payload BLOB NOT NULL, encoding INTEGER NOT NULL,
    ready_at INTEGER NOT NULL, priority INTEGER NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    lease TEXT, backoff TEXT NOT NULL, undelivered BLOB NOT NULL, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_messages_ready ON kv_messages (ns, queue, priority, ready_at, seq);
CREATE TABLE kv_dedup (
    ns INTEGER NOT NULL, queue TEXT NOT NULL, dedup TEXT NOT NULL, message TEXT NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (ns, queue, dedup)
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_dedup_expiry ON kv_dedup (expires_at);
CREATE TABLE kv_dead (
    id TEXT PRIMARY KEY, ns INTEGER NOT NULL, queue TEXT NOT NULL, message TEXT NOT NULL, payload BLOB NOT NULL,
    encoding INTEGER NOT NULL, reason TEXT NOT NULL, attempts INTEGER NOT NULL, backoff TEXT NOT NULL,
    undelivered BLOB NOT NULL, priority INTEGER NOT NULL, created_at INTEGER NOT NULL, failed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_dead_failed ON kv_dead (ns, failed_at);
";

/// Indexes, each with what is in it. `reached` is the last key that was put into one that is being built, and `built` how
/// many documents that made; `entries` and `terms` are sums of what is in it.
const INDEXES: &str = "
CREATE TABLE kv_indexes (
    id INTEGER PRIMARY KEY, ns INTEGER NOT NULL, kind TEXT NOT NULL, prefix BLOB NOT NULL, name TEXT NOT NULL,
    fields TEXT NOT NULL, tokenizer TEXT NOT NULL, is_unique INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT, reached BLOB,
    built INTEGER NOT NULL DEFAULT 0, entries INTEGER NOT NULL DEFAULT 0, terms INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX kv_indexes_place ON kv_indexes (ns, kind, prefix, name) WHERE state <> 'removing';
CREATE TABLE kv_docs (
    idx INTEGER NOT NULL, key BLOB NOT NULL, doc INTEGER NOT NULL, terms INTEGER NOT NULL, PRIMARY KEY (idx, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX kv_docs_doc ON kv_docs (idx, doc);
CREATE TABLE kv_postings (
    idx INTEGER NOT NULL, term BLOB NOT NULL, doc INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (idx, term, doc)
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_postings_doc ON kv_postings (idx, doc, term);
CREATE TABLE kv_sorted (
    idx INTEGER NOT NULL, value BLOB NOT NULL, key BLOB NOT NULL, PRIMARY KEY (idx, value, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_sorted_key ON kv_sorted (idx, key);
";

pub(super) async fn migrate(database: &dyn Adapter) -> Result<()> {
    let all = [Migration::new("0001-entries-and-queues", FIRST), Migration::new("0002-indexes", INDEXES)];
    database.migrate(COMPONENT, &all).await?;
    Ok(())
}
