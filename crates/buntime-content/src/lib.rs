//! Contents of bodies as documents in memory, for plugins that look into them.
//!
//! - [`json`], [`form`], [`xml`]: strict readers with limits, and writers. [`Format`] chooses among them.
//! - [`mod@pointer`]: what JSON Pointers say of a document, and how it is changed by them.
//!
//! How a body gets here is not its affair: see `buntime_http::kept` and `buntime_http::media`.
//!
//! **One document model**: `serde_json::Value`. A form is an object of texts, a name that comes twice a list of them. An
//! XML document is an object of one entry, its root; [`xml`] says how elements and attributes are written. What a format
//! cannot say is refused by its writer, with the place.
//!
//! Nothing here takes more than linear time, nests deeper than it is told, resolves an entity or reads anything from
//! elsewhere. Messages repeat nothing of the contents.
//!
//! ```
//! use buntime_content::Format;
//!
//! let order = Format::Xml.read(b"<order id='7'><sku>a</sku><sku>b</sku></order>", 64)?;
//! assert_eq!(order, serde_json::json!({ "order": { "@id": "7", "sku": ["a", "b"] } }));
//! assert_eq!(Format::Form.write(&order["order"], None)?, b"%40id=7&sku=a&sku=b");
//! # Ok::<(), String>(())
//! ```

pub mod form;
mod format;
pub mod json;
pub mod pointer;
pub mod xml;

pub use format::Format;
