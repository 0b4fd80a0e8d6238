//! The pure part of the commands: what the desired state becomes.

mod config;

use super::{Error, Hook, Install};
use crate::name::TriggerName;
use crate::node::Node;
use crate::package::{Kind, Source};
use crate::placement::{Unfit as Misfit, fits};
use crate::port::log::Subscription;
use crate::port::packages::Found;
use crate::target;
use crate::trigger::{Change, Desired, MAX_REPLICAS, Rejected, Trigger};
use jiff::Timestamp;
use std::time::Duration;

/// How long a delivery stays its holder's without a sign of life: two renewals of the pump may be missed. It is the default
/// time to live of a slot's lease too, so that what a dead holder had in flight is free when its slot is.
const CLAIM: Duration = Duration::from_secs(10);

/// What a command does to the desired state.
pub(super) enum Decision {
    /// It is so already.
    Keep,
    /// Write this, and say this of it.
    Write(Box<Trigger>, String),
}

/// The trigger that an install request makes of a package.
pub(super) fn install(
    request: Install,
    found: Found,
    by: &str,
    now: Timestamp,
) -> Result<Trigger, Error> {
    let Found { registry, manifest } = found;
    let name = match request.name {
        Some(name) => name,
        None => TriggerName::parse(manifest.name().as_str())?,
    };
    check_kind(request.kind, manifest.kind(), manifest.name().as_str())?;
    let target = match (manifest.kind(), request.target) {
        (Kind::Trigger, None) => return Err(target::Error::Missing.into()),
        (Kind::Mcp, Some(_)) => {
            return Err(Error::Unfit(format!(
                "`{}` is an mcp, which runs no workflow and no team: leave workflow_id and team_id out",
                manifest.name()
            )));
        }
        (_, target) => target,
    };
    let trigger = Trigger {
        name,
        registry,
        target,
        user_config: request.config,
        auth: request.auth,
        rate_limit: request.rate_limit,
        allow_ips: request.allow_ips,
        desired: Desired::Running,
        replicas: check_replicas(request.replicas.unwrap_or(1))?,
        constraints: request.constraints,
        containers: None,
        fallback: None,
        rejected: None,
        leaving: false,
        installed_at: now,
        change: Change {
            what: format!("installed {}", manifest.version()),
            by: by.to_owned(),
            at: now,
        },
        manifest,
    };
    config::check(&trigger)?;
    Ok(trigger)
}

/// Whether a trigger that is there is what an install asks for.
pub(super) fn same_install(existing: &Trigger, asked: &Trigger) -> Result<(), Error> {
    let differs = if existing.leaving {
        "a trigger that is being uninstalled (uninstall it again if that does not come to an end)"
            .to_owned()
    } else if existing.manifest.name() != asked.manifest.name() {
        format!("package `{}`", existing.manifest.name())
    } else if existing.manifest.version() != asked.manifest.version() {
        format!(
            "version {} of the same package (`belfry update` changes it)",
            existing.manifest.version()
        )
    } else if existing.target != asked.target {
        let target = existing.target.as_ref().map(target::Target::environment);
        let (kind, id) = target.unwrap_or(("target", "none"));
        format!("the same package with {}=`{id}`", kind.to_lowercase())
    } else if existing.user_config != asked.user_config {
        "the same package with another configuration".to_owned()
    } else if !same_hook(existing, asked) {
        "the same package with another auth, rate_limit or allow_ips (`belfry update` changes them)"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Error::NameTaken {
        name: existing.name.clone(),
        what: differs,
    })
}

fn same_hook(one: &Trigger, other: &Trigger) -> bool {
    one.auth == other.auth && one.rate_limit == other.rate_limit && one.allow_ips == other.allow_ips
}

/// What becomes of a trigger whose hook is to be set otherwise.
pub(super) fn set_hook(trigger: &Trigger, revision: u64, hook: &Hook) -> Result<Decision, Error> {
    let set = Trigger {
        auth: hook.auth.over(trigger.auth.as_ref()),
        rate_limit: hook.rate_limit.over(trigger.rate_limit.as_ref()),
        allow_ips: hook.allow_ips.over(trigger.allow_ips.as_ref()),
        ..same_containers(trigger, revision)
    };
    config::check(&set)?;
    let changed: Vec<&str> = [
        (set.auth != trigger.auth, "auth"),
        (set.rate_limit != trigger.rate_limit, "rate_limit"),
        (set.allow_ips != trigger.allow_ips, "allow_ips"),
    ]
    .into_iter()
    .filter_map(|(changed, key)| changed.then_some(key))
    .collect();
    if changed.is_empty() {
        return Ok(Decision::Keep);
    }
    let what = format!("changed {}", changed.join(", "));
    Ok(Decision::Write(Box::new(set), what))
}

