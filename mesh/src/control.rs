//! What a lifecycle command means: validate it, compare-and-set the desired state, await that it is so. The console's API, the
//! command line and the bus are doors to this.

mod decide;
mod error;
mod status;

pub use decide::subscription;
pub use error::Error;
pub use status::{RunState, Status};

use crate::event::{Event, EventId, Proven};
use crate::name::TriggerName;
use crate::package::PackageName;
use crate::placement::Slot;
use crate::port::clock::Clock;
use crate::port::log::{EventLog, OutcomeLog, Receipt, Sequence, Stored};
use crate::port::packages::Packages;
use crate::port::state::{Bucket, Change as Seen, Entry, Revision, State};
use crate::port::{Error as PortError, Ports};
use crate::signature::Auth;
use crate::target::Target;
use crate::trace::TraceParent;
use crate::trigger::{Change, Desired, SlotStatus, Trigger};
use bytes::Bytes;
use futures::StreamExt;
use semver::Version;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often a change is based anew on what somebody else changed meanwhile, before it is refused as a conflict.
const ATTEMPTS: usize = 8;

/// The lifecycle commands.
#[derive(Clone)]
pub struct Control {
    events: Arc<dyn EventLog>,
    outcomes: Arc<dyn OutcomeLog>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    packages: Arc<dyn Packages>,
    patience: Duration,
}

/// A request to install a package.
#[derive(Debug, Clone)]
pub struct Install {
    /// The package.
    pub package: PackageName,
    /// Its version; the newest if none is given.
    pub version: Option<Version>,
    /// The registry to take it from; the first that has it if none is given.
    pub registry: Option<String>,
    /// The trigger's name; the package's if none is given.
    pub name: Option<TriggerName>,
    /// What it runs.
    pub target: Target,
    /// Environment over the package's own.
    pub config: BTreeMap<String, String>,
    /// Verification over the package's own.
    pub auth: Option<Auth>,
}

/// What a change of the desired state came to.
struct Written {
    changed: bool,
    before: Trigger,
    trigger: Trigger,
    revision: Revision,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Done {
    /// Whether anything had to be changed.
    pub changed: bool,
    /// The trigger as it was before, if it was there.
    pub before: Option<Trigger>,
    /// How it is now.
    pub status: Status,
}

impl Control {
    /// The commands over these ports. A command waits up to `patience` for agents to make it so before it answers with how far
    /// they are.
    #[must_use]
    pub fn new(ports: &Ports, packages: Arc<dyn Packages>, patience: Duration) -> Self {
        Self {
            events: ports.events.clone(),
            outcomes: ports.outcomes.clone(),
            state: ports.state.clone(),
            clock: ports.clock.clone(),
            packages,
            patience,
        }
    }

    /// Installs a package as a trigger and starts it. Installing the same again changes nothing.
    ///
    /// # Errors
    /// If the package is not to be had, the request does not fit it, or another trigger has the name.
    pub async fn install(&self, request: Install, by: &str) -> Result<Done, Error> {
        let found = self
            .packages
            .find(
                &request.package,
                request.version.as_ref(),
                request.registry.as_deref(),
            )
            .await?;
        let trigger = decide::install(request, found, by, self.clock.now())?;
        if let Some(there) = self.find(&trigger.name).await? {
            return self.installed_before(&trigger, there).await;
        }
        // Before the hook opens: what it stores is not missed. A place that is there already is kept as it is, since another
        // install of this name may have made it just now.
        self.events
            .subscribe(&decide::subscription(&trigger))
            .await?;
        let key = trigger.name.as_str();
        let created = self.state.create(Bucket::Triggers, key, encode(&trigger));
        let revision = match created.await {
            Ok(revision) => revision,
            Err(PortError::Conflict { key }) => {
                let there = self.find(&trigger.name).await?;
                let there = there.ok_or(PortError::Conflict { key })?;
                // It was first, so the place in the log is to be as it needs it.
                self.events
                    .subscribe(&decide::subscription(&there.0))
                    .await?;
                return self.installed_before(&trigger, there).await;
            }
            Err(other) => return Err(other.into()),
        };
        self.converge(&trigger, revision).await?;
        let status = self.observe(&trigger, revision).await?;
        Ok(Done {
            changed: true,
            before: None,
            status,
        })
    }

    /// What an install comes to where the name is there already.
    async fn installed_before(
        &self,
        asked: &Trigger,
        (existing, revision): (Trigger, Revision),
    ) -> Result<Done, Error> {
        decide::same_install(&existing, asked)?;
        let status = self.observe(&existing, revision).await?;
        Ok(Done {
            changed: false,
            before: Some(existing),
            status,
        })
    }

