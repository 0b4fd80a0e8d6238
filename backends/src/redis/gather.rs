//! Look-ups and marks that wait at the same time share one round trip.
//!
//! While one request is on its way, what is asked meanwhile gathers, and goes together in the next: under load Redis and this
//! process handle one message where there would be dozens, and alone a look-up waits for nobody.

use super::{Connection, seen};
use ::redis::{Cmd, Pipeline};
use belfry_mesh::event::EventId;
use belfry_mesh::port::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// How many go together at most.
const TOGETHER: usize = 256;

/// How many may wait to be sent. While the server is silent, what comes on top is told at once that it is.
const WAITING: usize = 16_384;

/// Hands look-ups and marks to the task that sends them, which ends with it.
pub(super) struct Gather(mpsc::Sender<Wish>);

/// What somebody waits for.
enum Wish {
    /// Whether the delivery was marked.
    LookUp(EventId, Reply<bool>),
    /// The delivery is marked for so long.
    Mark(EventId, Duration, Reply<()>),
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

impl Gather {
    pub(super) fn over(connection: Arc<Connection>, tracker: &TaskTracker) -> Self {
        let (wishes, heard) = mpsc::channel(WAITING);
        tracker.spawn(fulfil(connection, heard));
        Self(wishes)
    }

    pub(super) async fn look_up(&self, key: &EventId) -> Option<Result<bool, Error>> {
        let (reply, told) = oneshot::channel();
        self.0.try_send(Wish::LookUp(key.clone(), reply)).ok()?;
        told.await.ok()
    }

    pub(super) async fn mark(&self, key: &EventId, ttl: Duration) -> Option<Result<(), Error>> {
        let (reply, told) = oneshot::channel();
        self.0.try_send(Wish::Mark(key.clone(), ttl, reply)).ok()?;
        told.await.ok()
    }
}

impl Wish {
    /// Whether nobody needs it any more: a look-up that was given up. A mark is worth making late.
    fn is_idle(&self) -> bool {
        match self {
            Self::LookUp(_, reply) => reply.is_closed(),
            Self::Mark(..) => false,
        }
    }
}

async fn fulfil(connection: Arc<Connection>, mut heard: mpsc::Receiver<Wish>) {
    let mut wishes = Vec::new();
    while heard.recv_many(&mut wishes, TOGETHER).await > 0 {
        wishes.retain(|wish| !wish.is_idle());
        if !wishes.is_empty() {
            send(&connection, std::mem::take(&mut wishes)).await;
        }
    }
}

/// One round trip for all of them: look-ups and marks side by side, so that a server that takes no writes still answers look-ups.
async fn send(connection: &Connection, wishes: Vec<Wish>) {
    let (mut look_ups, mut marks) = (Vec::new(), Vec::new());
    let (mut keys, mut sets) = (::redis::cmd("MGET"), Pipeline::with_capacity(wishes.len()));
    for wish in wishes {
        match wish {
            Wish::LookUp(key, reply) => {
                keys.arg(seen(&key));
                look_ups.push(reply);
            }
            Wish::Mark(key, ttl, reply) => {
                let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX / 2);
                let set = sets.cmd("SET").arg(seen(&key)).arg("");
                set.arg("PX").arg(ttl.max(1)).ignore();
                marks.push(reply);
            }
        }
    }
    futures::join!(
        look_up(connection, keys, look_ups),
        mark(connection, sets, marks)
    );
}

async fn look_up(connection: &Connection, keys: Cmd, replies: Vec<Reply<bool>>) {
    if replies.is_empty() {
        return;
    }
    let found: Result<Vec<Option<Vec<u8>>>, Error> = connection.command(&keys).await;
    for (number, reply) in replies.into_iter().enumerate() {
        let known = found.as_ref();
        let known = known.map(|found| matches!(found.get(number), Some(Some(_))));
        // Whoever asked may have gone on without.
        let _ = reply.send(known.map_err(Clone::clone));
    }
}

async fn mark(connection: &Connection, sets: Pipeline, replies: Vec<Reply<()>>) {
    if replies.is_empty() {
        return;
    }
    let marked: Result<(), Error> = connection.pipeline(&sets).await;
    for reply in replies {
        // Whoever asked may have gone on without.
        let _ = reply.send(marked.clone());
    }
}
