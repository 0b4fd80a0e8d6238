//! Leases. Who holds one lives in this process, so holding is a matter of memory; only the tokens are written down, for they grow
//! beyond the process.

use super::fault::Fault;
use super::store::Store;
use super::writer::Work;
use async_trait::async_trait;
use belfry_mesh::port::Error;
use belfry_mesh::port::lease::{Held, Leases};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The leases of this process.
pub(super) struct Table {
    store: Arc<Store>,
    leases: Mutex<HashMap<String, Lease>>,
}

struct Lease {
    token: u64,
    end: End,
}

/// When a lease ends: not while it is held.
type End = Arc<watch::Sender<Option<Instant>>>;

struct Hold {
    end: End,
    ttl: Duration,
    closed: CancellationToken,
}

impl Table {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            leases: Mutex::default(),
        }
    }

    fn is_free(&self, key: &str) -> bool {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.get(key).is_none_or(Lease::has_ended)
    }

    /// Takes the lease if it is free still, and nobody with a later token had it in between.
    fn take(&self, key: &str, token: u64) -> Option<End> {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases
            .get(key)
            .is_some_and(|lease| !lease.has_ended() || lease.token > token)
        {
            return None;
        }
        let end = End::default();
        leases.insert(
            key.to_owned(),
            Lease {
                token,
                end: end.clone(),
            },
        );
        Some(end)
    }
}

#[async_trait]
impl Leases for Table {
    async fn acquire(&self, key: &str, holder: &str, ttl: Duration) -> Result<Option<Held>, Error> {
        if !self.is_free(key) {
            return Ok(None);
        }
        let token = self.store.writer.run(next_token).await?;
        let Some(end) = self.take(key, token) else {
            return Ok(None);
        };
        tracing::debug!(key, holder, token, "a lease was taken");
        let closed = self.store.closed.clone();
        Ok(Some(Held {
            token,
            hold: Box::new(Hold { end, ttl, closed }),
        }))
    }
}

impl Lease {
    fn has_ended(&self) -> bool {
        self.end.borrow().is_some_and(|end| end <= Instant::now())
    }
}

impl belfry_mesh::port::lease::Hold for Hold {
    fn lost(&self) -> BoxFuture<'static, ()> {
        let (mut end, closed) = (self.end.subscribe(), self.closed.clone());
        let ended = async move {
            loop {
                let at = *end.borrow_and_update();
                match at {
                    Some(at) if at <= Instant::now() => return,
                    Some(at) => sleep_until(at).await,
                    None if end.changed().await.is_err() => return,
                    None => {}
                }
            }
        };
        async move {
            tokio::select! {
                () = ended => {}
                () = closed.cancelled() => {}
            }
        }
        .boxed()
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.end.send_replace(Some(Instant::now()));
        futures::future::ready(()).boxed()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let end = super::place::later(Instant::now(), self.ttl);
        self.end
            .send_if_modified(|at| at.is_none() && at.replace(end).is_none());
    }
}

/// One counter for all keys: a token is larger than every earlier one of any key.
fn next_token(work: &mut Work<'_>) -> Result<u64, Fault> {
    let sql = "UPDATE counters SET value = value + 1 WHERE name = 'lease_token' RETURNING value";
    Ok(work
        .conn
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?)
}
