//! Connections: accepted, served and ended. Each is a task of the console's own, so that its end can be awaited.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait after the system refused to hand out a connection (out of descriptors or memory) before asking again.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take to send the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// What connections lead to, and what ends them.
pub(crate) struct Doors {
    pub(crate) router: Router,
    pub(crate) tasks: TaskTracker,
    /// Ends connections in the middle of whatever they do.
    pub(crate) cut_off: CancellationToken,
}

/// Accepts and serves connections, without end.
pub(crate) async fn accept(doors: &Doors, listener: &TcpListener, shutdown: &CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(doors.router.clone(), stream, shutdown.clone());
                let cut_off = doors.cut_off.clone();
                doors
                    .tasks
                    .spawn(async move { cut_off.run_until_cancelled(connection).await });
            }
            // The client went away before it was its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection; trying again in {} ms", PAUSE.as_millis());
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(router: Router, stream: TcpStream, shutdown: CancellationToken) {
    // Answers are small and must not wait for more to send; a socket that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
