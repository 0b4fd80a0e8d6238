//! Health and readiness as the API shows them.

use serde::Serialize;
use utoipa::ToSchema;

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    pub(crate) status: HealthStatus,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HealthStatus {
    Up,
}

/// Whether what the console needs is there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    pub(crate) status: ReadyStatus,
    pub(crate) checks: Checks,
    /// How long the latest entry took from its log into the history, in milliseconds; none before the first one.
    pub(crate) history_lag_ms: Option<u64>,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReadyStatus {
    /// All is well.
    Ready,
    /// Commands work; the history is incomplete or late.
    Degraded,
    /// Commands do not work.
    Unavailable,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Checks {
    /// The event log.
    pub(crate) bus: Check,
    /// The state.
    pub(crate) state: Check,
    /// The history.
    pub(crate) history: Check,
}

/// How one thing is, the better before the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Check {
    Ok,
    /// It works, and is not where it should be yet.
    Behind,
    Unavailable,
}
