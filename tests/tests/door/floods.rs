//! Requests without end on one connection.

use super::siege::{Siege, spawn, status};
use anyhow::{Result, ensure};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &str = "GET /health HTTP/1.1\r\nhost: belfry\r\n\r\n";

#[tokio::test]
async fn a_flood_of_pipelined_requests_is_answered_at_the_pace_of_its_reader() -> Result<()> {
    let siege = Siege::begin("16 pipelines without a reader, and one with", &[]).await?;
    let at = siege.at;
    let flood = REQUEST.repeat(1000);
    let mut unread = Vec::new();
    for _ in 0..16 {
        let flood = flood.clone();
        unread.push(spawn(async move {
            let mut stream = TcpStream::connect(at).await?;
            let mut sent = 0;
            let pouring = async {
                while stream.write_all(flood.as_bytes()).await.is_ok() {
                    sent += 1000;
                }
            };
            // It comes to a stop when all buffers on the way are full.
            let _ = tokio::time::timeout(Duration::from_secs(3), pouring).await;
            anyhow::Ok((sent, stream))
        }));
    }
    let mut read = siege.send(REQUEST.repeat(10_000).as_bytes()).await?;
    for number in 0..10_000 {
        let told = status(&mut read).await;
        ensure!(told == Some(200), "request {number}: {told:?}");
        let mut body = [0; 15];
        read.read_exact(&mut body).await?;
    }
    let mut most = 0;
    for flood in unread {
        most = most.max(flood.await??.0);
    }
    println!("without a reader {most} requests at most were taken from one connection");
    siege.end(32 << 20).await
}
