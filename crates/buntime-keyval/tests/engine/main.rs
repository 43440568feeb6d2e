//! The engine on a real database.

mod entries;
mod many;
mod place;
mod queues;
mod watches;
