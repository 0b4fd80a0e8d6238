//! The way to the engine, which can be cut.

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Leads from a port to the engine's socket.
pub(super) struct Wire {
    /// Where it begins, as `--docker-host` has it.
    pub(super) host: String,
    whole: watch::Sender<bool>,
    _stop: DropGuard,
}

impl Wire {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = format!("tcp://{}", listener.local_addr()?);
        let (whole, is_whole) = watch::channel(true);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (stopped, connections) = (stop.clone(), tasks.clone());
        let serving = async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_whole = is_whole.clone();
                connections.spawn(async move {
                    if !*is_whole.borrow_and_update() {
                        return;
                    }
                    if let Ok(mut far) = UnixStream::connect("/var/run/docker.sock").await {
                        tokio::select! {
                            _ = copy_bidirectional(&mut near, &mut far) => {}
                            _ = is_whole.changed() => {}
                        }
                    }
                });
            }
        };
        tasks.spawn(async move { stopped.run_until_cancelled(serving).await });
        Ok(Self {
            host,
            whole,
            _stop: stop.drop_guard(),
        })
    }

    /// Cuts it, or mends it.
    pub(super) fn be_whole(&self, whole: bool) {
        self.whole.send_replace(whole);
    }
}
