//! Very many connections.

use super::siege::{Siege, megabytes, spawn, status};
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ALL: usize = 10_000;

/// How much memory an idle connection may take, in bytes, besides the kernel's.
const EACH: u64 = 10_000;

/// How many descriptors this process needs besides, for all that its other tests do.
const OTHERS: u64 = 1_000;

/// Lets this process have enough descriptors. Belfry lets itself.
fn allow() -> Result<()> {
    let most = belfry_serve::raise_descriptors()?;
    let need = ALL as u64 + OTHERS;
    ensure!(
        most.is_none_or(|most| most >= need),
        "this test opens {ALL} connections: allow {need} open files (`ulimit -Hn {need}`), of which there may be {most:?}"
    );
    Ok(())
}

/// Connects, and has a first request answered if it is to be one that is kept alive.
async fn idle(at: SocketAddr, kept_alive: bool) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(at).await?;
    if kept_alive {
        stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: belfry\r\n\r\n")
            .await?;
        let told = status(&mut stream).await;
        ensure!(told == Some(200), "{told:?}");
        let mut body = [0; 15];
        stream.read_exact(&mut body).await.context("no body")?;
    }
    Ok(stream)
}

#[tokio::test]
async fn ten_thousand_idle_connections_take_little_and_keep_nobody_out() -> Result<()> {
    allow()?;
    for (what, kept_alive) in [
        ("10,000 silent connections", false),
        ("10,000 connections kept alive", true),
    ] {
        // Those who say nothing are not cut off before all of them are there.
        let siege = Siege::begin(what, &["--read-deadline", "60s"]).await?;
        let at = siege.at;
        let opening: Vec<_> = (0..20)
            .map(|_| {
                spawn(async move {
                    let mut streams = Vec::new();
                    for _ in 0..ALL / 20 {
                        streams.push(idle(at, kept_alive).await?);
                    }
                    anyhow::Ok(streams)
                })
            })
            .collect();
        let mut streams = Vec::new();
        for opened in opening {
            streams.extend(opened.await??);
        }
        let grown = siege.grown()?;
        println!(
            "{what}: {:.1} MB more, {} bytes each",
            megabytes(grown),
            grown / ALL as u64
        );
        // They are all still there, and of use.
        for stream in streams.iter_mut().step_by(100) {
            stream
                .write_all(b"GET /health HTTP/1.1\r\nhost: belfry\r\n\r\n")
                .await?;
            ensure!(status(stream).await == Some(200), "a connection was lost");
        }
        siege.end(ALL as u64 * EACH).await?;
    }
    Ok(())
}

#[tokio::test]
async fn more_connections_than_there_may_be_keep_nobody_out() -> Result<()> {
    // A connection that is kept and idle makes room like all others, which its owner must expect.
    let siege = Siege::begin_beside_who_keeps_none(
        "a crowd of five times as many as may be",
        &["--max-connections", "200"],
    )
    .await?;
    let mut streams = Vec::new();
    for number in 0..1000 {
        let begin: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /hooks/x HTTP/1.1\r\n",
            _ => b"POST /hooks/github-pr-webhook HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
        };
        streams.push(siege.send(begin).await?);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    siege.end(16 << 20).await
}
