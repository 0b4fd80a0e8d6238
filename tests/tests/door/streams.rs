//! HTTP/2: streams that are opened to be reset, and streams without end.

use super::siege::{Siege, spawn};
use crate::world::senders::TRIGGER;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use http::Request;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

async fn connect(at: SocketAddr) -> Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(at).await?;
    let mut builder = h2::client::Builder::new();
    builder
        .initial_max_send_streams(100)
        .max_concurrent_reset_streams(100_000);
    let (client, connection) = builder.handshake(stream).await?;
    spawn(connection);
    Ok(client)
}

fn request(at: SocketAddr) -> Result<Request<()>> {
    Ok(Request::post(format!("http://{at}/hooks/{TRIGGER}")).body(())?)
}

#[tokio::test]
async fn streams_that_are_reset_at_once_cost_their_client_the_connection() -> Result<()> {
    const STREAMS: usize = 20_000;
    let siege = Siege::begin("20,000 streams reset at once", &[]).await?;
    let (mut opened, mut connections) = (0, 0);
    let began = Instant::now();
    while opened < STREAMS {
        connections += 1;
        let mut client = connect(siege.at).await?;
        while opened < STREAMS {
            let Ok(ready) = client.ready().await else {
                break;
            };
            client = ready;
            let Ok((_, mut stream)) = client.send_request(request(siege.at)?, false) else {
                break;
            };
            stream.send_reset(Reason::CANCEL);
            opened += 1;
            if opened % 20 == 0 {
                tokio::task::yield_now().await;
            }
        }
        ensure!(
            began.elapsed() < Duration::from_secs(20),
            "{opened} streams in 20 s"
        );
    }
    println!(
        "{opened} streams were reset on {connections} connections in {:?}",
        began.elapsed()
    );
    ensure!(
        connections > 10,
        "one connection took {} resets",
        opened / connections
    );
    siege.end(64 << 20).await
}

#[tokio::test]
async fn ten_thousand_streams_that_never_end_keep_nobody_out() -> Result<()> {
    const EACH: usize = 128;
    let siege = Siege::begin(
        "10,240 streams on 80 connections",
        &["--read-deadline", "4s"],
    )
    .await?;
    let mut held = Vec::new();
    for _ in 0..80 {
        let mut client = connect(siege.at).await?;
        for _ in 0..EACH {
            client = client.ready().await?;
            let (response, mut stream) = client.send_request(request(siege.at)?, false)?;
            stream.send_data(Bytes::from_static(b"x"), false)?;
            held.push((response, stream));
        }
        // One more has to wait for its turn.
        let (_, more) = client
            .clone()
            .ready()
            .await?
            .send_request(request(siege.at)?, true)?;
        drop(more);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("{} streams are open", held.len());
    let (mut refused, mut late) = (0, 0);
    for (response, _stream) in held {
        let answered = tokio::time::timeout(Duration::from_secs(20), response);
        match answered
            .await
            .context("a stream is never answered")?
            .map(|told| told.status().as_u16())
        {
            Ok(408) => late += 1,
            Ok(503) => refused += 1,
            other => anyhow::bail!("{other:?}"),
        }
    }
    println!("{late} were answered 408 and {refused} 503");
    siege.end(256 << 20).await
}
