//! Registries of images that have none.

use anyhow::Result;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// One that lets nobody in.
pub(super) struct Closed {
    place: String,
    heard: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl Closed {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let place = listener.local_addr()?.to_string();
        let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (hears, stopped) = (heard.clone(), stop.clone());
        let serving = async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = head(&mut stream).await;
                let sent = head.lines().filter_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    let is_it = name.eq_ignore_ascii_case("authorization");
                    is_it.then(|| value.trim().to_owned())
                });
                hears
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(sent);
                let answer = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"closed\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.ok();
            }
        };
        TaskTracker::new().spawn(async move { stopped.run_until_cancelled(serving).await });
        Ok(Self {
            place,
            heard,
            _stop: stop.drop_guard(),
        })
    }

    pub(super) fn place(&self) -> String {
        self.place.clone()
    }

    /// By what it was asked to let somebody in.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One that takes connections and never answers.
pub(super) struct Mute {
    place: String,
    asked: watch::Receiver<bool>,
    _stop: DropGuard,
}

impl Mute {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let place = listener.local_addr()?.to_string();
        let (asks, asked) = watch::channel(false);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serving = async move {
            let mut streams = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                asks.send_replace(true);
                streams.push(stream);
            }
        };
        TaskTracker::new().spawn(async move { stopped.run_until_cancelled(serving).await });
        Ok(Self {
            place,
            asked,
            _stop: stop.drop_guard(),
        })
    }

    pub(super) fn place(&self) -> String {
        self.place.clone()
    }

    /// Returns once somebody has asked.
    pub(super) async fn asked(&self) {
        self.asked.clone().wait_for(|asked| *asked).await.ok();
    }
}

/// What a request begins with.
async fn head(stream: &mut tokio::net::TcpStream) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}
