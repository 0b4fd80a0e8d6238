//! TLS: what is agreed on, where the certificate comes from, and what becomes of it.

use crate::house::{House, PATIENCE, answer, get, rest};
use belfry_serve::Config;
use belfry_serve::tls::{Error, Files, Identity};
use rcgen::{CertifiedKey, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

fn issue() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["hooks.example".to_owned()]).unwrap()
}

fn write(directory: &Path, issued: &CertifiedKey<KeyPair>) -> Files {
    let files = Files {
        certificates: directory.join("tls.crt"),
        key: directory.join("tls.key"),
    };
    std::fs::write(&files.key, issued.signing_key.serialize_pem()).unwrap();
    std::fs::write(&files.certificates, issued.cert.pem()).unwrap();
    files
}

async fn secured() -> (House, TempDir, CertifiedKey<KeyPair>) {
    let (directory, issued) = (tempfile::tempdir().unwrap(), issue());
    let identity = Identity::load(write(directory.path(), &issued)).unwrap();
    let config = Config {
        tls: Some(identity),
        head_deadline: Duration::from_secs(1),
        ..Config::default()
    };
    (House::open(config).await, directory, issued)
}

/// Connects as who trusts this certificate and offers these protocols.
async fn connect(
    house: &House,
    trusted: &CertificateDer<'static>,
    offered: &[&str],
) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offered
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let name = ServerName::try_from("hooks.example").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, house.connect().await)
        .await
}

#[tokio::test]
async fn what_is_spoken_is_what_was_agreed_on() {
    let (house, _directory, issued) = secured().await;
    let trusted = issued.cert.der();
    for offered in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&house, trusted, offered).await.unwrap();
        stream.write_all(get("/who").as_bytes()).await.unwrap();
        let (status, who) = answer(&mut stream).await;
        assert!(status == 200 && who.ends_with(" tls=true"), "{who}");
    }
    let stream = connect(&house, trusted, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    TaskTracker::new().spawn(connection);
    let request = http::Request::get("https://hooks.example/who")
        .body(())
        .unwrap();
    let (response, _) = client
        .ready()
        .await
        .unwrap()
        .send_request(request, true)
        .unwrap();
    let mut response = response.await.unwrap();
    let who = response.body_mut().data().await.unwrap().unwrap();
    assert!(who.ends_with(b" tls=true"), "{who:?}");
}

#[tokio::test]
async fn an_encrypted_connection_outlives_a_quiet_time() {
    let (house, _directory, issued) = secured().await;
    let mut stream = connect(&house, issued.cert.der(), &[]).await.unwrap();
    for _ in 0..2 {
        stream.write_all(get("/large").as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await.1.len(), 8 << 20);
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
}

#[tokio::test]
async fn who_does_not_shake_hands_is_cut_off() {
    let (house, ..) = secured().await;
    let mut plain = house.send(&get("/who")).await;
    let told = rest(&mut plain).await;
    assert!(!told.starts_with(b"HTTP/"), "{}", told.escape_ascii());
    let began = Instant::now();
    rest(&mut house.connect().await).await;
    assert!(began.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart_and_a_bad_one_is_not() {
    let (house, directory, old) = secured().await;
    let mut before = connect(&house, old.cert.der(), &[]).await.unwrap();
    // A certificate without its key, as it is while files are being replaced.
    let new = issue();
    std::fs::write(directory.path().join("tls.crt"), new.cert.pem()).unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(connect(&house, old.cert.der(), &[]).await.is_ok());
    std::fs::write(
        directory.path().join("tls.key"),
        new.signing_key.serialize_pem(),
    )
    .unwrap();
    let began = Instant::now();
    while connect(&house, new.cert.der(), &[]).await.is_err() {
        assert!(
            began.elapsed() < PATIENCE,
            "the new certificate is not served"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(connect(&house, old.cert.der(), &[]).await.is_err());
    // It has not sent a request for longer than it may, and what is closed is closed in an orderly way.
    assert!(before.write_all(b"x").await.is_ok() || began.elapsed() > Duration::from_secs(1));
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (issue(), issue());
    let refused = |change: &dyn Fn(&Files)| {
        let files = write(directory.path(), &one);
        change(&files);
        Identity::load(files).unwrap_err()
    };
    let error = refused(&|files| std::fs::remove_file(&files.certificates).unwrap());
    assert!(
        error
            .to_string()
            .starts_with("cannot read the certificate "),
        "{error}"
    );
    let error = refused(&|files| std::fs::remove_file(&files.key).unwrap());
    assert!(
        matches!(
            &error,
            Error::Unreadable {
                what: "the private key",
                ..
            }
        ),
        "{error}"
    );
    let error = refused(&|files| std::fs::write(&files.certificates, "").unwrap());
    assert!(error.to_string().contains("BEGIN CERTIFICATE"), "{error}");
    let error = refused(&|files| std::fs::write(&files.key, one.cert.pem()).unwrap());
    assert!(error.to_string().contains("BEGIN PRIVATE KEY"), "{error}");
    let error = refused(&|files| {
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&files.certificates, nonsense).unwrap();
    });
    assert!(
        error
            .to_string()
            .contains("holds no certificate that can be used"),
        "{error}"
    );
    let error = refused(&|files| {
        std::fs::write(&files.key, other.signing_key.serialize_pem()).unwrap();
    });
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert!(!error.to_string().contains("BEGIN"));
}
