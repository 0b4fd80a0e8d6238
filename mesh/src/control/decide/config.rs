//! What an installer may set over a package's own.

use super::super::Error;
use crate::signature::{SecretRef, schemes};
use crate::trigger::Trigger;
use std::collections::BTreeMap;

/// Refuses what a trigger's package cannot be used with.
pub(super) fn check(trigger: &Trigger) -> Result<(), Error> {
    check_secrets(trigger)?;
    check_keys(&trigger.user_config)?;
    check_hook(trigger)
}

/// Only what takes webhooks has a hook, and one that nobody can verify is none.
fn check_hook(trigger: &Trigger) -> Result<(), Error> {
    let package = trigger.manifest.name();
    let source = trigger.manifest.source();
    let set = [
        (trigger.auth.is_some(), "auth"),
        (trigger.rate_limit.is_some(), "rate_limit"),
        (trigger.allow_ips.is_some(), "allow_ips"),
    ];
    if source.webhook().is_none()
        && let Some((_, key)) = set.into_iter().find(|(is_set, _)| *is_set)
    {
        return Err(Error::Unfit(format!(
            "`{key}` is for webhooks, and package `{package}` takes its events from: {}",
            source.kind()
        )));
    }
    if trigger.lacks_auth() {
        let names: Vec<&str> = schemes().iter().map(|scheme| scheme.name).collect();
        return Err(Error::Unfit(format!(
            "package `{package}` takes any provider's deliveries, so its installer must say how they are verified: give `auth`, \
             such as {{\"scheme\": \"stripe\", \"secret\": \"${{STRIPE_WEBHOOK_SECRET}}\"}}; schemes: {}; `belfry schemes` \
             says what each needs",
            names.join(", ")
        )));
    }
    Ok(())
}

/// A secret in the configuration would be in the state, in its history and in every answer: only its name may be.
fn check_secrets(trigger: &Trigger) -> Result<(), Error> {
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
    Ok(())
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
