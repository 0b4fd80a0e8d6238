//! Any sequence of work, crashes and restarts against a model of what must be.

use crate::{Storage, next, subscription, trigger};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::log::{Claim, Consumer, Sequence};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

#[derive(Debug, Clone)]
enum Step {
    Publish(u8),
    Take(usize),
    Ack(usize),
    GiveUp(usize),
    Retry(usize),
    /// The holder forgets a delivery without a word.
    Drop(usize),
    /// The process dies and another goes on with what was on the disk.
    Crash,
    /// The process ends in good order and another goes on.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..40).prop_map(Step::Publish),
        5 => (1_usize..4).prop_map(Step::Take),
        4 => (0_usize..8).prop_map(Step::Ack),
        1 => (0_usize..8).prop_map(Step::GiveUp),
        2 => (0_usize..8).prop_map(Step::Retry),
        1 => (0_usize..8).prop_map(Step::Drop),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ]
}

/// The storage, and what must be true of it.
struct World {
    directory: TempDir,
    storage: Storage,
    name: TriggerName,
    consumer: Box<dyn Consumer>,
    /// What is held, with its claim while its holder remembers it.
    held: BTreeMap<String, Option<Box<dyn Claim>>>,
    /// Each event's attempts so far.
    attempts: BTreeMap<String, u32>,
    settled: BTreeSet<String>,
    /// The last event that was delivered for the first time.
    newest: Sequence,
}

impl World {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let storage = Storage::open(directory.path()).await;
        let name = trigger("a");
        storage
            .ports
            .events
            .subscribe(&subscription(&name))
            .await
            .unwrap();
        let consumer = storage.consumer(&name).await;
        let (held, attempts, settled) = <_>::default();
        Self {
            directory,
            storage,
            name,
            consumer,
            held,
            attempts,
            settled,
            newest: 0,
        }
    }

    async fn take_step(&mut self, step: Step) {
        match step {
            Step::Publish(number) => self.publish(&format!("e-{number}")).await,
            Step::Take(max) => self.take(max).await,
            Step::Ack(which) => {
                if let Some((id, claim)) = self.pick(which) {
                    claim.ack().await.unwrap();
                    self.settled.insert(id);
                }
            }
            Step::GiveUp(which) => {
                if let Some((id, claim)) = self.pick(which) {
                    claim.give_up().await.unwrap();
                    self.settled.insert(id);
                }
            }
            Step::Retry(which) => {
                if let Some((_, claim)) = self.pick(which) {
                    claim.retry_after(Duration::ZERO).await.unwrap();
                }
            }
            Step::Drop(which) => {
                if let Some((id, claim)) = self.pick(which) {
                    drop(claim);
                    self.held.insert(id, None);
                }
            }
            Step::Crash => self.crash().await,
            Step::Restart => self.restart().await,
        }
        let waiting = self.attempts.len() - self.settled.len();
        assert_eq!(
            self.storage.ports.events.backlog(&self.name).await.unwrap(),
            waiting as u64
        );
    }

    async fn publish(&mut self, id: &str) {
        let stored = self.storage.publish(&self.name, id, 100).await.unwrap();
        assert_eq!(
            stored,
            !self.attempts.contains_key(id),
            "whether {id} was stored"
        );
        self.attempts.entry(id.to_owned()).or_insert(0);
    }

    async fn take(&mut self, max: usize) {
        let waiting = self.attempts.len() - self.settled.len() - self.held.len();
        if waiting == 0 {
            return;
        }
        let deliveries = next(&mut *self.consumer, max).await;
        assert_eq!(deliveries.len(), max.min(waiting));
        for delivery in deliveries {
            let id = delivery.event.id.to_string();
            assert!(
                !self.settled.contains(&id),
                "{id} was settled and came again"
            );
            let attempts = self.attempts.get_mut(&id).expect("it was published");
            *attempts += 1;
            assert_eq!(delivery.attempt, *attempts, "the attempt of {id}");
            if delivery.attempt == 1 {
                assert!(delivery.sequence > self.newest, "{id} came out of order");
                self.newest = delivery.sequence;
            }
            assert!(
                self.held.insert(id.clone(), Some(delivery.claim)).is_none(),
                "{id} went to two holders"
            );
        }
    }

    fn pick(&mut self, which: usize) -> Option<(String, Box<dyn Claim>)> {
        let remembered: Vec<_> = self
            .held
            .iter()
            .filter(|(_, claim)| claim.is_some())
            .collect();
        let id = remembered.get(which % remembered.len().max(1))?.0.clone();
        let claim = self.held.remove(&id)?;
        Some((id, claim?))
    }

    /// What a crash leaves is the files as they are in a moment: a copy of them, the log of the database included, taken when
    /// the writer has nothing to do.
    async fn crash(&mut self) {
        self.storage.ports.events.ping().await.unwrap();
        let copy = TempDir::new().unwrap();
        for file in ["belfry.db", "belfry.db-wal"] {
            fs::copy(self.directory.path().join(file), copy.path().join(file)).unwrap();
        }
        self.go_on_in(copy).await;
    }

    async fn restart(&mut self) {
        let empty = TempDir::new().unwrap();
        let same = std::mem::replace(&mut self.directory, empty);
        self.go_on_in(same).await;
    }

    async fn go_on_in(&mut self, directory: TempDir) {
        self.storage.shutdown.cancel();
        self.storage.tasks.close();
        self.storage.tasks.wait().await;
        self.storage = Storage::open(directory.path()).await;
        self.directory = directory;
        self.consumer = self.storage.consumer(&self.name).await;
        self.held.clear();
    }

    /// In the end every event is settled once.
    async fn finish(mut self) {
        self.restart().await;
        while self.settled.len() < self.attempts.len() {
            self.take(8).await;
            while let Some((id, claim)) = self.pick(0) {
                claim.ack().await.unwrap();
                self.settled.insert(id);
            }
        }
        assert_eq!(
            self.storage.ports.events.backlog(&self.name).await.unwrap(),
            0
        );
        self.storage.close().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_work_and_crashes_loses_an_event_or_settles_one_twice(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.take_step(step).await;
            }
            world.finish().await;
        });
    }
}
