//! HTTPS, end to end.

use crate::world::senders::TRIGGER;
use crate::world::{Dev, PATIENCE, github, pull_request};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const NAME: &str = "hooks.example";

fn issue(into: &Path) -> Result<CertifiedKey<KeyPair>> {
    let issued = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    std::fs::write(into.join("tls.key"), issued.signing_key.serialize_pem())?;
    std::fs::write(into.join("tls.crt"), issued.cert.pem())?;
    Ok(issued)
}

/// A client that trusts this certificate alone.
fn trusting(issued: &CertifiedKey<KeyPair>, port: u16) -> Result<reqwest::Client> {
    let root = reqwest::Certificate::from_pem(issued.cert.pem().as_bytes())?;
    Ok(reqwest::Client::builder()
        .tls_certs_only([root])
        .resolve(NAME, ([127, 0, 0, 1], port).into())
        .timeout(PATIENCE)
        .build()?)
}

async fn deliver(client: &reqwest::Client, port: u16, number: u64) -> Result<u16> {
    let delivery = github(&format!("tls-{number}"), &pull_request(number));
    let sent = client
        .post(format!("https://{NAME}:{port}/hooks/{TRIGGER}"))
        .headers(delivery.headers)
        .body(delivery.body);
    Ok(sent.send().await?.status().as_u16())
}

/// Delivers over HTTP/2, as what is agreed on if the client offers it.
async fn deliver_by_http2(issued: &CertifiedKey<KeyPair>, port: u16) -> Result<u16> {
    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone())?;
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect(ServerName::try_from(NAME)?, stream)
        .await?;
    ensure!(
        stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        "no HTTP/2"
    );
    let (client, connection) = h2::client::handshake(stream).await?;
    super::siege::spawn(connection);
    let delivery = github("by-http2", &pull_request(2));
    let mut request = http::Request::post(format!("https://{NAME}/hooks/{TRIGGER}")).body(())?;
    *request.headers_mut() = delivery.headers;
    let (response, mut body) = client.ready().await?.send_request(request, false)?;
    body.send_data(Bytes::from(delivery.body), true)?;
    Ok(response.await?.status().as_u16())
}

#[tokio::test]
async fn deliveries_are_taken_over_https_and_the_certificate_can_be_replaced() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let first = issue(directory.path())?;
    let file = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    let flags = [
        "--gateway-tls-cert",
        &certificate,
        "--gateway-tls-key",
        &key,
    ];
    let dev = Dev::start_with(&flags).await?;
    let port = dev.doors.gateway;
    let client = trusting(&first, port)?;
    let (status, answer) = dev
        .doors
        .console(
            "POST",
            &format!("/registries/install/trigger/{TRIGGER}"),
            Some(json!({"workflow_id": "review"})),
        )
        .await?;
    ensure!(status == 200, "{status} {answer}");
    dev.doors
        .until("the hook is open", async || {
            Ok((deliver(&client, port, 0).await? < 300).then_some(()))
        })
        .await?;
    ensure!(deliver(&client, port, 1).await? == 202, "HTTP/1.1 over TLS");
    ensure!(
        deliver_by_http2(&first, port).await? == 202,
        "HTTP/2 over TLS"
    );

    let second = issue(directory.path())?;
    let renewed = trusting(&second, port)?;
    let began = Instant::now();
    dev.doors
        .until("the new certificate is served", async || {
            Ok((deliver(&renewed, port, 3).await? < 300).then_some(()))
        })
        .await?;
    println!(
        "a new certificate was served {:?} after it was written",
        began.elapsed()
    );
    ensure!(
        trusting(&first, port)?
            .get(format!("https://{NAME}:{port}/health"))
            .send()
            .await
            .is_err(),
        "the old certificate is served as well"
    );
    // What was connected before goes on.
    ensure!(
        deliver(&client, port, 4).await? == 202,
        "a connection was lost"
    );

    std::fs::write(&key, "no key").context("the key")?;
    dev.doors
        .until("the bad key is noticed", async || {
            let log = dev.belfry.log();
            Ok(log.contains("the old one stays").then_some(()))
        })
        .await?;
    ensure!(deliver(&renewed, port, 5).await? == 202, "it was given up");
    Ok(())
}
