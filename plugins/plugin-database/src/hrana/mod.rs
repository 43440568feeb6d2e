//! Hrana 2 and 3 over HTTP, in JSON: what `@libsql/client` speaks.
//!
//! `GET /v2` and `/v3` say that it is spoken; `POST /v2/pipeline`, `/v3/pipeline` and `/v3/cursor` ask. The database is named
//! by the path (`/hrana/<adapter>/<tenant>/`), or by `x-database-adapter` and `x-database-namespace`, or it is the default.

mod bind;
mod condition;
mod cursor;
mod http;
mod spares;
mod stream;
mod streams;
mod wire;
mod wrong;

pub(crate) use self::{
    http::{Face, router},
    streams::Streams,
};
