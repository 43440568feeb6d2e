//! The outbound guard: judges and pins outbound addresses. The only crate that may connect to an address that a user
//! supplied.
//!
//! - [`Guard::judge`] reads a URL twice, by the letter of RFC 3986 and as browsers do, and refuses it where the two
//!   disagree about where it leads; then it judges the host, however it is spelled, and the port.
//! - [`Guard::check`] also resolves the name, judges **every** answer, and pins those addresses.
//! - [`GuardedClient`] connects to the pinned addresses and to no others, so that what a name resolves to a moment later
//!   has no effect, and takes each redirect through the same judge.
//! - [`TrustedOrigin`] is for addresses that the operator wrote in the configuration.
//!
//! Refused whatever is configured: loopback, link-local, unspecified, multicast, broadcast, reserved, documentation and
//! benchmark addresses, deprecated tunnels, cloud metadata services by address and by name. Refused unless
//! [`OutboundSettings`] list them: private and shared (CGNAT) addresses, names inside clusters and private networks,
//! ports of other protocols.
//!
//! ```
//! use buntime_ssrf::{Guard, OutboundSettings, Policy};
//!
//! let guard = Guard::default();
//! assert!(guard.judge("https://api.example.com/v1").is_ok());
//! for url in ["http://127.1/", "http://0x7f000001/", "http://[::ffff:169.254.169.254]/", "http://redis:6379/"] {
//!     assert!(guard.judge(url).is_err());
//! }
//!
//! let settings: OutboundSettings = serde_json::from_str(r#"{ "allowCidrs": ["10.20.0.0/16"] }"#)?;
//! let guard = Guard::new(settings);
//! assert!(guard.judge("http://10.20.3.4:8080/").is_ok());
//! assert_eq!(guard.judge("http://10.21.0.1/").unwrap_err().to_string(), "10.21.0.1 is a private address");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! Calls, in an async context:
//!
//! ```no_run
//! # async fn calls() -> Result<(), Box<dyn std::error::Error>> {
//! use buntime_ssrf::{Call, Outbound, TrustedOrigin};
//!
//! let outbound = Outbound::default();
//! // What a request named: judged, pinned, each redirect again.
//! let answer = outbound.client().fetch(Call::get("https://hooks.example.com/in")).await?;
//! assert!(answer.status().is_success());
//! // What the operator wrote: trusted as written, redirects to elsewhere are judged.
//! let provider = TrustedOrigin::new("http://127.0.0.1:9000")?;
//! let keys = outbound.client().send_trusted(&provider, Call::get("http://127.0.0.1:9000/keys")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What is absent on purpose: HTTP proxies, cookies, retries. Not known here: the public addresses of this machine
//! itself, and addresses that only this network's routers treat as special.

mod address;
mod client;
mod embedded;
mod guard;
mod name;
mod outbound;
mod policy;
mod prefix;
mod refused;
mod resolver;
mod settings;
mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trusted;
mod url_text;

pub use address::{Class, classify};
pub use client::{Call, CallError, ClientOptions, GuardedClient, Landed, Limits, whole};
pub use guard::{Guard, Pinned};
pub use name::NameKind;
pub use outbound::Outbound;
pub use policy::Policy;
pub use prefix::UrlPrefix;
pub use refused::{Disputed, Refused, Unresolved};
pub use resolver::{Resolver, SystemResolver};
pub use settings::{AllowedCidr, AllowedHost, AllowedSuffix, BadEntry, OutboundSettings};
pub use target::{Host, Target};
pub use trusted::TrustedOrigin;
