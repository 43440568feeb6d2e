//! The proxy over real sockets.

mod forwarding;
mod html;
mod messages;
mod rules;
mod streams;
mod support;
mod upstreams;
mod websockets;
