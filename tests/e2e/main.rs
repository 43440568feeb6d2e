//! The runner as its users meet it: a module per area.

mod first_run;
mod forged;
mod malformed;
mod protocols;
mod proxying;
mod reload;
mod start_errors;
mod stopping;
mod upstreams;
