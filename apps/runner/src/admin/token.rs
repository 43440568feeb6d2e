//! Secrets that are compared, never kept: the admin token and session ids, as SHA-256.

use std::fmt;

use aws_lc_rs::{digest, rand};
use subtle::ConstantTimeEq;

/// The hash of a secret. Comparing two takes the same time whatever they are, and says nothing of the secret's length.
#[derive(Clone, Copy)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of that text.
    pub(crate) fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

/// 256 random bits as 64 hexadecimal digits; `None` if the system has no randomness to give.
pub(crate) fn random() -> Option<String> {
    use fmt::Write;
    let mut bytes = [0u8; 32];
    rand::fill(&mut bytes).ok()?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}
