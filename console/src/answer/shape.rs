//! What the mesh's own types look like as JSON, for the OpenAPI document: the mesh knows nothing of OpenAPI. A test keeps the two in
//! step.
#![expect(dead_code, reason = "these types are descriptions and are never made")]

use jiff::Timestamp;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How a trigger is.
#[derive(ToSchema)]
pub(crate) struct Trigger {
    /// Its name.
    name: String,
    /// The version of its package.
    version: String,
    /// The registry that its package came from.
    registry: String,
    /// The name of its first container.
    container_name: String,
    state: RunState,
    /// Whether it runs.
    running: bool,
    /// When it was installed.
    installed_at: Timestamp,
    /// Where its events come from.
    trigger_type: String,
    /// Its package, whole.
    #[schema(value_type = Object)]
    package: (),
    /// The environment that its installer set. Secrets by name only.
    user_config: BTreeMap<String, String>,
    desired: Desired,
    target: Target,
    /// The revision of its desired state.
    revision: u64,
    /// What made that revision.
    change: String,
    /// Why it does not run, in words, when there is something to say.
    #[schema(required = false)]
    detail: Option<String>,
    /// What its holders report, by slot.
    slots: BTreeMap<String, Slot>,
}

/// How a trigger is, in one word: it runs; its container is there and does not run; no node has a container for it.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum RunState {
    Running,
    Exited,
    ContainerMissing,
}

/// Whether it should run.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Desired {
    Running,
    Stopped,
}

/// What a trigger runs.
#[derive(ToSchema)]
pub(crate) enum Target {
    /// A workflow of the orchestrator, by its id.
    #[schema(rename = "workflow_id")]
    Workflow(String),
    /// A team of agents of the orchestrator, by its id.
    #[schema(rename = "team_id")]
    Team(String),
}

/// What an agent reports of one replica of a trigger.
#[derive(ToSchema)]
pub(crate) struct Slot {
    /// The node that holds it.
    node: String,
    /// The fencing token of its lease.
    token: u64,
    /// The revision that the report is about.
    revision: u64,
    state: SlotState,
    /// The revision that events are pumped into: while a new one does not get healthy, the one before it.
    #[schema(required = false)]
    serving: Option<u64>,
    /// Why, in words, when there is something to say.
    #[schema(required = false)]
    detail: Option<String>,
    /// The container's name.
    #[schema(required = false)]
    container_name: Option<String>,
    /// Since when it is so.
    since: Timestamp,
}

/// The state of a replica.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum SlotState {
    /// Being created, or not healthy yet.
    Starting,
    /// Healthy, and events are pumped into it.
    Running,
    /// It cannot run, and `detail` says why. It is tried again.
    Error,
    /// Stopped, as desired.
    Stopped,
}

/// What became of one attempt to run a trigger for an event.
#[derive(ToSchema)]
pub(crate) struct Outcome {
    /// The event.
    event_id: String,
    /// The trigger that it was for.
    trigger: String,
    /// Which attempt it was, from 1.
    attempt: u32,
    status: OutcomeStatus,
    /// Why it was ignored, retried or given up, in words.
    #[schema(required = false)]
    reason: Option<String>,
    /// The HTTP status that the trigger container answered with; none if it did not answer.
    #[schema(required = false)]
    http_status: Option<u16>,
    /// The orchestrator's name for the run.
    #[schema(required = false)]
    execution_id: Option<String>,
    /// How long the trigger took to answer, in milliseconds.
    latency_ms: u64,
    /// When the attempt ended.
    at: Timestamp,
    /// When the next attempt is due, for one that is tried again.
    #[schema(required = false)]
    retry_at: Option<Timestamp>,
    by: Holder,
}

/// What became of an attempt.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum OutcomeStatus {
    /// The target runs.
    Triggered,
    /// The trigger's filter or conditions did not want the event.
    Ignored,
    /// The attempt failed and another will be made.
    Retrying,
    /// The attempt failed and no other will be made.
    Dead,
}

/// Who held the slot that made an attempt.
#[derive(ToSchema)]
pub(crate) struct Holder {
    /// The node.
    node: String,
    /// Which replica of the trigger.
    slot: u32,
    /// The fencing token of the lease under which the slot was held.
    token: u64,
    /// The trigger's revision that ran.
    revision: u64,
}

/// A line of the catalogue.
#[derive(ToSchema)]
pub(crate) struct Package {
    /// The package's name.
    name: String,
    /// Its newest version.
    version: String,
    /// All versions, newest first.
    versions: Vec<String>,
    /// What it is for.
    description: String,
    /// Who published it.
    publisher: String,
    /// The source of its events.
    trigger_type: String,
    /// The id of the registry that has it.
    registry: String,
}

/// How the console says no: problem details of RFC 9457.
#[derive(ToSchema)]
pub(crate) struct Problem {
    /// The HTTP status.
    status: u16,
    /// The status' phrase.
    title: String,
    /// What happened, where, and what to do.
    detail: String,
}
