//! Connections: accepted, served and ended, each a task of the registry's own, so that its end can be awaited.

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

/// How long a client may take to send its headers. It also ends a connection that is kept alive without a request.
const READ_DEADLINE: Duration = Duration::from_secs(10);
/// How long answers may still run after the shutdown was asked for. What is left then is cut off.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait after the system refused to hand out a connection (out of descriptors or memory) before asking again.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the shutdown is asked for and every connection has ended.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let (tasks, cut_off) = (TaskTracker::new(), CancellationToken::new());
    shutdown
        .run_until_cancelled(accept(&listener, &router, &tasks, &cut_off, &shutdown))
        .await;
    drop(listener);
    tasks.close();
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        tracing::warn!(
            open = tasks.len(),
            "connections are still open {} s after the shutdown; cut off",
            GRACE.as_secs()
        );
        cut_off.cancel();
        tasks.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    tasks: &TaskTracker,
    cut_off: &CancellationToken,
    shutdown: &CancellationToken,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), shutdown.clone());
                let cut_off = cut_off.clone();
                tasks.spawn(async move { cut_off.run_until_cancelled(connection).await });
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

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Answers are small and must not wait for more to send; a socket that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_DEADLINE)
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
