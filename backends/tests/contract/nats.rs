//! The contract on NATS JetStream and Redis.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on is to end there"
)]

use crate::{Fixture, Limits, contract, within};
use belfry_backends::{Config, Retention, clock};
use belfry_mesh::event::Address;
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::Ports;
use belfry_tests::servers::{Nats, Redis};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

contract!(crate::nats::Servers);

struct Servers {
    nats: Nats,
    redis: Redis,
    ports: Ports,
}

impl Fixture for Servers {
    // The servers take a mebibyte, of which the headers and the room for an outcome are a part.
    const LARGEST_BODY: usize = 1_000_000;
    const SHARED: bool = true;

    async fn open(limits: Limits) -> Self {
        let (nats, redis) = (Nats::start().unwrap(), Redis::start().unwrap());
        let mut retention = Retention::default();
        (retention.events.bytes, retention.dead_letters.bytes) =
            (limits.events, limits.dead_letters);
        let config = Config {
            nats_url: Some(nats.url().into()),
            redis_url: Some(redis.url().into()),
            retention,
            // A machine that runs all of these side by side is slow to answer.
            redis_deadline: Duration::from_secs(1),
            ..Config::default()
        };
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let ports = belfry_backends::open(&config, Arc::new(clock::System), &tasks, &shutdown)
            .await
            .unwrap();
        Self { nats, redis, ports }
    }

    fn ports(&self) -> Ports {
        self.ports.clone()
    }

    async fn stop(&mut self) {
        // A single server writes what its consumers have delivered and settled a moment later.
        tokio::time::sleep(Duration::from_millis(250)).await;
        self.nats.kill().unwrap();
        self.redis.kill().unwrap();
    }

    async fn start(&mut self) {
        self.nats.restart().unwrap();
        self.redis.restart().unwrap();
        let back = async {
            while self.ports.events.ping().await.is_err() || self.ports.dedup.ping().await.is_err()
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("the connection", back).await;
    }

    async fn store_nonsense(&mut self, trigger: &TriggerName) {
        let client = async_nats::connect(self.nats.url()).await.unwrap();
        let subject = Address::Trigger(trigger.clone()).subject();
        client.request(subject, "no event".into()).await.unwrap();
    }
}
