//! What commands answer. The words of `status` are those that existing clients know.

use crate::desk;
use belfry_mesh::EventId;
use belfry_mesh::control::{Done, RunState};
use serde::Serialize;
use utoipa::ToSchema;

/// A trigger or an mcp that was installed, or was already.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Installed {
    pub(crate) status: InstalledStatus,
    /// Its name.
    pub(crate) name: String,
    /// The version of its package.
    pub(crate) version: String,
    /// The name of its first container.
    pub(crate) container_name: String,
    /// The registry that its package came from.
    pub(crate) registry: String,
    /// How it is after the wait for its start.
    #[schema(value_type = super::shape::RunState)]
    pub(crate) state: RunState,
    /// The revision that this made; where nothing was changed, the one that is there.
    pub(crate) revision: u64,
    /// Where the gateway takes its deliveries, for a webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) webhook_path: Option<String>,
    /// Why it does not run, in words, when there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InstalledStatus {
    /// It was installed.
    Installed,
    /// The same was there, and nothing was changed.
    AlreadyInstalled,
}

/// A trigger or an mcp that should run otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    pub(crate) status: ChangedStatus,
    /// Its name.
    pub(crate) name: String,
    /// How it is after the wait for the change.
    #[schema(value_type = super::shape::RunState)]
    pub(crate) state: RunState,
    /// The revision that this made; where nothing was changed, the one that is there.
    pub(crate) revision: u64,
    /// Why it is not as it should be, in words, when there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangedStatus {
    Started,
    Stopped,
    Restarted,
    Paused,
    Resumed,
    Scaled,
}

/// A trigger or an mcp whose package was to have another version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Updated {
    pub(crate) status: UpdatedStatus,
    /// Its name.
    pub(crate) name: String,
    /// The version that it has now.
    pub(crate) version: String,
    /// The version that it had.
    pub(crate) old_version: String,
    /// The version that it was given, even if that was taken back.
    pub(crate) new_version: String,
    /// How it is after the wait for the change.
    #[schema(value_type = super::shape::RunState)]
    pub(crate) state: RunState,
    /// The revision that this made; where nothing was changed, the one that is there.
    pub(crate) revision: u64,
    /// Why it is not as it should be, or why the new version was taken back, in words, when there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdatedStatus {
    /// It has a newer version now, or what was to be set is set.
    Updated,
    /// It had the newest version, and nothing was changed.
    AlreadyLatest,
    /// It has an earlier version again: because that was asked for, or because a new one did not hold, and `detail` says why.
    RolledBack,
    /// It had the version that was to be gone back to, or what was to be set, and nothing was changed.
    Unchanged,
}

/// A trigger or an mcp that was uninstalled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Uninstalled {
    pub(crate) status: UninstalledStatus,
    /// The name that it had.
    pub(crate) name: String,
    /// The last revision of it.
    pub(crate) revision: u64,
}

/// A node that was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Forgotten {
    pub(crate) status: ForgottenStatus,
    /// Its name.
    pub(crate) name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ForgottenStatus {
    Forgotten,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UninstalledStatus {
    Uninstalled,
}

/// A run that was stored and will happen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    pub(crate) status: AcceptedStatus,
    /// The event that it is.
    #[schema(value_type = String)]
    pub(crate) event_id: EventId,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AcceptedStatus {
    Accepted,
}

/// A replay that was stored and will happen, or was asked for already.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replayed {
    pub(crate) status: ReplayedStatus,
    /// The event that the replay is.
    #[schema(value_type = String)]
    pub(crate) event_id: EventId,
    /// The event that it repeats.
    #[schema(value_type = String)]
    pub(crate) replay_of: EventId,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplayedStatus {
    /// It is stored.
    Accepted,
    /// This replay was asked for before and has not had its outcome since: it is not repeated.
    Duplicate,
}

/// A dead letter that was discarded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Discarded {
    pub(crate) status: DiscardedStatus,
    /// The event that it was.
    #[schema(value_type = String)]
    pub(crate) event_id: EventId,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DiscardedStatus {
    Discarded,
}

impl Installed {
    pub(crate) fn new(done: Done) -> Self {
        let is = done.status;
        let status = if done.changed {
            InstalledStatus::Installed
        } else {
            InstalledStatus::AlreadyInstalled
        };
        let webhook_path = (is.trigger_type == "webhook").then(|| format!("/hooks/{}", is.name));
        Self {
            status,
            name: is.name,
            version: is.version,
            container_name: is.container_name,
            registry: is.registry,
            state: is.state,
            revision: done.revision,
            webhook_path,
            detail: is.detail,
        }
    }
}

impl Changed {
    pub(crate) fn new(status: ChangedStatus, done: Done) -> Self {
        let is = done.status;
        Self {
            status,
            name: is.name,
            state: is.state,
            revision: done.revision,
            detail: is.detail,
        }
    }
}

impl Updated {
    pub(crate) fn new(status: UpdatedStatus, done: Done) -> Self {
        let why = desk::taken_back(&done);
        let is = done.status;
        let given = is.rejected.filter(|_| why.is_some());
        let old_version = done.before.map_or_else(
            || is.version.clone(),
            |before| before.manifest.version().to_string(),
        );
        Self {
            status,
            name: is.name,
            new_version: given.map_or_else(|| is.version.clone(), |given| given.version),
            version: is.version,
            old_version,
            state: is.state,
            revision: done.revision,
            detail: why.or(is.detail),
        }
    }
}
