//! What commands take and answer. The words of `status` are those that existing clients know.

use belfry_mesh::EventId;
use belfry_mesh::control::{RunState, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a trigger is installed with. Exactly one of the two ids is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = InstallRequest)]
pub(crate) struct Install {
    /// The workflow that it runs.
    pub(crate) workflow_id: Option<String>,
    /// The team that it runs.
    pub(crate) team_id: Option<String>,
    /// The trigger's name, one a mesh: 1 to 63 lower-case letters, digits, `-` and `_`. The package's if none is given.
    pub(crate) name: Option<String>,
    /// Environment over the package's own. A secret is given by its name, as `${NAME}`.
    pub(crate) config: BTreeMap<String, String>,
    /// How a webhook's deliveries are verified, instead of the way that the package says: `scheme`, `secret` as `${NAME}`, and
    /// what else the scheme needs.
    #[schema(value_type = Option<Object>, example = json!({"scheme": "stripe", "secret": "${STRIPE_SECRET}"}))]
    pub(crate) auth: Option<Value>,
}

/// A trigger that was installed, or was already.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Installed {
    pub(crate) status: InstalledStatus,
    /// The trigger's name.
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
    /// The revision of its desired state.
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

/// A trigger that was started, stopped or restarted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    pub(crate) status: ChangedStatus,
    /// The trigger's name.
    pub(crate) name: String,
    /// How it is after the wait for the change.
    #[schema(value_type = super::shape::RunState)]
    pub(crate) state: RunState,
    /// The revision of its desired state.
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
}

/// A trigger whose package was updated, or was the newest already.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Updated {
    pub(crate) status: UpdatedStatus,
    /// The trigger's name.
    pub(crate) name: String,
    /// The version that it has now.
    pub(crate) version: String,
    /// The version that it had.
    pub(crate) old_version: String,
    /// The version that it has now.
    pub(crate) new_version: String,
    /// How it is after the wait for the change.
    #[schema(value_type = super::shape::RunState)]
    pub(crate) state: RunState,
    /// The revision of its desired state.
    pub(crate) revision: u64,
    /// Why it is not as it should be, in words, when there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdatedStatus {
    /// It has a newer version now.
    Updated,
    /// It had the newest version, and nothing was changed.
    AlreadyLatest,
}

/// A trigger that was uninstalled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Uninstalled {
    pub(crate) status: UninstalledStatus,
    /// The name that it had.
    pub(crate) name: String,
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
    pub(crate) fn new(changed: bool, is: Status) -> Self {
        let status = if changed {
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
            revision: is.revision,
            webhook_path,
            detail: is.detail,
        }
    }
}

impl Changed {
    pub(crate) fn new(status: ChangedStatus, is: Status) -> Self {
        Self {
            status,
            name: is.name,
            state: is.state,
            revision: is.revision,
            detail: is.detail,
        }
    }
}
