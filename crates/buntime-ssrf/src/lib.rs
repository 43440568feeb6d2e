//! The outbound guard.

mod address;
mod embedded;
mod guard;
mod name;
mod policy;
mod prefix;
mod refused;
mod resolver;
mod settings;
mod target;
mod url_text;

pub use address::{Class, classify};
pub use guard::{Guard, Pinned};
pub use name::NameKind;
pub use policy::Policy;
pub use prefix::UrlPrefix;
pub use refused::{Disputed, Refused, Unresolved};
pub use resolver::{Resolver, SystemResolver};
pub use settings::{AllowedCidr, AllowedHost, AllowedSuffix, BadEntry, OutboundSettings};
pub use target::{Host, Target};
