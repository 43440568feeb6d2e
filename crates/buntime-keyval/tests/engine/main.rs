//! The engine on real databases.

mod entries;
mod many;
mod place;
mod postgres;
mod queues;
mod watches;
