//! Balanced upstreams: targets, health, retries, breakers, queues, and the way of a request to them.