/// What becomes of a trigger that should run or not. `revision` is that of its record.
pub(super) fn desire(
    trigger: &Trigger,
    revision: u64,
    desired: Desired,
    what: &str,
) -> Result<Decision, Error> {
    if trigger.desired == desired {
        return Ok(Decision::Keep);
    }
    let desired = Trigger {
        desired,
        ..same_containers(trigger, revision)
    };
    Ok(Decision::Write(Box::new(desired), what.to_owned()))
}

/// What becomes of a trigger that should run or not have events: only one that runs can pause, only one that pauses go on.
pub(super) fn pause(trigger: &Trigger, revision: u64, pause: bool) -> Result<Decision, Error> {
    match (trigger.desired, pause) {
        (Desired::Stopped, _) => Err(Error::Unfit(format!(
            "`{}` is stopped; start it first (`belfry start {}`)",
            trigger.name, trigger.name
        ))),
        (_, true) => desire(trigger, revision, Desired::Paused, "paused"),
        (_, false) => desire(trigger, revision, Desired::Running, "resumed"),
    }
}

/// What becomes of a trigger that should have so many slots.
pub(super) fn scale(trigger: &Trigger, revision: u64, replicas: u32) -> Result<Decision, Error> {
    let replicas = check_replicas(replicas)?;
    if trigger.replicas == replicas {
        return Ok(Decision::Keep);
    }
    let scaled = Trigger {
        replicas,
        ..same_containers(trigger, revision)
    };
    let what = format!("scaled from {} to {replicas}", trigger.replicas);
    Ok(Decision::Write(Box::new(scaled), what))
}

/// The trigger in a new revision that its containers need not be made anew for.
fn same_containers(trigger: &Trigger, revision: u64) -> Trigger {
    Trigger {
        containers: Some(trigger.container_revision(revision)),
        ..trigger.clone()
    }
}

/// What becomes of a trigger that is to be uninstalled.
pub(super) fn leave(trigger: &Trigger) -> Result<Decision, Error> {
    if trigger.leaving {
        return Ok(Decision::Keep);
    }
    let leaving = Trigger {
        leaving: true,
        ..trigger.clone()
    };
    Ok(Decision::Write(Box::new(leaving), "uninstalled".to_owned()))
}

/// What becomes of a trigger that should start anew.
pub(super) fn restart(trigger: &Trigger) -> Result<Decision, Error> {
    let restarted = Trigger {
        desired: Desired::Running,
        containers: None,
        ..trigger.clone()
    };
    Ok(Decision::Write(Box::new(restarted), "restarted".to_owned()))
}

/// What becomes of a trigger whose newest package is this. It is on probation: the revision before it is gone back to if it does
/// not hold; of two updates in a row, if the first has not proved itself, the one before both.
pub(super) fn update(trigger: &Trigger, revision: u64, newest: &Found) -> Result<Decision, Error> {
    let (old, new) = (trigger.manifest.version(), newest.manifest.version());
    if new <= old {
        return Ok(Decision::Keep);
    }
    check_kind(
        trigger.kind(),
        newest.manifest.kind(),
        newest.manifest.name().as_str(),
    )?;
    let updated = Trigger {
        manifest: newest.manifest.clone(),
        registry: newest.registry.clone(),
        containers: None,
        fallback: trigger.fallback.or(Some(revision)),
        rejected: None,
        ..trigger.clone()
    };
    config::check(&updated)?;
    Ok(Decision::Write(
        Box::new(updated),
        format!("updated {old} to {new}"),
    ))
}

/// What becomes of a trigger whose operator wants the package back that it had in the revision `to`. Its configuration stays as
/// it is now, its auth and limits with it: a secret that was given up does not come back with a package.
pub(super) fn rollback(
    trigger: &Trigger,
    to: &Trigger,
    to_revision: u64,
) -> Result<Decision, Error> {
    if to.manifest == trigger.manifest {
        return Ok(Decision::Keep);
    }
    let back = Trigger {
        manifest: to.manifest.clone(),
        registry: to.registry.clone(),
        containers: None,
        fallback: None,
        rejected: None,
        ..trigger.clone()
    };
    config::check(&back)?;
    let what = format!(
        "rolled back from {} to {} (revision {to_revision})",
        trigger.manifest.version(),
        to.manifest.version()
    );
    Ok(Decision::Write(Box::new(back), what))
}

