//! What a host name says by itself, before anybody resolves it.

use std::fmt;

/// What kind of name one is, where it is not an ordinary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// The name of a cloud metadata service.
    Metadata,
    /// This machine.
    Loopback,
    /// A name that leads nowhere in public (`.invalid`, `.onion`).
    Nowhere,
    /// A name of this cluster or this network only.
    Internal,
    /// One label: what it means depends on the machine's search list.
    SingleLabel,
}

impl NameKind {
    /// Internal names can be allowed. The others never.
    pub fn can_be_allowed(self) -> bool {
        matches!(self, Self::Internal | Self::SingleLabel)
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "is the name of a cloud metadata service",
            Self::Loopback => "is a name of this machine",
            Self::Nowhere => "is a name that leads nowhere in public",
            Self::Internal => "is a name inside a cluster or a private network",
            Self::SingleLabel => "is a single label, which means another host on every network",
        })
    }
}

/// Names of metadata services; a name below one of them counts too.
const METADATA: [&str; 14] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.azure.com",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
    "metadata.cloud.ibm.com",
    "metadata.oraclecloud.com",
    "instance-data",
    "instance-data.ec2.internal",
    "rancher-metadata",
    "metadata.local",
];

const LOOPBACK: [&str; 7] =
    ["localhost", "localdomain", "localhost6", "localdomain6", "ip6-localhost", "ip6-loopback", "loopback"];

const NOWHERE: [&str; 2] = ["invalid", "onion"];

const INTERNAL: [&str; 12] = [
    "svc",
    "cluster.local",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "consul",
    "workgroup",
];

/// Of a name in lower case without a last dot. `None` is an ordinary one.
pub(crate) fn classify(name: &str) -> Option<NameKind> {
    let below = |list: &[&str]| list.iter().any(|suffix| is_below(name, suffix));
    if below(&METADATA) {
        Some(NameKind::Metadata)
    } else if below(&LOOPBACK) {
        Some(NameKind::Loopback)
    } else if below(&NOWHERE) {
        Some(NameKind::Nowhere)
    } else if below(&INTERNAL) {
        Some(NameKind::Internal)
    } else if !name.contains('.') {
        Some(NameKind::SingleLabel)
    } else {
        None
    }
}

/// Is `name` the suffix itself or a name below it, label by label?
pub(crate) fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_say() {
        use NameKind::*;
        for (name, kind) in [
            ("metadata.google.internal", Some(Metadata)),
            ("x.metadata.google.internal", Some(Metadata)),
            ("metadata", Some(Metadata)),
            ("instance-data", Some(Metadata)),
            ("localhost", Some(Loopback)),
            ("a.b.localhost", Some(Loopback)),
            ("localhost.localdomain", Some(Loopback)),
            ("ip6-localhost", Some(Loopback)),
            ("x.onion", Some(Nowhere)),
            ("nothing.invalid", Some(Nowhere)),
            ("a.default.svc", Some(Internal)),
            ("a.default.svc.cluster.local", Some(Internal)),
            ("printer.local", Some(Internal)),
            ("db.internal", Some(Internal)),
            ("router.home.arpa", Some(Internal)),
            ("redis", Some(SingleLabel)),
            ("example.com", None),
            ("mymetadata.goog.example.com", None),
            ("notlocalhost.com", None),
            ("my-internal.com", None),
            ("localhost.example.com", None),
        ] {
            assert_eq!(classify(name), kind, "{name}");
        }
    }
}
