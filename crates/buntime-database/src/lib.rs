//! Databases behind one trait: [`Adapter`], the [`Registry`] that names them, and the [`sqlite`] adapter.
//!
//! Plugins and the runtime ask the registry for an adapter and speak SQL to it; they never see which engine answers.
//! Nothing here is interactive: a transaction is a list of statements that is sent whole ([`Adapter::transaction`]),
//! so that no caller can hold a lock while it thinks, and an adapter may be on the other side of a network. Who cannot do
//! without has a [`Session`], and is held to its limits.
//!
//! Deliberately absent: a query builder, an object mapper, pooling knobs. Remote adapters are modules of their own
//! beside [`sqlite`] and need no change here.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use buntime_database::{Adapter, Migration, Registry, Statement, args, sqlite::{Options, Sqlite}};
//!
//! let registry = Registry::builder().add(Arc::new(Sqlite::open(Options::memory()).await?), false).build()?;
//! let db = registry.get(None)?;
//! db.migrate("notes", &[Migration::new("0001-create", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")])
//!     .await?;
//! db.execute("INSERT INTO notes (text) VALUES (?1)", args!["hello"]).await?;
//! let rows = db.query("SELECT id, text FROM notes", args![]).await?;
//! let row = rows.first().ok_or("no row")?;
//! let (id, text): (i64, String) = (row.get("id")?, row.get("text")?);
//! assert_eq!((id, text.as_str()), (1, "hello"));
//! db.transaction(vec![
//!     Statement::new("UPDATE notes SET text = ?1 WHERE id = ?2", args!["bye", id]).expecting(1),
//!     Statement::new("DELETE FROM notes WHERE text = ?1", args!["nothing"]),
//! ])
//! .await?;
//! registry.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod adapter;
mod error;
#[cfg(feature = "hrana")]
pub mod hrana;
#[cfg(feature = "libsql")]
pub mod libsql;
mod migration;
mod notification;
mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
mod registry;
mod session;
#[cfg(feature = "settings")]
pub mod settings;
mod sink;
mod sql;
pub mod sqlite;
mod statement;
mod tenants;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

pub use adapter::{Adapter, Migrated};
pub use error::{Constraint, Error, ErrorKind, Result};
pub use migration::Migration;
pub use notification::{Heard, Notifications};
pub use plan::{Next, Plan, Planned};
pub use registry::{Builder, Registry, RegistryError};
pub use session::{Description, Session};
pub use sink::{RowRef, Sink, ValueRef};
pub use sql::{Numbered, leaves_nothing, numbered};
pub use statement::{Outcome, Row, Rows, Statement};
pub use tenants::{TenantName, Tenants};
pub use value::{FromValue, Value};
