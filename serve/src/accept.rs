//! Accepting: every connection gets a seat, or another makes room for it.

use crate::connection::{self, Door};
use crate::exchange::{Answers, Content};
use crate::seats::Seats;
use crate::{Config, Incoming, Peer, Tasks};
use http::{Request, Response};
use http_body::Body;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long to wait after the system refused to hand out a connection (out of descriptors or memory), or while no connection
/// can be spared, before trying again.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts and serves connections until `shutdown`, each as one of `tasks`. When it returns, no more are accepted; those that
/// are open finish what they are at, which ends when the tasks do: a request of HTTP/1.1 is answered, requests of HTTP/2 too and
/// no new one is taken, and a connection without a request is closed.
///
/// `answer` gets each request and who sent it. One that panics closes its connection.
pub async fn serve<F, A, B>(
    listener: TcpListener,
    answer: F,
    config: &Config,
    shutdown: &CancellationToken,
    tasks: &Tasks,
) where
    F: Fn(Request<Incoming>, Peer) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = bytes::Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    if let Some(identity) = config.tls.clone() {
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            shutdown.run_until_cancelled(identity.follow()).await;
        });
    }
    let door = Arc::new(Door {
        answer,
        config: config.clone(),
        shutdown: shutdown.clone(),
        tasks: tasks.clone(),
    });
    shutdown.run_until_cancelled(accept(&listener, &door)).await;
}

async fn accept<A, B>(listener: &TcpListener, door: &Arc<Door<A>>)
where
    A: Answers<B>,
    B: Content,
{
    let seats = Arc::new(Seats::new(door.config.max_connections));
    let (mut full, mut failing) = (false, false);
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("connections are accepted again");
                }
                if !seats.are_taken() {
                    full = false;
                } else if !std::mem::replace(&mut full, true) {
                    tracing::warn!(
                        connections = seats.max(),
                        "as many connections are open as may be; the longest idle make room for new ones"
                    );
                }
                while seats.are_taken() {
                    make_room(&seats).await;
                }
                let connection = connection::serve(door.clone(), stream, address, seats.take());
                door.tasks.spawn(connection);
            }
            // The client went away before it was its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "cannot accept a connection; the longest idle make room, and it is tried again");
                }
                make_room(&seats).await;
            }
        }
    }
}

/// Asks some connections to leave, and waits until one has. If none can be spared, one may soon be.
async fn make_room(seats: &Seats) {
    seats.make_room();
    let _ = tokio::time::timeout(PAUSE, seats.freed.notified()).await;
}
