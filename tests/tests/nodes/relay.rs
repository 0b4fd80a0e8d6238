//! A link that can be cut: a TCP relay in this process. While it is cut nothing gets through and nothing is closed, as when packets
//! vanish; what was sent meanwhile arrives when it is healed, as TCP sends again what was not acknowledged.

use anyhow::Result;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A relay in front of a server on this machine. It ends with its drop.
pub(super) struct Relay {
    pub(super) port: u16,
    whole: watch::Sender<bool>,
    _stop: DropGuard,
}

impl Relay {
    /// Relays to this port, from one of its own.
    pub(super) async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = listener.local_addr()?.port();
        let (whole, link) = watch::channel(true);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let run = accept(listener, port, link, tasks.clone(), stop.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(run));
        Ok(Self {
            port: own,
            whole,
            _stop: stop.drop_guard(),
        })
    }

    /// From now on nothing gets through, in either direction.
    pub(super) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// From now on all gets through again.
    pub(super) fn heal(&self) {
        self.whole.send_replace(true);
    }
}

async fn accept(
    listener: TcpListener,
    port: u16,
    link: watch::Receiver<bool>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    while let Ok((inner, _)) = listener.accept().await {
        let (tracked, stop) = (tasks.clone(), stop.clone());
        let mut link = link.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            // Nobody is reached over a link that is cut.
            link.wait_for(|whole| *whole).await.ok()?;
            let outer = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            inner.set_nodelay(true).ok()?;
            outer.set_nodelay(true).ok()?;
            let ((from_inner, to_inner), (from_outer, to_outer)) =
                (inner.into_split(), outer.into_split());
            let there = pass(from_inner, to_outer, link.clone());
            let back = pass(from_outer, to_inner, link);
            tracked.spawn(stop.clone().run_until_cancelled_owned(there));
            tracked.spawn(stop.run_until_cancelled_owned(back));
            Some(())
        }));
    }
}

/// Passes on what comes, as long as the link is whole. What was read is passed on only then, too.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut link: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if link.wait_for(|whole| *whole).await.is_err() {
            return Ok(());
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
