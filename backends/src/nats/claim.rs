//! The hold on one delivery
//! (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md>).

use super::link::Link;
use async_trait::async_trait;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::Claim;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A claim. What it says is confirmed by the server before it counts as said.
pub(super) struct Claimed {
    link: Arc<Link>,
    reply: String,
}

impl Claimed {
    pub(super) fn new(link: Arc<Link>, reply: String) -> Self {
        Self { link, reply }
    }

    /// Settles it as one that cannot be handed out.
    pub(super) async fn discard(&self) -> Result<(), Error> {
        self.say("+TERM".to_owned()).await
    }

    async fn say(&self, what: String) -> Result<(), Error> {
        self.link
            .ask(self.reply.clone(), None, what.into())
            .await
            .map(drop)
    }
}

#[async_trait]
impl Claim for Claimed {
    async fn extend(&self) -> Result<(), Error> {
        self.say("+WPI".to_owned()).await
    }

    async fn ack(self: Box<Self>) -> Result<(), Error> {
        self.say("+ACK".to_owned()).await
    }

    async fn retry_after(self: Box<Self>, delay: Duration) -> Result<(), Error> {
        if delay.is_zero() {
            return self.say("-NAK".to_owned()).await;
        }
        let delay = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX / 2);
        self.say(format!("-NAK {}", json!({ "delay": delay })))
            .await
    }

    async fn give_up(self: Box<Self>) -> Result<(), Error> {
        self.say("+TERM".to_owned()).await
    }
}
