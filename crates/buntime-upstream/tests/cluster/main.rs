//! Clusters over real connections: retries, health, the queue, names, the shadow, and upstreams that misbehave.

mod backend;
mod balance;
mod hostile;
mod names;
mod queue;
mod reload;
mod retries;
mod shadow;
mod watched;
