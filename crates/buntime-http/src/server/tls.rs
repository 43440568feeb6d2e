//! Certificates and keys for the listener. Every mistake names the file and says what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{InconsistentKeys, ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// Where a listener's certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate, then the intermediates.
    pub cert: PathBuf,
    /// PEM: the private key (PKCS#8, PKCS#1 or SEC1), not encrypted.
    pub key: PathBuf,
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; check the path and that this user may read it", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has nothing in it.
    #[error("{} is empty; write the PEM {wanted} into it", .path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
        /// What belongs there.
        wanted: &'static str,
    },
    /// The file holds something, and not what is needed.
    #[error("{} holds no {wanted} in PEM form; {hint}", .path.display())]
    WrongKind {
        /// Which file.
        path: PathBuf,
        /// What belongs there.
        wanted: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The PEM is broken.
    #[error("{} is not valid PEM; write the file again, whole", .path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
    },
    /// Certificate and key do not belong together.
    #[error("the key in {} does not belong to the certificate in {}; use the key the certificate was issued for", .key.display(), .cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// rustls refuses the pair for another reason.
    #[error("the certificate in {} and the key in {} cannot be used: {source}", .cert.display(), .key.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

impl TlsFiles {
    /// Reads both files and makes of them what the listener needs: TLS 1.2 and 1.3, ALPN `h2` and `http/1.1`.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = self.certificates()?;
        let key = self.private_key()?;
        let unusable = |source| TlsError::Unusable { cert: self.cert.clone(), key: self.key.clone(), source };
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    TlsError::Mismatch { cert: self.cert.clone(), key: self.key.clone() }
                }
                other => unusable(other),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = read(&self.cert, "certificate")?;
        let chain = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| TlsError::Broken { path: self.cert.clone() })?;
        if chain.is_empty() {
            let hint = if contains(&text, b"PRIVATE KEY-----") {
                "it holds a private key: are `cert` and `key` swapped?"
            } else {
                "it must begin with -----BEGIN CERTIFICATE-----"
            };
            return Err(TlsError::WrongKind { path: self.cert.clone(), wanted: "certificate", hint });
        }
        Ok(chain)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = read(&self.key, "private key")?;
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                let hint = if contains(&text, b"ENCRYPTED PRIVATE KEY-----") {
                    "it is encrypted: decrypt it with `openssl pkey -in KEY -out KEY.plain`"
                } else if contains(&text, b"BEGIN CERTIFICATE-----") {
                    "it holds a certificate: are `cert` and `key` swapped?"
                } else {
                    "it must hold -----BEGIN PRIVATE KEY-----"
                };
                TlsError::WrongKind { path: self.key.clone(), wanted: "private key", hint }
            }
            _ => TlsError::Broken { path: self.key.clone() },
        })
    }
}

fn read(path: &Path, wanted: &'static str) -> Result<Vec<u8>, TlsError> {
    let text = std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(TlsError::Empty { path: path.to_owned(), wanted });
    }
    Ok(text)
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}
