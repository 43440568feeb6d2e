//! Texts of the configuration with placeholders: read and checked at load, filled in from an exchange.
//!
//! A placeholder is `{{name}}`, or `${name}` (which a configuration file writes `$${name}`: there `${NAME}` is a variable
//! of the environment). `{{name ?? other}}` says what stands in when there is no such value; `{{'{{'}}` is a text. There is
//! no code in them: each names one value.
//!
//! | name | value |
//! | --- | --- |
//! | `method`, `path`, `query`, `host`, `scheme` | of the request, as it was when its turn came; the path as it is encoded |
//! | `path.1`, `path.2`, … | segments of the path |
//! | `query.NAME`, `header.NAME`, `cookie.NAME` | the first of that name in the request |
//! | `client_ip`, `request_id`, `route`, `consumer` | what is known of the exchange |
//! | `identity.subject`, `.name`, `.roles`, `.groups` | who calls, if an auth provider has said so |
//! | `claim.NAME`, `claim.NAME/pointer` | a claim of the identity |
//! | `value.NAME`, `value.NAME/pointer` | what another plugin left by that name |
//! | `body`, `body/pointer` | the body that is worked on, by a JSON Pointer |
//! | `status`, `response.header.NAME` | of the response, where there is one |
//! | `capture.1`, `capture.NAME` | what groups of a pattern matched, where there is one |
//!
//! A text that is one placeholder and nothing else keeps the kind of its value where a JSON value is wanted. Lists of
//! texts are joined by commas, objects are JSON. A text with a value that is not there, and nothing that stands in, is no
//! text at all: who asked for it leaves out what it was for.

pub mod header;
mod json;
mod source;
pub mod status;
mod suggest;
mod template;
mod view;

pub use json::JsonTemplate;
pub use source::{BadName, Known, Source};
pub use template::{BadTemplate, Template};
pub use view::{View, shown};
