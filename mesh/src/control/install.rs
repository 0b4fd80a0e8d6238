//! Installing and uninstalling.

use super::heard::Heard;
use super::{Control, Done, Error, decide, encode};
use crate::name::TriggerName;
use crate::package::{Kind, PackageName};
use crate::placement::Constraint;
use crate::port::Error as PortError;
use crate::port::state::{Bucket, Revision};
use crate::signature::Auth;
use crate::target::Target;
use crate::trigger::{AllowIps, RateLimit, SlotStatus, Trigger};
use semver::Version;
use std::collections::BTreeMap;

/// A request to install a package.
#[derive(Debug, Clone)]
pub struct Install {
    /// What the package must be.
    pub kind: Kind,
    /// The package.
    pub package: PackageName,
    /// Its version; the newest if none is given.
    pub version: Option<Version>,
    /// The registry to take it from; the first that has it if none is given.
    pub registry: Option<String>,
    /// The trigger's name; the package's if none is given.
    pub name: Option<TriggerName>,
    /// What it runs. None for what takes no events.
    pub target: Option<Target>,
    /// Environment over the package's own.
    pub config: BTreeMap<String, String>,
    /// Verification over the package's own.
    pub auth: Option<Auth>,
    /// How often its hook may be called, over the package's own.
    pub rate_limit: Option<RateLimit>,
    /// Where its deliveries may come from, over the package's own.
    pub allow_ips: Option<AllowIps>,
    /// How many slots it has; one if it is not said.
    pub replicas: Option<u32>,
    /// What a node must be like, besides what the package asks.
    pub constraints: Vec<Constraint>,
}

impl Control {
    /// Installs a package as a trigger and starts it. Installing the same again changes nothing.
    ///
    /// # Errors
    /// If the package is not to be had, the request does not fit it, or another trigger has the name.
    pub async fn install(&self, request: Install, by: &str) -> Result<Done, Error> {
        let found = self
            .packages
            .find(
                request.kind,
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
        self.subscribe(&trigger).await?;
        let key = trigger.name.as_str();
        let created = self.state.create(Bucket::Triggers, key, encode(&trigger));
        let revision = match created.await {
            Ok(revision) => revision,
            Err(PortError::Conflict { key }) => {
                let there = self.find(&trigger.name).await?;
                let there = there.ok_or(PortError::Conflict { key })?;
                // It was first, so the place in the log is to be as it needs it.
                self.subscribe(&there.0).await?;
                return self.installed_before(&trigger, there).await;
            }
            Err(other) => return Err(other.into()),
        };
        self.converge(&trigger, revision).await?;
        let status = self.observe(&trigger, revision).await?;
        Ok(Done {
            changed: true,
            revision,
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
            revision,
            before: Some(existing),
            status,
        })
    }

    /// Uninstalls a trigger. What it had left to do is dropped; its history stays. Its name is taken until its place in the event
    /// log is gone, so that no later trigger of that name gets its events or loses its own. An uninstall that was cut off is
    /// finished by the next. Answers the revision that said that it leaves.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn uninstall(&self, name: &TriggerName, by: &str) -> Result<Revision, Error> {
        let leave = |trigger: &Trigger, _| {
            self.check_kind(trigger)?;
            decide::leave(trigger)
        };
        let revision = self.write(name, leave, by).await?.revision;
        // A dead holder leaves nothing, and nothing is left of it that takes events.
        let left = |slots: &BTreeMap<u32, SlotStatus>, heard: &Heard| {
            !slots.values().any(|slot| heard.is_live(&slot.node))
        };
        self.await_slots(name, left).await?;
        self.events.unsubscribe(name).await?;
        let deleted = self
            .state
            .delete(Bucket::Triggers, name.as_str(), Some(revision))
            .await;
        match deleted {
            // Another uninstall of it came to the end first.
            Ok(()) | Err(PortError::Conflict { .. }) => Ok(revision),
            Err(other) => Err(other.into()),
        }
    }
}