/// What becomes of a trigger whose update did not hold: the package of its fallback again, and the containers of that time where
/// they still are.
pub(super) fn reject(
    trigger: &Trigger,
    revision: u64,
    fallback: (&Trigger, u64),
    why: &str,
    now: Timestamp,
) -> (Trigger, String) {
    let (to, to_revision) = fallback;
    let version = trigger.manifest.version().to_string();
    let what = format!(
        "rolled back from {version} to {} by itself: {why}",
        to.manifest.version()
    );
    let back = Trigger {
        manifest: to.manifest.clone(),
        registry: to.registry.clone(),
        containers: Some(to.container_revision(to_revision)),
        fallback: None,
        rejected: Some(Rejected {
            revision,
            version,
            why: why.to_owned(),
            at: now,
        }),
        ..trigger.clone()
    };
    (back, what)
}

/// What becomes of a trigger whose update held.
pub(super) fn confirm(trigger: &Trigger, revision: u64) -> (Trigger, String) {
    let confirmed = Trigger {
        fallback: None,
        ..same_containers(trigger, revision)
    };
    let what = format!("the update to {} held", trigger.manifest.version());
    (confirmed, what)
}

/// What becomes of a trigger whose update did not hold, and that has nothing to go back to: it keeps what it has, and says so.
pub(super) fn keep(trigger: &Trigger, revision: u64, why: &str) -> (Trigger, String) {
    let (kept, _) = confirm(trigger, revision);
    let what = format!(
        "the update to {} did not hold: {why}; the revision to go back to is no longer kept",
        trigger.manifest.version()
    );
    (kept, what)
}

/// The revision to go back to where none is named: the last with another package, but for one that did not hold.
pub(super) fn way_back<'a>(
    now: &Trigger,
    current: u64,
    kept: &'a [(Trigger, u64)],
) -> Result<&'a (Trigger, u64), Error> {
    let rejected = now.rejected.as_ref();
    let bad = rejected.and_then(|rejected| kept.iter().find(|(_, at)| *at == rejected.revision));
    let earlier = kept.iter().rev().filter(|(_, at)| *at < current);
    let mut others = earlier.filter(|(trigger, _)| trigger.manifest != now.manifest);
    let found =
        others.find(|(trigger, _)| bad.is_none_or(|(bad, _)| bad.manifest != trigger.manifest));
    found.ok_or_else(|| match (bad, rejected) {
        (Some(_), Some(rejected)) => Error::RolledBack {
            name: now.name.clone(),
            version: rejected.version.clone(),
            revision: rejected.revision,
        },
        _ => Error::NoRevision {
            name: now.name.clone(),
            asked: None,
        },
    })
}

/// Refuses a change to what no live node may run, ever: none is as it asks. Where there is no node, none is known to be unlike.
pub(super) fn placeable<'a>(
    decision: Decision,
    nodes: impl IntoIterator<Item = &'a Node>,
) -> Result<Decision, Error> {
    let Decision::Write(trigger, _) = &decision else {
        return Ok(decision);
    };
    let mut reasons = Vec::new();
    for node in nodes {
        match fits(trigger, node) {
            Err(why @ Misfit::Constraint(_)) => {
                reasons.push(format!("node `{}` {why}", node.name));
            }
            // What else there is against it may pass.
            Ok(()) | Err(_) => return Ok(decision),
        }
    }
    if reasons.is_empty() {
        return Ok(decision);
    }
    Err(Error::Unfit(format!(
        "no node may run `{}` with version {} of its package: {}",
        trigger.name,
        trigger.manifest.version(),
        reasons.join(", ")
    )))
}

/// The place in the event log that a trigger needs.
#[must_use]
pub fn subscription(trigger: &Trigger) -> Subscription {
    let signals = match trigger.manifest.source() {
        Source::Event { pattern, .. } => vec![pattern.clone()],
        Source::Webhook(_) | Source::Schedule { .. } | Source::Manual | Source::None => Vec::new(),
    };
    Subscription {
        trigger: trigger.name.clone(),
        signals,
        claim: CLAIM,
    }
}

fn check_kind(asked: Kind, found: Kind, package: &str) -> Result<(), Error> {
    if asked == found {
        return Ok(());
    }
    Err(Error::Unfit(format!(
        "package `{package}` is of type `{}`, not `{}`",
        found.as_str(),
        asked.as_str()
    )))
}

fn check_replicas(replicas: u32) -> Result<u32, Error> {
    if (1..=MAX_REPLICAS).contains(&replicas) {
        return Ok(replicas);
    }
    Err(Error::Unfit(format!(
        "{replicas} replicas are not possible: 1 to {MAX_REPLICAS} are (`belfry stop` makes it run none)"
    )))
}

#[cfg(test)]
mod tests;
