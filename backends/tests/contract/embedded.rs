//! The contract on embedded storage.

use crate::{Fixture, Limits, contract};
use belfry_backends::{Config, Retention, clock};
use belfry_mesh::event::Address;
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::Ports;
use rusqlite::Connection;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

contract!(crate::embedded::Embedded);

struct Embedded {
    directory: TempDir,
    config: Config,
    open: Option<Open>,
}

struct Open {
    ports: Ports,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Fixture for Embedded {
    const LARGEST_BODY: usize = 7 << 20;
    const SHARED: bool = false;

    async fn open(limits: Limits) -> Self {
        let directory = TempDir::new().unwrap();
        let mut retention = Retention::default();
        (retention.events.bytes, retention.dead_letters.bytes) =
            (limits.events, limits.dead_letters);
        let config = Config {
            data: directory.path().to_owned(),
            retention,
            ..Config::default()
        };
        let mut fixture = Self {
            directory,
            config,
            open: None,
        };
        fixture.start().await;
        fixture
    }

    fn ports(&self) -> Ports {
        self.open.as_ref().expect("it is running").ports.clone()
    }

    async fn stop(&mut self) {
        let open = self.open.take().expect("it is running");
        open.shutdown.cancel();
        open.tasks.close();
        open.tasks.wait().await;
    }

    async fn start(&mut self) {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let clock = Arc::new(clock::System);
        let ports = belfry_backends::open(&self.config, clock, &tasks, &shutdown)
            .await
            .unwrap();
        self.open = Some(Open {
            ports,
            tasks,
            shutdown,
        });
    }

    async fn store_nonsense(&mut self, trigger: &TriggerName) {
        self.stop().await;
        let file = Connection::open(self.directory.path().join("belfry.db")).unwrap();
        let subject = Address::Trigger(trigger.clone()).subject();
        file.execute(
            "INSERT INTO events (id, stored_at, size, subject, attributes, data) VALUES ('n', 0, 99, ?1, x'00', x'')",
            [subject],
        )
        .unwrap();
        let sequence = file.last_insert_rowid();
        file.execute(
            "INSERT INTO deliveries (sequence, subscription) SELECT ?1, id FROM subscriptions",
            [sequence],
        )
        .unwrap();
        drop(file);
        self.start().await;
    }
}
