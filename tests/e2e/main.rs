//! The runner as its users meet it: a module per area.

mod admin;
mod cache;
mod cache_suite;
mod chaos;
mod examples;
mod first_run;
mod forged;
mod guard;
mod history;
mod keyval;
mod limits;
mod malformed;
mod many;
mod overload;
mod pages;
mod policies;
mod protocols;
mod proxying;
mod public_api;
mod reload;
mod scopes;
mod shell;
mod start_errors;
mod stopping;
mod tiers;
mod upstreams;
