//! Clients that take their time.

use super::siege::{Siege, head, status};
use anyhow::{Result, ensure};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn heads_and_bodies_that_trickle_in_keep_nobody_out() -> Result<()> {
    const EACH: usize = 1000;
    let siege = Siege::begin("3000 clients that trickle", &["--read-deadline", "2s"]).await?;
    let unfinished = head("");
    let half_a_head = unfinished.trim_end();
    let slow_body = head("content-length: 1000000\r\n");
    let slow_chunks = head("transfer-encoding: chunked\r\n");
    let (mut heads, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        heads.push(siege.send(half_a_head.as_bytes()).await?);
        bodies.push(siege.send(slow_body.as_bytes()).await?);
        bodies.push(siege.send(slow_chunks.as_bytes()).await?);
    }
    // They go on for longer than they may.
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        trickle(&mut heads, b"x-more: y\r\n").await;
        trickle(&mut bodies, b"1\r\nx\r\n").await;
    }
    let mut refused = 0;
    for body in &mut bodies {
        refused += usize::from(status(body).await == Some(408));
    }
    let mut cut_off = 0;
    for head in &mut heads {
        cut_off += usize::from(status(head).await.is_none());
    }
    println!(
        "of {} slow bodies {refused} were answered 408, of {EACH} slow heads {cut_off} cut off",
        2 * EACH
    );
    ensure!(
        cut_off == EACH,
        "{cut_off} of {EACH} slow heads were cut off"
    );
    ensure!(
        refused > EACH,
        "{refused} of {} slow bodies were refused",
        2 * EACH
    );
    siege.end(64 << 20).await
}

async fn trickle(streams: &mut [TcpStream], bytes: &[u8]) {
    for stream in streams {
        // One that is cut off takes no more.
        let _ = stream.write_all(bytes).await;
    }
}
