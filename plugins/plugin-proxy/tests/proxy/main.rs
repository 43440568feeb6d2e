//! The proxy over real sockets.

mod clusters;
mod dynamic;
mod forwarding;
mod html;
mod messages;
mod rules;
mod streams;
mod support;
mod upstreams;
mod websockets;
