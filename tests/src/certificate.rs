//! Certificates made on the spot.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// A self-signed certificate for `localhost`, with its key.
#[derive(Debug)]
pub struct Certificate {
    /// The PEM file of the certificate.
    pub cert: PathBuf,
    /// The PEM file of the key.
    pub key: PathBuf,
}

impl Certificate {
    /// Writes `<name>.pem` and `<name>.key.pem` into a directory.
    pub fn write(dir: &Path, name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let files = Self { cert: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key.pem")) };
        fs::write(&files.cert, made.cert.pem()).expect("a written file");
        fs::write(&files.key, made.signing_key.serialize_pem()).expect("a written file");
        files
    }

    /// A client's configuration that trusts it, and offers these protocols.
    pub fn client(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.cert).expect("a certificate")).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("the defaults");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}
