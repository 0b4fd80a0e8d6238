//! The ports on NATS JetStream (2.11 or later): streams for the logs, key-value buckets for the state and the leases, core request
//! and reply for the calls.
//!
//! What "stored" means is JetStream's acknowledgement: written by the leader and replicated, not fsynced (the server's
//! `sync_interval`). The death of a server process loses nothing that was acknowledged; the loss of power may, unless the streams
//! have three replicas or the server syncs always.
//!
//! What a consumer has delivered and settled is replicated too; a server that is alone writes it some 100 ms later, in whole
//! seconds. One that is killed may therefore deliver again what was settled just before, with the attempt that it had then, and a
//! retry up to a second early. 20,000 events of one trigger that are held or wait for their retry hold up its others.

mod address;
mod calls;
mod claim;
mod consumer;
mod events;
mod feed;
mod filter;
mod kv;
mod layout;
mod leases;
mod link;
mod message;
mod outcomes;
mod pull;
mod service;
mod state;

use crate::Config;
use crate::embedded;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::{Error, Ports};
use secrecy::SecretString;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// Connects, makes sure that the server has what Belfry needs, and opens the ports.
pub(crate) async fn open(
    url: &SecretString,
    config: &Config,
    clock: Arc<dyn Clock>,
    tracker: &TaskTracker,
) -> Result<Ports, Error> {
    let link = Arc::new(link::Link::connect(url, config, tracker.clone()).await?);
    layout::prepare(&link, config).await?;
    Ok(Ports {
        events: Arc::new(events::Events::new(link.clone())),
        outcomes: Arc::new(outcomes::Outcomes::new(link.clone())),
        state: Arc::new(state::Buckets::new(link.clone())),
        leases: Arc::new(leases::Bucket::new(link.clone())),
        calls: Arc::new(calls::Core::new(
            link,
            clock.clone(),
            config.metadata.clone(),
        )),
        dedup: embedded::dedup(),
        clock,
    })
}
