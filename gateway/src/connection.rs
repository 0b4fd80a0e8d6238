//! Connections: accepted, served and ended. Each is a task of the gateway's own, so that its end can be awaited.

use crate::doors::Doors;
use crate::outage::Outage;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long to wait after the system refused to hand out a connection (out of descriptors or memory) before asking again.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest head of a request, in bytes; also how much of a body is read at once. More is answered 431.
const MAX_HEAD: usize = 64 << 10;

/// Accepts and serves connections, without end.
pub(crate) async fn accept(
    doors: &Arc<Doors>,
    listener: &TcpListener,
    shutdown: &CancellationToken,
) {
    let accepting = Outage::new("accepting connections", "the gateway tries again");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                accepting.works();
                doors.spawn(serve(doors.clone(), stream, shutdown.clone()));
            }
            // The client went away before it was its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                accepting.failed(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(doors: Arc<Doors>, stream: TcpStream, shutdown: CancellationToken) {
    // Answers are small and must not wait for more to send; a socket that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    let deadline = doors.config.read_deadline;
    let service = service_fn(|request| {
        let doors = doors.clone();
        async move { Ok::<_, Infallible>(doors.answer(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(deadline)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
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
