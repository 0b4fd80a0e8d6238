//! What decides whether a delivery is genuine, from a trigger's scheme and the secrets that are set here.

use belfry_mesh::signature::{Auth, Error, Scheme, SecretRef, Verifier};
use belfry_mesh::{Trigger, TriggerName};
use jiff::Timestamp;
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
        if trigger.lacks_auth() {
            let why = "its package leaves `auth` to the installer, who gave none; give it by `belfry update`";
            return Self::Misconfigured(why.to_owned());
        }
        let verifier = match door(trigger) {
            Some(auth) => Verifier::of(auth, |secret| set(trigger, secret, resolved).cloned()),
            None => Verifier::try_new(&Scheme::none(), Vec::new()),
        };
        let names: Vec<String> = secrets(trigger).collect();
        match verifier {
            Ok(verifier) => Self::Open(verifier),
            Err(Error::NoneSet { .. }) => {
                let unreadable =
                    |name: &String| matches!(resolved.get(name), Some(Resolved::NotReadable));
                let all = names.join("` or `");
                match names.iter().any(unreadable) {
                    true => Self::NotReadable(all),
                    false => Self::NotSet(all),
                }
            }
            Err(error) if names.is_empty() => Self::Misconfigured(error.to_string()),
            Err(error) => Self::Misconfigured(format!("secret `{}`: {error}", names.join("`, `"))),
        }
    }

    /// Why all deliveries are refused, in words, if they are.
    pub(super) fn refusing(&self) -> Option<String> {
        match self {
            Self::Open(_) => None,
            Self::NotSet(secret) => Some(format!("secret `{secret}` is not set")),
            Self::NotReadable(secret) => Some(format!("secret `{secret}` cannot be read")),
            Self::Misconfigured(why) => Some(why.clone()),
        }
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

/// When the last of the secrets that are set comes to its end, if each of them has one: from then on all is refused.
pub(super) fn end(trigger: &Trigger, resolved: &HashMap<String, Resolved>) -> Option<Timestamp> {
    let terms = door(trigger).into_iter().flat_map(Auth::terms);
    let set = terms.filter(|(secret, _)| set(trigger, secret, resolved).is_some());
    let ends: Option<Vec<Timestamp>> = set.map(|(_, end)| end).collect();
    ends?.into_iter().max()
}

fn set<'a>(
    trigger: &Trigger,
    secret: &SecretRef,
    resolved: &'a HashMap<String, Resolved>,
) -> Option<&'a SecretString> {
    match resolved.get(&trigger.secret_name(secret.name())) {
        Some(Resolved::Set(secret)) => Some(secret),
        Some(Resolved::NotSet | Resolved::NotReadable) | None => None,
    }
}

/// How a trigger's deliveries are verified, if it takes any.
fn door(trigger: &Trigger) -> Option<&Auth> {
    let webhook = trigger.manifest.source().webhook();
    webhook.and_then(|_| trigger.auth())
}

/// The names of the secrets that a trigger's deliveries are verified with, as this node knows them.
pub(super) fn secrets(trigger: &Trigger) -> impl Iterator<Item = String> {
    door(trigger)
        .into_iter()
        .flat_map(Auth::secrets)
        .map(|secret| trigger.secret_name(secret.name()))
}
