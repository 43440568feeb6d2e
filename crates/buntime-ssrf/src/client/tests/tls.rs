//! TLS: the name that was written is checked, though the connection goes to an address.

use rustls::{ServerConfig, crypto::aws_lc_rs};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server with a certificate for `secure.example`, and a file with it.
async fn secure() -> (SocketAddr, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(vec!["secure.example".to_owned()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A handshake that fails is what some of the tests want.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer = b"HTTP/1.1 302 Found\r\nlocation: http://plain.example/\r\ncontent-length: 2\r\n\r\nok";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, file)
}

#[tokio::test]
async fn the_names_certificate_is_checked_and_https_is_not_left() {
    let (address, file) = secure().await;
    let names = FakeNames::new().with("secure.example", &[A]).with("other.example", &[A]).with("plain.example", &[B]);
    let guard = Guard::with_resolver(Policy::default(), Arc::new(names));
    let options = ClientOptions { ca: Some(file.path().to_owned()), ..ClientOptions::default() };
    let client = GuardedClient::with_options(guard.clone(), options).detour(at(A, 443), address);
    let stay = Limits { redirects: 0, ..Limits::default() };
    let answer = client.fetch(Call::get("https://secure.example/").limits(stay)).await.unwrap();
    assert_eq!(text(&answer), "ok");
    let error = client.fetch(Call::get("https://secure.example/")).await.unwrap_err();
    assert!(matches!(error, CallError::Redirect(Refused::Downgrade)), "{error}");
    for (client, url) in [
        (client, "https://other.example/"),
        (GuardedClient::new(guard).detour(at(A, 443), address), "https://secure.example/"),
    ] {
        let error = client.fetch(Call::get(url).limits(stay)).await.unwrap_err();
        assert!(matches!(error, CallError::Exchange(UpstreamError::Connect(ConnectFailure::Tls(_)))), "{url}: {error}");
    }
}
