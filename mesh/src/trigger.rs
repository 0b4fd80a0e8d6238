//! Triggers: the desired state that operators write, and the observed state that agents report.

mod limits;

pub use limits::{AllowIps, RateLimit};

use crate::limit::Rate;
use crate::name::{NodeName, TriggerName};
use crate::package::{Kind, Manifest, Webhook};
use crate::placement::Constraint;
use crate::signature::{Auth, SecretRef};
use crate::target::Target;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An installed instance of a package: what should be. Its revision is that of its key in the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name, one a mesh.
    pub name: TriggerName,
    /// The registry that the package came from.
    pub registry: String,
    /// The package, whole, so that a trigger never depends on a registry after its install.
    pub manifest: Arc<Manifest>,
    /// What it runs. None of a package that takes no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Environment that the installer set over the package's own. References to secrets, never secrets.
    #[serde(default)]
    pub user_config: BTreeMap<String, String>,
    /// Verification that the installer set over the package's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How often its hook may be called, where the installer set that over the package's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Where its deliveries may come from, where the installer set that over the package's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_ips: Option<AllowIps>,
    /// Whether it should run.
    pub desired: Desired,
    /// How many slots it has, each with a container of its own.
    #[serde(default = "one")]
    pub replicas: u32,
    /// What its installer asks of a node, besides what the package does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// The revision that its containers are made from, where that is an earlier one: nothing changed since that a container is
    /// made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<u64>,
    /// The revision that it goes back to by itself if this one does not hold: of an update on probation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<u64>,
    /// The update that did not hold, until the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// It is being uninstalled: gateways and agents treat it as gone, and its name is free once its place in the event log is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// The change that made this revision.
    pub change: Change,
}

/// Whether a trigger should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// It should run.
    Running,
    /// Its container should, without events: they wait.
    Paused,
    /// It should not; its events wait.
    Stopped,
}

/// The most slots of a trigger.
pub const MAX_REPLICAS: u32 = 64;

fn one() -> u32 {
    1
}

/// An update that was taken back because it did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The revision that was taken back.
    pub revision: u64,
    /// The version of the package that it brought.
    pub version: String,
    /// Why it did not hold, in words.
    pub why: String,
    /// When it was taken back.
    pub at: Timestamp,
}

/// Who changed a trigger, when, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What was changed, in words: `installed 1.0.0`.
    pub what: String,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Trigger {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.manifest.kind()
    }

    /// The revision that its containers are made from; `revision` is that of this record.
    #[must_use]
    pub fn container_revision(&self, revision: u64) -> u64 {
        self.containers.unwrap_or(revision)
    }

    /// What it asks of a node: what its package does, and what its installer does.
    pub fn constraints(&self) -> impl Iterator<Item = &Constraint> {
        let package = &self.manifest.requirements().constraints;
        package.iter().chain(&self.constraints)
    }

    /// The memory that is set aside for each of its slots, in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.manifest.requirements().min_memory.unwrap_or_default()
    }

    /// How its deliveries are verified: what the installer said, else what the package says, else nothing.
    #[must_use]
    pub fn auth(&self) -> Option<&Auth> {
        self.auth.as_ref().or_else(|| self.manifest.source().auth())
    }

    /// How often its hook may be called: as the installer said, else as the package says, else as often as anyone likes.
    #[must_use]
    pub fn rate_limit(&self) -> Option<Rate> {
        let own = self.rate_limit.as_ref().map(RateLimit::rate);
        own.or_else(|| self.manifest.source().webhook()?.rate_limit)
    }

    /// Where its deliveries may come from: as the installer said, else as the package says, else anywhere.
    #[must_use]
    pub fn allow_ips(&self) -> Option<&AllowIps> {
        let own = self.allow_ips.as_ref();
        own.or_else(|| self.manifest.source().webhook()?.allow_ips.as_ref())
    }

    /// Whether its package leaves verification to the installer, who has said nothing: nothing can be verified then.
    #[must_use]
    pub fn lacks_auth(&self) -> bool {
        let asks = |webhook: &Webhook| webhook.auth_at_install;
        self.auth.is_none() && self.manifest.source().webhook().is_some_and(asks)
    }

    /// The name under which a node keeps the secret that the package calls `name`: the installer may give each instance of a
    /// package its own, by `config` such as `GITHUB_WEBHOOK_SECRET=${BILLING_REPO_SECRET}`.
    #[must_use]
    pub fn secret_name(&self, name: &str) -> String {
        let renamed = self
            .user_config
            .get(name)
            .and_then(|value| SecretRef::parse(value).ok());
        renamed.map_or_else(|| name.to_owned(), |reference| reference.name().to_owned())
    }
}

/// What an agent reports of a slot that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// The node that holds it.
    pub node: NodeName,
    /// The fencing token of its lease.
    pub token: u64,
    /// The revision that the report is about.
    pub revision: u64,
    /// What is.
    pub state: SlotState,
    /// The revision that events are pumped into: while a new one does not get healthy, the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<u64>,
    /// Why, in words, when there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The container's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// Since when it is so.
    pub since: Timestamp,
}

/// The state of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotState {
    /// Being created, or not healthy yet.
    Starting,
    /// Healthy, and events are pumped into it.
    Running,
    /// It cannot run, and `detail` says why. It is tried again.
    Error,
    /// Healthy, as desired without events.
    Paused,
    /// Stopped, as desired.
    Stopped,
}

impl SlotState {
    /// Whether its container is up and well.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}
