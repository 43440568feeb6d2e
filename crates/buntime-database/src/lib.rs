//! Adapter trait, registry and the SQLite adapter: one writer that commits in groups, a pool of readers.
