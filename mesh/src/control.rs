//! What a lifecycle command means: validate it, compare-and-set the desired state, await that it is so. The console's API, the
//! command line and the bus are doors to this.

mod convergence;
mod decide;
mod error;
mod gateways;
mod heard;
mod hook;
mod install;
mod nodes;
mod revisions;
mod runs;
mod status;

pub use decide::subscription;
pub use error::Error;
pub use gateways::{GatewayStatus, Refusing};
pub use hook::{Hook, Setting};
pub use install::Install;
pub use nodes::{Held as HeldSlot, NodeStatus, Nodes};
pub use revisions::{Probation, Revised, end_probation};
pub use status::{RunState, Status};

use crate::name::TriggerName;
use crate::package::Kind;
use crate::placement::Slot;
use crate::port::clock::Clock;
use crate::port::log::{EventLog, OutcomeLog};
use crate::port::packages::Packages;
use crate::port::state::{Bucket, Entry, Revision, State};
use crate::port::{Error as PortError, Ports};
use crate::trigger::{Change, Desired, SlotStatus, Trigger};
use bytes::Bytes;
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
    kind: Option<Kind>,
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
    /// The revision that it made; where nothing was changed, the one that is there.
    pub revision: Revision,
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
            kind: None,
        }
    }

    /// The same commands for packages of one kind: others are as good as not installed.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Self {
        Self {
            kind: Some(kind),
            ..self.clone()
        }
    }

    /// Starts a trigger.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn start(&self, name: &TriggerName, by: &str) -> Result<Done, Error> {
        self.change(
            name,
            |trigger, revision| decide::desire(trigger, revision, Desired::Running, "started"),
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
            |trigger, revision| decide::desire(trigger, revision, Desired::Stopped, "stopped"),
            by,
        )
        .await
    }

    /// Starts a trigger anew, whether it runs or not.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn restart(&self, name: &TriggerName, by: &str) -> Result<Done, Error> {
        self.change(name, |trigger, _| decide::restart(trigger), by)
            .await
    }

    /// Keeps a trigger's container up and its events waiting.
    ///
    /// # Errors
    /// [`Error::NotInstalled`]; [`Error::Unfit`] if it is stopped.
    pub async fn pause(&self, name: &TriggerName, by: &str) -> Result<Done, Error> {
        self.change(name, |trigger, at| decide::pause(trigger, at, true), by)
            .await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// [`Error::NotInstalled`]; [`Error::Unfit`] if it is stopped.
    pub async fn resume(&self, name: &TriggerName, by: &str) -> Result<Done, Error> {
        self.change(name, |trigger, at| decide::pause(trigger, at, false), by)
            .await
    }

    /// Gives a trigger so many slots. Its containers go on.
    ///
    /// # Errors
    /// [`Error::NotInstalled`]; [`Error::Unfit`] for none, or more than [`crate::trigger::MAX_REPLICAS`].
    pub async fn scale(&self, name: &TriggerName, replicas: u32, by: &str) -> Result<Done, Error> {
        self.change(name, |trigger, at| decide::scale(trigger, at, replicas), by)
            .await
    }

    /// Takes the newest version of the trigger's package, from the named registry or the one it came from. It is on probation:
    /// if it does not hold, agents take it back, and what is answered says so if that is within the commands' patience.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], or if the registry does not answer or the new version does not fit the trigger or any node.
    pub async fn update(
        &self,
        name: &TriggerName,
        registry: Option<&str>,
        by: &str,
    ) -> Result<Done, Error> {
        let (trigger, _) = self.installed(name).await?;
        let package = trigger.manifest.name().clone();
        let registry = registry.unwrap_or(&trigger.registry);
        let found = self
            .packages
            .find(trigger.kind(), &package, None, Some(registry))
            .await?;
        let heard = self.heard().await?;
        let update = |trigger: &Trigger, at| {
            decide::placeable(decide::update(trigger, at, &found)?, heard.live())
        };
        self.change(name, update, by).await
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
        let mut slots = convergence::slots(self.state.as_ref()).await?;
        let heard = self.heard().await?;
        let mut list = Vec::new();
        for entry in self.state.list(Bucket::Triggers).await? {
            let trigger = decode(&entry)?;
            if trigger.leaving || self.check_kind(&trigger).is_err() {
                continue;
            }
            let slots = slots.remove(&trigger.name).unwrap_or_default();
            list.push(Status::of(&trigger, entry.revision, slots, &heard));
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// Changes a trigger that is installed, and waits until it is so.
    async fn change(
        &self,
        name: &TriggerName,
        decide: impl Fn(&Trigger, Revision) -> Result<decide::Decision, Error>,
        by: &str,
    ) -> Result<Done, Error> {
        let decide = |trigger: &Trigger, revision| {
            self.check_kind(trigger)?;
            match trigger.leaving {
                true => Err(Error::NotInstalled(name.clone())),
                false => decide(trigger, revision),
            }
        };
        let written = self.write(name, decide, by).await?;
        if written.changed {
            // At once: what another package waits for is not missed while its containers come.
            if written.trigger.manifest != written.before.manifest {
                self.subscribe(&written.trigger).await?;
            }
            self.converge(&written.trigger, written.revision).await?;
        }
        // What agents made of it meanwhile is told, such as an update that was taken back.
        let (trigger, revision) = self
            .find(name)
            .await?
            .unwrap_or((written.trigger, written.revision));
        Ok(Done {
            changed: written.changed,
            revision: written.revision,
            status: self.observe(&trigger, revision).await?,
            before: Some(written.before),
        })
    }

    /// Reads, decides, and writes on the revision that was read; again if somebody else wrote meanwhile.
    async fn write(
        &self,
        name: &TriggerName,
        decide: impl Fn(&Trigger, Revision) -> Result<decide::Decision, Error>,
        by: &str,
    ) -> Result<Written, Error> {
        for _ in 0..ATTEMPTS {
            let (before, revision) = self
                .find(name)
                .await?
                .ok_or_else(|| Error::NotInstalled(name.clone()))?;
            let (mut trigger, what) = match decide(&before, revision)? {
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
            .filter(|(trigger, _)| !trigger.leaving && self.check_kind(trigger).is_ok())
            .ok_or_else(|| Error::NotInstalled(name.clone()))
    }

    fn check_kind(&self, trigger: &Trigger) -> Result<(), Error> {
        match self.kind {
            Some(kind) if kind != trigger.kind() => Err(Error::NotInstalled(trigger.name.clone())),
            _ => Ok(()),
        }
    }

    /// Makes the trigger's place in the event log as it needs it, if it needs one.
    async fn subscribe(&self, trigger: &Trigger) -> Result<(), Error> {
        Ok(subscribe(self.events.as_ref(), trigger).await?)
    }

    /// What the state has under the name.
    async fn find(&self, name: &TriggerName) -> Result<Option<(Trigger, Revision)>, Error> {
        let entry = self.state.get(Bucket::Triggers, name.as_str()).await?;
        entry
            .map(|entry| Ok((decode(&entry)?, entry.revision)))
            .transpose()
    }
}

async fn subscribe(events: &dyn EventLog, trigger: &Trigger) -> Result<(), PortError> {
    match trigger.kind() {
        Kind::Trigger => events.subscribe(&decide::subscription(trigger)).await,
        Kind::Mcp => Ok(()),
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

#[cfg(test)]
mod tests;
