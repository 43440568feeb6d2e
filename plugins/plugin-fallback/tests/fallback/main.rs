//! The plugin in the real executor, behind a real listener, before real upstreams.

mod documents;
mod rules;
mod start;
mod support;
