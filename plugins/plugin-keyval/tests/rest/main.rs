//! The REST face over a real listener: shapes, and what it promises.

mod atomic;
mod entries;
mod events;
mod metrics;
mod queues;
mod search;
mod transfer;
mod trigger;
mod watches;
mod world;
