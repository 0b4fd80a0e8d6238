//! Requests that are larger than they look, and larger than they may be.

use super::siege::{Siege, head, spawn, status};
use crate::world::senders::TRIGGER;
use crate::world::{SECRET, signed};
use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const GIGABYTE: usize = 1 << 30;

/// Writes until all is sent, or the other side has had enough. Answers how much that was.
async fn pour(stream: &mut TcpStream, chunk: &[u8], total: usize) -> usize {
    let mut sent = 0;
    while sent < total && stream.write_all(chunk).await.is_ok() {
        sent += chunk.len();
    }
    sent
}

#[tokio::test]
async fn a_gigabyte_is_not_taken_in() -> Result<()> {
    let siege = Siege::begin("16 bodies of 1 GB", &[]).await?;
    let at = siege.at;
    let mib = vec![b'x'; 1 << 20];
    let chunk = [format!("{:x}\r\n", mib.len()).as_bytes(), &mib, b"\r\n"].concat();
    let pouring: Vec<_> = (0..16)
        .map(|number| {
            let chunked = number % 2 == 0;
            let framing = match chunked {
                true => "transfer-encoding: chunked\r\n".to_owned(),
                false => format!("content-length: {GIGABYTE}\r\n"),
            };
            let (begin, part) = (
                head(&framing),
                if chunked { chunk.clone() } else { mib.clone() },
            );
            spawn(async move {
                let mut stream = TcpStream::connect(at).await?;
                stream.write_all(begin.as_bytes()).await?;
                let (mut reading, mut writing) = stream.into_split();
                let poured = spawn(async move {
                    let mut sent = 0;
                    while sent < GIGABYTE && writing.write_all(&part).await.is_ok() {
                        sent += part.len();
                    }
                    sent
                });
                let mut told = [0; 12];
                tokio::io::AsyncReadExt::read_exact(&mut reading, &mut told).await?;
                drop(reading);
                anyhow::Ok((String::from_utf8_lossy(&told).into_owned(), poured.await?))
            })
        })
        .collect();
    let mut most = 0;
    for poured in pouring {
        let (told, sent) = poured.await??;
        ensure!(told == "HTTP/1.1 413", "{told}");
        most = most.max(sent);
    }
    println!("of a gigabyte {most} bytes at most were let through to be thrown away");
    ensure!(most < GIGABYTE / 4, "{most} bytes were let through");
    siege.end(128 << 20).await
}

#[tokio::test]
async fn heads_without_end_are_not_taken_in() -> Result<()> {
    const ROUNDS: usize = 8;
    let siege = Siege::begin("1024 heads of 16 MB, 128 at once", &[]).await?;
    let at = siege.at;
    let (mut answered, mut most) = (0, 0);
    for _ in 0..ROUNDS {
        let bombs: Vec<_> = (0..128)
            .map(|number| {
                spawn(async move {
                    let mut stream = TcpStream::connect(at).await?;
                    let begin = head("");
                    stream.write_all(begin.trim_end().as_bytes()).await?;
                    // One long line, or many short ones.
                    let sent = match number % 2 {
                        0 => pour(&mut stream, &[b'x'; 4096], 16 << 20).await,
                        _ => {
                            pour(
                                &mut stream,
                                "\r\nx-many: y".repeat(300).as_bytes(),
                                16 << 20,
                            )
                            .await
                        }
                    };
                    anyhow::Ok((sent, status(&mut stream).await))
                })
            })
            .collect();
        for bomb in bombs {
            let (sent, told) = bomb.await??;
            // The answer may be lost when the connection is closed on who still sends.
            ensure!(matches!(told, None | Some(431)), "{told:?}");
            answered += usize::from(told.is_some());
            most = most.max(sent);
        }
    }
    println!(
        "{answered} of {} read their 431; {most} bytes at most were sent",
        128 * ROUNDS
    );
    siege.end(32 << 20).await
}

/// A member of 64 MiB of zeros, so many times.
fn zeros(times: usize) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 64 << 20])?;
    Ok(encoder.finish()?.repeat(times))
}

fn packed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[tokio::test]
async fn a_gzip_bomb_is_not_inflated() -> Result<()> {
    let siege = Siege::begin("gzip bombs of 10 GB and 4 GB", &[]).await?;
    let (ten, four) = (zeros(160)?, zeros(64)?);
    let nested = packed(&four)?;
    println!(
        "10 GB are {} bytes, 4 GB {} bytes, and {} when they are packed again",
        ten.len(),
        four.len(),
        nested.len()
    );
    let url = format!("http://{}/hooks/{TRIGGER}", siege.at);
    let mut sending = Vec::new();
    for (bomb, expected) in [(&ten, 413), (&four, 413), (&nested, 413)] {
        for _ in 0..8 {
            let request = siege
                .dev
                .doors
                .http
                .post(&url)
                .header("content-encoding", "gzip")
                .header("x-hub-signature-256", format!("sha256={}", "0".repeat(64)))
                .header("x-github-event", "push")
                .header("x-github-delivery", "bomb")
                .body(bomb.clone());
            sending.push((expected, spawn(request.send())));
        }
    }
    for (expected, sent) in sending {
        let status = sent.await??.status();
        ensure!(status == expected, "{status} and not {expected}");
    }
    // What is no bomb is taken, by what was signed before it was packed.
    let delivery = signed(
        "github",
        SECRET,
        "packed",
        br#"{"action":"opened"}"#.to_vec(),
    );
    let sent = siege.dev.doors.http.post(&url).headers(delivery.headers);
    let sent = sent
        .header("content-encoding", "gzip")
        .body(packed(&delivery.body)?);
    ensure!(
        sent.send().await?.status() == 202,
        "an honest gzip was refused"
    );
    siege.end(128 << 20).await
}
