//! What is set for hooks: how deliveries are verified, how many are taken, and from where.

use super::Desk;
use crate::answer::{Update, Updated, UpdatedStatus};
use crate::api::Refusal;
use belfry_mesh::TriggerName;
use belfry_mesh::control::{Hook, Setting};
use belfry_mesh::package::Kind;
use belfry_mesh::signature::Auth;
use belfry_mesh::trigger::{AllowIps, RateLimit};
use serde::Deserialize;
use serde_json::Value;

impl Desk {
    /// Sets what is said of a trigger's hook.
    pub(super) async fn set_hook(
        &self,
        kind: Kind,
        name: TriggerName,
        registry: Option<String>,
        hook: Hook,
        by: String,
    ) -> Result<Updated, Refusal> {
        if registry.is_some() {
            return Err(Refusal::bad_request(
                "`registry_id` says where a newer package is taken from, and with `auth`, `rate_limit` or `allow_ips` the package \
                 stays as it is: do one after the other",
            ));
        }
        let control = self.control.of(kind);
        let command = async move { Ok(control.set_hook(&name, &hook, &by).await?) };
        let done = self.commands.see_through(command).await?;
        let status = match done.changed {
            true => UpdatedStatus::Updated,
            false => UpdatedStatus::Unchanged,
        };
        Ok(Updated::new(status, done))
    }
}

/// What an update sets.
pub(super) fn read(update: Update) -> Result<Hook, Refusal> {
    Ok(Hook {
        auth: setting(update.auth, auth)?,
        rate_limit: setting(update.rate_limit, rate_limit)?,
        allow_ips: setting(update.allow_ips, allow_ips)?,
    })
}

fn setting<T>(
    said: Option<Value>,
    read: impl Fn(Value) -> Result<T, Refusal>,
) -> Result<Setting<T>, Refusal> {
    match said {
        None => Ok(Setting::Keep),
        Some(Value::Null) => Ok(Setting::OfPackage),
        Some(value) => read(value).map(Setting::Own),
    }
}

pub(super) fn auth(value: Value) -> Result<Auth, Refusal> {
    // The parser would repeat what it found, which may be the secret itself.
    if !value.is_object() {
        let detail =
            "`auth` must be an object such as `{\"scheme\": \"github\", \"secret\": \"${NAME}\"}`";
        return Err(Refusal::bad_request(detail));
    }
    Auth::deserialize(value).map_err(|error| {
        Refusal::bad_request(format!(
            "`auth` cannot be taken: {error} (`belfry schemes` says what each scheme needs)"
        ))
    })
}

pub(super) fn rate_limit(value: Value) -> Result<RateLimit, Refusal> {
    RateLimit::try_from(value).map_err(|error| Refusal::bad_request(error.to_string()))
}

pub(super) fn allow_ips(value: Value) -> Result<AllowIps, Refusal> {
    AllowIps::try_from(value).map_err(|error| Refusal::bad_request(error.to_string()))
}