    /// Uninstalls a trigger. What it had left to do is dropped; its history stays. Its name is taken until its place in the event
    /// log is gone, so that no later trigger of that name gets its events or loses its own. An uninstall that was cut off is
    /// finished by the next.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn uninstall(&self, name: &TriggerName, by: &str) -> Result<(), Error> {
        let revision = self.write(name, decide::leave, by).await?.revision;
        self.await_slots(name, |slots| slots.is_empty()).await?;
        self.events.unsubscribe(name).await?;
        let deleted = self
            .state
            .delete(Bucket::Triggers, name.as_str(), Some(revision))
            .await;
        match deleted {
            // Another uninstall of it came to the end first.
            Err(PortError::Conflict { .. }) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Starts a trigger.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn start(&self, name: &TriggerName, by: &str) -> Result<Done, Error> {
        self.change(
            name,
            |trigger| decide::desire(trigger, Desired::Running, "started"),
            by,
        )
        .await
    }

    /// Stops a trigger. Its events wait.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn stop(&self, name: &TriggerName, by: &str) -> Result<Done, Error> {
        self.change(
            name,
            |trigger| decide::desire(trigger, Desired::Stopped, "stopped"),
            by,
        )
        .await
    }

    /// Starts a trigger anew, whether it runs or not.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn restart(&self, name: &TriggerName, by: &str) -> Result<Done, Error> {
        self.change(name, decide::restart, by).await
    }

    /// Takes the newest version of the trigger's package, from the named registry or the one it came from.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], or if the registry does not answer or the new version does not fit the trigger.
    pub async fn update(
        &self,
        name: &TriggerName,
        registry: Option<&str>,
        by: &str,
    ) -> Result<Done, Error> {
        let (trigger, _) = self.installed(name).await?;
        let package = trigger.manifest.name().clone();
        let registry = registry.unwrap_or(&trigger.registry);
        let found = self.packages.find(&package, None, Some(registry)).await?;
        let done = self
            .change(name, |trigger| decide::update(trigger, &found), by)
            .await?;
        if done.changed {
            let (trigger, _) = self.installed(name).await?;
            self.events
                .subscribe(&decide::subscription(&trigger))
                .await?;
        }
        Ok(done)
    }

