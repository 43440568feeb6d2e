//! The edges: listener, bodies, client address, upstream connections, upgrades, limits, timeouts.
