//! Why the guard says no.

use std::{io, net::IpAddr, sync::Arc};

use crate::{address::Class, name::NameKind};

/// Why an address is refused. The words are for an operator's log or terminal: they tell what a name resolves to. For a
/// client there is [`Refused::code`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is no URL, or none that is written as the standard says.
    #[error("it cannot be read as a URL: {0}")]
    Unreadable(&'static str),
    /// Another scheme than http and https.
    #[error("only http and https are allowed, and this is `{0}`")]
    Scheme(String),
    /// A name or password before the host.
    #[error("it has a user name or password before the host")]
    Userinfo,
    /// Parsers disagree about where it leads.
    #[error("URL parsers disagree about its {0}")]
    Disputed(Disputed),
    /// The host is an address that is not allowed, however it is spelled.
    #[error("{address} is {class}")]
    Address {
        /// The address, in its plain form.
        address: IpAddr,
        /// What it is.
        class: Class,
    },
    /// The host is a name that is not allowed.
    #[error("`{name}` {kind}")]
    Name {
        /// The name.
        name: String,
        /// What it is.
        kind: NameKind,
    },
    /// A port of a protocol that is not HTTP.
    #[error("port {0} belongs to a protocol that is not HTTP; `allowUrls` with the port allows it")]
    Port(u16),
    /// The settings allow only what they list, and this is not listed.
    #[error("it is not on the list, and only what is listed is allowed")]
    NotListed,
    /// The name has no address, or nobody could say.
    #[error("`{name}` does not resolve: {why}")]
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver said.
        why: Unresolved,
    },
    /// The name resolves to an address that is not allowed, perhaps beside others that are.
    #[error("`{name}` resolves to {address}, which is {class}")]
    Answer {
        /// The name.
        name: String,
        /// The worst of its addresses.
        address: IpAddr,
        /// What that is.
        class: Class,
    },
    /// A redirect from https to http.
    #[error("it is a redirect from https to http")]
    Downgrade,
}

/// What parsers disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disputed {
    /// The scheme.
    Scheme,
    /// Where the host begins or ends, or what it is.
    Host,
    /// A number that some read as an address.
    Number,
    /// Letters that some map to others.
    Letters,
    /// The port.
    Port,
    /// Whether there is a user name.
    Userinfo,
}

impl std::fmt::Display for Disputed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Number => "host; write an IPv4 address as four decimal numbers",
            Self::Letters => "host; write it in lower case in its normal form, or as `xn--…`",
            Self::Port => "port; write a number from 1 to 65535 without leading zeros, or no `:`",
            Self::Userinfo => "user name",
        })
    }
}

/// Why there is no address for a name.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unresolved {
    /// The resolver failed.
    #[error("{0}")]
    Failed(Arc<io::Error>),
    /// It answered with nothing.
    #[error("it has no address")]
    Empty,
    /// It answered with more than anybody needs.
    #[error("it has more than {0} addresses")]
    TooMany(usize),
    /// It took too long.
    #[error("the resolver took too long")]
    Timeout,
}

impl Refused {
    /// A word for clients, logs and metrics; says nothing of what is inside.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Scheme(_) => "scheme",
            Self::Userinfo => "userinfo",
            Self::Disputed(_) => "disputed",
            Self::Address { .. } | Self::Answer { .. } => "address",
            Self::Name { .. } => "name",
            Self::Port(_) => "port",
            Self::NotListed => "not_listed",
            Self::Unresolved { .. } => "unresolved",
            Self::Downgrade => "downgrade",
        }
    }
}
