//! Look-ups and marks that wait at the same time share one round trip.
//!
//! While one request is on its way, what is asked meanwhile gathers, and goes together in the next: under load Redis and this
//! process handle one message where there would be dozens, and alone a look-up waits for nobody.

use super::{Connection, seen};
use ::redis::Pipeline;
use belfry_mesh::event::EventId;
use belfry_mesh::port::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// How many go together at most.
const TOGETHER: usize = 256;

/// Hands look-ups and marks to the task that sends them, which ends with it.
pub(super) struct Gather(mpsc::UnboundedSender<Wish>);

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
        let (wishes, heard) = mpsc::unbounded_channel();
        tracker.spawn(fulfil(connection, heard));
        Self(wishes)
    }

    pub(super) async fn look_up(&self, key: &EventId) -> Option<Result<bool, Error>> {
        let (reply, told) = oneshot::channel();
        self.0.send(Wish::LookUp(key.clone(), reply)).ok()?;
        told.await.ok()
    }

    pub(super) async fn mark(&self, key: &EventId, ttl: Duration) -> Option<Result<(), Error>> {
        let (reply, told) = oneshot::channel();
        self.0.send(Wish::Mark(key.clone(), ttl, reply)).ok()?;
        told.await.ok()
    }
}

impl Wish {
    /// Whether whoever asked has gone on without.
    fn is_given_up(&self) -> bool {
        match self {
            Self::LookUp(_, reply) => reply.is_closed(),
            Self::Mark(_, _, reply) => reply.is_closed(),
        }
    }
}

async fn fulfil(connection: Arc<Connection>, mut heard: mpsc::UnboundedReceiver<Wish>) {
    let mut wishes = Vec::new();
    while heard.recv_many(&mut wishes, TOGETHER).await > 0 {
        wishes.retain(|wish| !wish.is_given_up());
        if !wishes.is_empty() {
            send(&connection, std::mem::take(&mut wishes)).await;
        }
    }
}

/// One round trip for all of them.
async fn send(connection: &Connection, wishes: Vec<Wish>) {
    let (mut look_ups, mut marks) = (Vec::new(), Vec::new());
    let (mut pipeline, mut keys) = (
        Pipeline::with_capacity(1 + wishes.len()),
        ::redis::cmd("MGET"),
    );
    for wish in wishes {
        match wish {
            Wish::LookUp(key, reply) => {
                keys.arg(seen(&key));
                look_ups.push(reply);
            }
            Wish::Mark(key, ttl, reply) => {
                let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX / 2);
                pipeline
                    .cmd("SET")
                    .arg(seen(&key))
                    .arg("")
                    .arg("PX")
                    .arg(ttl.max(1))
                    .ignore();
                marks.push(reply);
            }
        }
    }
    let found: Result<Vec<Option<Vec<u8>>>, Error> = if look_ups.is_empty() {
        let marked: Result<(), Error> = connection.pipeline(&pipeline).await;
        marked.map(|()| Vec::new())
    } else {
        pipeline.add_command(keys);
        let found: Result<(Vec<Option<Vec<u8>>>,), Error> = connection.pipeline(&pipeline).await;
        found.map(|(found,)| found)
    };
    // Whoever asked may have gone on without.
    for (number, reply) in look_ups.into_iter().enumerate() {
        let known = found
            .as_ref()
            .map(|found| matches!(found.get(number), Some(Some(_))));
        let _ = reply.send(known.map_err(Clone::clone));
    }
    for reply in marks {
        let _ = reply.send(found.as_ref().map(drop).map_err(Clone::clone));
    }
}
