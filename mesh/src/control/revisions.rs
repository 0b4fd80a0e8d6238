//! The revisions of a trigger: what they changed, the way back to one, and what agents decide about an update on probation.

use super::{Control, Done, Error, decide, decode, encode, subscribe};
use crate::name::TriggerName;
use crate::port::Error as PortError;
use crate::port::clock::Clock;
use crate::port::log::EventLog;
use crate::port::state::{Bucket, Revision, State};
use crate::trigger::{Change, Desired, Trigger};
use jiff::Timestamp;
use serde::Serialize;

/// A kept revision of a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revised {
    /// Its number.
    pub revision: u64,
    /// Whether it is the present one.
    pub current: bool,
    /// What it changed, in words.
    pub what: String,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The version of the package.
    pub version: String,
    /// The registry that the package came from.
    pub registry: String,
    /// Whether it should run.
    pub desired: Desired,
    /// How many slots it should have.
    pub replicas: u32,
}

impl Control {
    /// The kept revisions of a trigger since its install, the newest first.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn history(&self, name: &TriggerName) -> Result<Vec<Revised>, Error> {
        let (_, current) = self.installed(name).await?;
        let revised = |(trigger, revision): (Trigger, Revision)| Revised {
            revision,
            current: revision == current,
            what: trigger.change.what,
            by: trigger.change.by,
            at: trigger.change.at,
            version: trigger.manifest.version().to_string(),
            registry: trigger.registry,
            desired: trigger.desired,
            replicas: trigger.replicas,
        };
        let kept = kept(self.state.as_ref(), name).await?;
        Ok(kept.into_iter().rev().map(revised).collect())
    }

    /// Gives a trigger the package back that it had in an earlier revision: the one that is named, or the last that had another,
    /// but for one that did not hold. Its configuration stays as it is.
    ///
    /// # Errors
    /// [`Error::NotInstalled`]; [`Error::NoRevision`] or [`Error::RolledBack`] if it is not kept, or there is nothing to go back
    /// to; [`Error::Unfit`] if no node may run it.
    pub async fn rollback(
        &self,
        name: &TriggerName,
        to: Option<Revision>,
        by: &str,
    ) -> Result<Done, Error> {
        let (now, current) = self.installed(name).await?;
        let kept = kept(self.state.as_ref(), name).await?;
        let (old, old_revision) = match to {
            Some(to) => {
                let found = kept.iter().find(|(_, revision)| *revision == to);
                found.ok_or_else(|| Error::NoRevision {
                    name: name.clone(),
                    asked: Some(to),
                })?
            }
            None => decide::way_back(&now, current, &kept)?,
        };
        let heard = self.heard().await?;
        let back = |trigger: &Trigger, _| {
            let back = decide::rollback(trigger, old, *old_revision)?;
            decide::placeable(back, heard.live())
        };
        self.change(name, back, by).await
    }
}

/// The revisions of a trigger that are kept since its install, oldest first.
async fn kept(
    state: &dyn State,
    name: &TriggerName,
) -> Result<Vec<(Trigger, Revision)>, PortError> {
    let entries = state.history(Bucket::Triggers, name.as_str()).await?;
    let mut kept: Vec<(Trigger, Revision)> = entries
        .iter()
        .filter_map(|entry| Some((decode(entry).ok()?, entry.revision)))
        .collect();
    let installed_at = kept.last().map(|(trigger, _)| trigger.installed_at);
    kept.retain(|(trigger, _)| Some(trigger.installed_at) == installed_at);
    Ok(kept)
}

/// What an agent found of an update on probation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probation {
    /// It held.
    Held,
    /// It did not, for this reason.
    Failed(String),
}

/// Ends the probation of an update: confirms it, or takes it back, with its place in the event log. Nothing is done if the
/// trigger has changed since `revision`. Answers whether something was.
///
/// # Errors
/// If the state cannot be read or written; the same may work later. If the place in the log could not be changed after that.
pub async fn end_probation(
    state: &dyn State,
    events: &dyn EventLog,
    clock: &dyn Clock,
    (trigger, revision): (&Trigger, Revision),
    found: &Probation,
    by: &str,
) -> Result<bool, PortError> {
    let now = clock.now();
    let (mut next, what) = match found {
        Probation::Held => decide::confirm(trigger, revision),
        Probation::Failed(why) => {
            let kept = kept(state, &trigger.name).await?;
            let fallback = kept.iter().find(|(_, at)| Some(*at) == trigger.fallback);
            match fallback {
                Some((to, at)) => decide::reject(trigger, revision, (to, *at), why, now),
                // Too many changes since: there is nothing to go back to any more.
                None => decide::keep(trigger, revision, why),
            }
        }
    };
    next.change = Change {
        what,
        by: by.to_owned(),
        at: now,
    };
    let key = trigger.name.as_str();
    match state
        .update(Bucket::Triggers, key, encode(&next), revision)
        .await
    {
        Ok(_) if next.manifest != trigger.manifest => {
            subscribe(events, &next).await?;
            Ok(true)
        }
        Ok(_) => Ok(true),
        Err(PortError::Conflict { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}