    /// How a trigger is.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn status(&self, name: &TriggerName) -> Result<Status, Error> {
        let (trigger, revision) = self.installed(name).await?;
        self.observe(&trigger, revision).await
    }

    /// How all triggers are, by name.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn list(&self) -> Result<Vec<Status>, Error> {
        let mut slots: BTreeMap<TriggerName, Vec<(u32, SlotStatus)>> = BTreeMap::new();
        for entry in self.state.list(Bucket::Status).await? {
            if let Some((slot, status)) = decode_slot(&entry) {
                slots
                    .entry(slot.trigger)
                    .or_default()
                    .push((slot.index, status));
            }
        }
        let mut list = Vec::new();
        for entry in self.state.list(Bucket::Triggers).await? {
            let trigger = decode(&entry)?;
            if trigger.leaving {
                continue;
            }
            let slots = slots.remove(&trigger.name).unwrap_or_default();
            list.push(Status::of(&trigger, entry.revision, slots));
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// Runs a trigger once for a body that the operator gives.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], or if the event cannot be stored.
    pub async fn run(
        &self,
        name: &TriggerName,
        id: EventId,
        data: Bytes,
        trace: TraceParent,
    ) -> Result<EventId, Error> {
        self.installed(name).await?;
        let event = Proven::run(name, id, data, self.clock.now(), trace);
        self.events.publish(&event).await?;
        Ok(event.event().id.clone())
    }

    /// Replays a stored event to a trigger; `after` is the sequence of the event's latest known outcome. A dead letter that it
    /// comes from is discarded once the replay is stored.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], or if the event cannot be stored.
    pub async fn replay(
        &self,
        stored: &Stored<Event>,
        name: &TriggerName,
        after: Sequence,
        dead_letter: Option<Sequence>,
    ) -> Result<(EventId, Receipt), Error> {
        self.installed(name).await?;
        let event = Proven::replay(stored, name, after, self.clock.now());
        let receipt = self.events.publish(&event).await?;
        if let Some(sequence) = dead_letter {
            self.outcomes.discard(sequence).await?;
        }
        Ok((event.event().id.clone(), receipt))
    }

    /// Changes a trigger that is installed, and waits until it is so.
    async fn change(
        &self,
        name: &TriggerName,
        decide: impl Fn(&Trigger) -> Result<decide::Decision, Error>,
        by: &str,
    ) -> Result<Done, Error> {
        let decide = |trigger: &Trigger| match trigger.leaving {
            true => Err(Error::NotInstalled(name.clone())),
            false => decide(trigger),
        };
        let written = self.write(name, decide, by).await?;
        if written.changed {
            self.converge(&written.trigger, written.revision).await?;
        }
        Ok(Done {
            changed: written.changed,
            status: self.observe(&written.trigger, written.revision).await?,
            before: Some(written.before),
        })
    }

    /// Reads, decides, and writes on the revision that was read; again if somebody else wrote meanwhile.
    async fn write(
        &self,
        name: &TriggerName,
        decide: impl Fn(&Trigger) -> Result<decide::Decision, Error>,
        by: &str,
    ) -> Result<Written, Error> {
        for _ in 0..ATTEMPTS {
            let (before, revision) = self
                .find(name)
                .await?
                .ok_or_else(|| Error::NotInstalled(name.clone()))?;
            let (mut trigger, what) = match decide(&before)? {
                decide::Decision::Keep => {
                    return Ok(Written {
                        changed: false,
                        trigger: before.clone(),
                        before,
                        revision,
                    });
                }
                decide::Decision::Write(trigger, what) => (*trigger, what),
            };
            trigger.change = Change {
                what,
                by: by.to_owned(),
                at: self.clock.now(),
            };
            let written = self
                .state
                .update(Bucket::Triggers, name.as_str(), encode(&trigger), revision)
                .await;
            match written {
                Ok(revision) => {
                    return Ok(Written {
                        changed: true,
                        trigger,
                        before,
                        revision,
                    });
                }
                Err(PortError::Conflict { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(PortError::Conflict {
            key: format!("trigger `{name}`"),
        }
        .into())
    }

    /// The trigger, if it is installed and not on its way out.
    async fn installed(&self, name: &TriggerName) -> Result<(Trigger, Revision), Error> {
        let found = self.find(name).await?;
        found
            .filter(|(trigger, _)| !trigger.leaving)
            .ok_or_else(|| Error::NotInstalled(name.clone()))
    }

    /// What the state has under the name.
    async fn find(&self, name: &TriggerName) -> Result<Option<(Trigger, Revision)>, Error> {
        let entry = self.state.get(Bucket::Triggers, name.as_str()).await?;
        entry
            .map(|entry| Ok((decode(&entry)?, entry.revision)))
            .transpose()
    }

    async fn observe(&self, trigger: &Trigger, revision: Revision) -> Result<Status, Error> {
        let mut slots = Vec::new();
        for entry in self.state.list(Bucket::Status).await? {
            if let Some((slot, status)) = decode_slot(&entry)
                && slot.trigger == trigger.name
            {
                slots.push((slot.index, status));
            }
        }
        Ok(Status::of(trigger, revision, slots))
    }

    /// Waits until the slots are at this revision and settled, or patience ends.
    async fn converge(&self, trigger: &Trigger, revision: Revision) -> Result<(), Error> {
        self.await_slots(&trigger.name, |slots| {
            status::is_settled(trigger.desired, revision, slots)
        })
        .await
    }

    async fn await_slots(
        &self,
        name: &TriggerName,
        settled: impl Fn(&BTreeMap<u32, SlotStatus>) -> bool,
    ) -> Result<(), Error> {
        let mut watch = self.state.watch(Bucket::Status).await?;
        let follow = async {
            let mut slots: BTreeMap<u32, SlotStatus> = BTreeMap::new();
            let mut current = false;
            while let Some(change) = watch.next().await {
                match change {
                    Seen::Put(entry) => {
                        if let Some((slot, status)) =
                            decode_slot(&entry).filter(|(slot, _)| &slot.trigger == name)
                        {
                            slots.insert(slot.index, status);
                        }
                    }
                    Seen::Deleted { key, .. } => {
                        if let Some(slot) = Slot::parse(&key).filter(|slot| &slot.trigger == name) {
                            slots.remove(&slot.index);
                        }
                    }
                    Seen::Current => current = true,
                }
                if current && settled(&slots) {
                    return;
                }
            }
        };
        let patience = self.clock.sleep(self.patience);
        futures::pin_mut!(follow);
        futures::future::select(follow, patience).await;
        Ok(())
    }
}

/// The trigger that an entry of the state holds.
///
/// # Errors
/// [`PortError::Corrupt`] if it is not one.
pub fn decode(entry: &Entry) -> Result<Trigger, PortError> {
    serde_json::from_slice(&entry.value).map_err(|error| PortError::Corrupt {
        what: format!(
            "trigger `{}` in the state, revision {}",
            entry.key, entry.revision
        ),
        why: error.to_string(),
    })
}

fn decode_slot(entry: &Entry) -> Option<(Slot, SlotStatus)> {
    Some((
        Slot::parse(&entry.key)?,
        serde_json::from_slice(&entry.value).ok()?,
    ))
}

fn encode(trigger: &Trigger) -> Bytes {
    serde_json::to_vec(trigger)
        .expect("a trigger has only string keys and finite numbers")
        .into()
}
