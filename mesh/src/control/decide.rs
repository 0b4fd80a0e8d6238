//! The pure part of the commands: what the desired state becomes.

use super::{Error, Install};
use crate::name::TriggerName;
use crate::package::Source;
use crate::port::log::Subscription;
use crate::port::packages::Found;
use crate::signature::SecretRef;
use crate::trigger::{Change, Desired, Trigger};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a delivery stays its holder's without a sign of life: three heartbeats of the pump may be missed.
const CLAIM: Duration = Duration::from_secs(30);

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
    if request.auth.is_some() && !matches!(manifest.source(), Source::Webhook(_)) {
        return Err(Error::Unfit(format!(
            "`auth` is for webhooks, and package `{}` takes its events from: {}",
            manifest.name(),
            manifest.source().kind()
        )));
    }
    let trigger = Trigger {
        name,
        registry,
        target: request.target,
        user_config: request.config,
        auth: request.auth,
        desired: Desired::Running,
        restarts: 0,
        leaving: false,
        installed_at: now,
        change: Change {
            what: format!("installed {}", manifest.version()),
            by: by.to_owned(),
            at: now,
        },
        manifest,
    };
    check_config(&trigger)?;
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
        let (kind, id) = existing.target.environment();
        format!("the same package with {}=`{id}`", kind.to_lowercase())
    } else if existing.user_config != asked.user_config || existing.auth != asked.auth {
        "the same package with another configuration".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::NameTaken {
        name: existing.name.clone(),
        what: differs,
    })
}

/// What becomes of a trigger that should run or not.
pub(super) fn desire(trigger: &Trigger, desired: Desired, what: &str) -> Result<Decision, Error> {
    if trigger.desired == desired {
        return Ok(Decision::Keep);
    }
    Ok(Decision::Write(
        Box::new(Trigger {
            desired,
            ..trigger.clone()
        }),
        what.to_owned(),
    ))
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
    let restarts = trigger.restarts + 1;
    let restarted = Trigger {
        desired: Desired::Running,
        restarts,
        ..trigger.clone()
    };
    Ok(Decision::Write(Box::new(restarted), "restarted".to_owned()))
}

/// What becomes of a trigger whose newest package is this.
pub(super) fn update(trigger: &Trigger, newest: &Found) -> Result<Decision, Error> {
    let (old, new) = (trigger.manifest.version(), newest.manifest.version());
    if new <= old {
        return Ok(Decision::Keep);
    }
    let updated = Trigger {
        manifest: newest.manifest.clone(),
        registry: newest.registry.clone(),
        ..trigger.clone()
    };
    check_config(&updated)?;
    Ok(Decision::Write(
        Box::new(updated),
        format!("updated {old} to {new}"),
    ))
}

/// The place in the event log that a trigger needs.
#[must_use]
pub fn subscription(trigger: &Trigger) -> Subscription {
    let signals = match trigger.manifest.source() {
        Source::Event { pattern, .. } => vec![pattern.clone()],
        Source::Webhook(_) | Source::Schedule { .. } | Source::Manual => Vec::new(),
    };
    Subscription {
        trigger: trigger.name.clone(),
        signals,
        claim: CLAIM,
    }
}

/// A secret in the configuration would be in the state, in its history and in every answer: only its name may be.
fn check_config(trigger: &Trigger) -> Result<(), Error> {
    let secrets = trigger.manifest.secrets();
    let literal = |(key, value): (&String, &String)| {
        (secrets.iter().any(|name| name == key) && SecretRef::parse(value).is_err())
            .then(|| key.clone())
    };
    if let Some(key) = trigger.user_config.iter().find_map(literal) {
        return Err(Error::Unfit(format!(
            "config `{key}` is a secret and must not be given in plain text: set it on the nodes under a name of your \
             choice and give `{key}=${{THAT_NAME}}`"
        )));
    }
    check_keys(&trigger.user_config)
}

fn check_keys(config: &BTreeMap<String, String>) -> Result<(), Error> {
    let is_variable = |key: &str| {
        !key.is_empty()
            && !key.starts_with(|c: char| c.is_ascii_digit())
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    match config.keys().find(|key| !is_variable(key)) {
        Some(key) => Err(Error::Unfit(format!(
            "config `{key}` cannot be an environment variable: use letters, digits and `_`, not beginning with a digit"
        ))),
        None => Ok(()),
    }
}
