//! What decides whether a delivery is genuine, from a trigger's scheme and the secrets that are set here.

use belfry_mesh::package::Source;
use belfry_mesh::signature::{Auth, Scheme, Verifier};
use belfry_mesh::{Trigger, TriggerName};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;

/// What decides whether a delivery is genuine.
pub(crate) enum Gate {
    /// A verifier with its secrets.
    Open(Verifier),
    /// None of its secrets, which have these names, is set here. All is refused.
    NotSet(String),
    /// Its secrets, which have these names, could not be read. All is refused, through no fault of the sender's.
    NotReadable(String),
    /// The scheme does not work with the secrets that are set. All is refused.
    Misconfigured(String),
}

/// What a name of a secret stands for at the moment.
pub(super) enum Resolved {
    Set(SecretString),
    NotSet,
    NotReadable,
}

impl Gate {
    /// What decides on the deliveries of a trigger. One secret that is set is enough: while a secret is rotated the other may be
    /// gone.
    pub(super) fn of(trigger: &Trigger, resolved: &HashMap<String, Resolved>) -> Self {
        let names: Vec<String> = secrets(trigger).collect();
        let mut set = Vec::new();
        let mut readable = true;
        for name in &names {
            match resolved.get(name) {
                Some(Resolved::Set(secret)) => set.push(secret.clone()),
                Some(Resolved::NotReadable) => readable = false,
                Some(Resolved::NotSet) | None => {}
            }
        }
        if set.is_empty() && !names.is_empty() {
            let names = names.join("` or `");
            return if readable {
                Self::NotSet(names)
            } else {
                Self::NotReadable(names)
            };
        }
        let verifier = match trigger.auth() {
            Some(auth) => Verifier::try_new(auth.scheme(), set),
            None => Verifier::try_new(&Scheme::none(), set),
        };
        verifier.map_or_else(
            |error| Self::Misconfigured(format!("secret `{}`: {error}", names.join("`, `"))),
            Self::Open,
        )
    }

    /// Says once what deliveries will be told each time.
    pub(super) fn log(&self, trigger: &TriggerName) {
        match self {
            Self::Open(_) => tracing::debug!(%trigger, "deliveries are taken"),
            Self::NotSet(secret) => {
                tracing::warn!(%trigger, secret, "the secret is not set here; all deliveries are refused until it is");
            }
            Self::NotReadable(secret) => {
                tracing::warn!(%trigger, secret, "the secret cannot be read; all deliveries are answered 503 until it can");
            }
            Self::Misconfigured(why) => {
                tracing::warn!(%trigger, why, "no delivery can be verified; all are refused");
            }
        }
    }
}

impl Resolved {
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Set(a), Self::Set(b)) => a.expose_secret() == b.expose_secret(),
            (Self::NotSet, Self::NotSet) | (Self::NotReadable, Self::NotReadable) => true,
            _ => false,
        }
    }
}

/// The names of the secrets that a trigger's deliveries are verified with, as this node knows them.
pub(super) fn secrets(trigger: &Trigger) -> impl Iterator<Item = String> {
    let auth = match trigger.manifest.source() {
        Source::Webhook(_) => trigger.auth(),
        _ => None,
    };
    auth.into_iter()
        .flat_map(Auth::secrets)
        .map(|secret| trigger.secret_name(secret.name()))
}
