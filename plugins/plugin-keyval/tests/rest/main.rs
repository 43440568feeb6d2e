//! The REST face over a real listener: shapes, and what it promises.

mod entries;
mod search;
mod world;
