//! The engine on real databases.

mod entries;
mod erased;
mod everything;
mod indexes;
mod killed;
mod large;
mod libsql;
mod many;
mod nodes;
mod place;
mod postgres;
mod queues;
mod quotas;
mod tree;
mod triggers;
mod watches;
