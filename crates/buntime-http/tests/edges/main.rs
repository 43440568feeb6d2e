//! The edges against real sockets: raw TCP for what no client library would send.

mod http2;
mod limits;
mod relayed;
mod stop;
mod strict;
mod support;
mod tls;
mod upstream;
