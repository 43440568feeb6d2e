//! `buntime_keyval::Store` in this process and at a plugin behind a listener: each test is one function, run on both.

mod atomic;
mod dead;
mod index;
mod search;
mod world;
