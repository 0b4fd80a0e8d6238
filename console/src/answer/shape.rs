//! What the mesh's own types look like as JSON, for the OpenAPI document: the mesh knows nothing of OpenAPI. A test keeps the two in
//! step.
#![expect(dead_code, reason = "these types are descriptions and are never made")]

use jiff::Timestamp;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How a trigger or an mcp is.
#[derive(ToSchema)]
pub(crate) struct Trigger {
    /// Its name.
    name: String,
    kind: Kind,
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
    /// How its deliveries are verified, by its installer's word or its package's. Secrets by name only.
    #[schema(value_type = Option<Object>, required = false)]
    auth: (),
    #[schema(required = false)]
    rate_limit: Option<RateLimit>,
    /// Where its deliveries may come from, by its installer's word or its package's; anywhere if it is not said.
    #[schema(required = false)]
    allow_ips: Option<Vec<String>>,
    /// Why its deliveries are all refused, and by which gateways.
    #[schema(required = false)]
    refusing: Vec<Refusing>,
    desired: Desired,
    /// How many slots it should have.
    replicas: u32,
    /// What its installer asks of a node.
    #[schema(required = false)]
    constraints: Vec<String>,
    #[schema(required = false)]
    target: Option<Target>,
    /// The revision of its desired state.
    revision: u64,
    /// What made that revision.
    change: String,
    #[schema(required = false)]
    rejected: Option<Rejected>,
    /// Why it does not run, in words, when there is something to say.
    #[schema(required = false)]
    detail: Option<String>,
    /// What its holders report, by slot; of one whose node is dead, what it said last.
    slots: BTreeMap<String, Slot>,
}

/// How often a hook may be called, over all gateways.
#[derive(ToSchema)]
pub(crate) struct RateLimit {
    /// How many deliveries are taken in a window: 1 to 1,000,000.
    requests: u32,
    /// The length of the window, in seconds: 1 to 86,400.
    window_seconds: f64,
    /// How many of them at once after a quiet time; all if it is not said.
    #[schema(required = false)]
    burst: Option<u32>,
}

/// Why deliveries to a trigger are all refused, and where.
#[derive(ToSchema)]
pub(crate) struct Refusing {
    /// Why, in words.
    why: String,
    /// The gateways that say so.
    gateways: Vec<String>,
}

/// How a gateway is.
#[derive(ToSchema)]
pub(crate) struct Gateway {
    /// Its name.
    name: String,
    /// The version of Belfry that it runs.
    version: String,
    /// Since when it runs, by its own clock.
    since: Timestamp,
    /// When it was last heard of, by the clock of the state.
    seen_at: Timestamp,
    #[schema(required = false)]
    spool: Option<Spool>,
    /// How long the oldest event in its spool has waited, in seconds.
    #[schema(required = false)]
    spool_age_seconds: Option<u64>,
    /// The triggers of which it refuses every delivery, and why, in words.
    refusing: BTreeMap<String, String>,
    /// What it does without meanwhile.
    degraded: Vec<String>,
}

/// What waits on a gateway's disk for the bus.
#[derive(ToSchema)]
pub(crate) struct Spool {
    /// How many events.
    records: u64,
    /// How many bytes they take.
    bytes: u64,
    /// When the oldest of them was received.
    #[schema(required = false)]
    oldest: Option<Timestamp>,
}

/// What a package is: a trigger, which takes events, or an mcp, a service that takes none.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Kind {
    Trigger,
    Mcp,
}

/// An update that did not hold and was taken back, until the next one.
#[derive(ToSchema)]
pub(crate) struct Rejected {
    /// The revision that was taken back.
    revision: u64,
    /// The version of the package that it brought.
    version: String,
    /// Why it did not hold, in words.
    why: String,
    /// When it was taken back.
    at: Timestamp,
}

/// How something is, in one word: it runs; its container is there and does not run; no node has a container for it.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum RunState {
    Running,
    Exited,
    ContainerMissing,
}

/// Whether it should run. Paused: its container should, without events.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Desired {
    Running,
    Paused,
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

/// What an agent reports of a slot: one replica.
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

/// The state of a slot.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum SlotState {
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
    kind: Kind,
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

/// A kept revision.
#[derive(ToSchema)]
pub(crate) struct Revision {
    /// Its number.
    revision: u64,
    /// Whether it is the present one.
    current: bool,
    /// What it changed, in words.
    what: String,
    /// Who asked for it.
    by: String,
    /// When.
    at: Timestamp,
    /// The version of the package.
    version: String,
    /// The registry that the package came from.
    registry: String,
    desired: Desired,
    /// How many slots it should have.
    replicas: u32,
}

/// How a node is.
#[derive(ToSchema)]
pub(crate) struct Node {
    /// Its name.
    name: String,
    /// Whether its agent was heard of lately.
    live: bool,
    availability: Availability,
    #[schema(required = false)]
    change: Option<Change>,
    /// The version of Belfry that it runs.
    version: String,
    /// The runtime that it runs containers in.
    runtime: String,
    /// What placement may ask for.
    labels: BTreeMap<String, String>,
    capacity: Capacity,
    used: Load,
    /// When its agent was last heard of, by the clock of the state.
    seen_at: Timestamp,
    /// The slots that it holds.
    slots: Vec<HeldSlot>,
}

/// Whether a node takes slots; keeps those that it has and takes no more; or takes none and leaves those that it has.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Availability {
    Active,
    Cordoned,
    Drained,
}

/// The change that made something so.
#[derive(ToSchema)]
pub(crate) struct Change {
    /// What was changed, in words.
    what: String,
    /// Who asked for it.
    by: String,
    /// When.
    at: Timestamp,
}

/// What a node has for slots.
#[derive(ToSchema)]
pub(crate) struct Capacity {
    /// How many slots it takes; without a bound if it is not said.
    #[schema(required = false)]
    slots: Option<u32>,
    /// Its memory, in bytes; without a bound if it is not said.
    #[schema(required = false)]
    memory: Option<u64>,
}

/// What the slots that a node holds take of it.
#[derive(ToSchema)]
pub(crate) struct Load {
    /// How many there are.
    slots: u32,
    /// The memory that is set aside for them, in bytes.
    memory: u64,
}

/// A slot that a node holds.
#[derive(ToSchema)]
pub(crate) struct HeldSlot {
    /// The trigger or mcp.
    trigger: String,
    /// Which of its slots.
    slot: u32,
    state: SlotState,
    /// The name of its container.
    #[schema(required = false)]
    container_name: Option<String>,
    /// Why, in words, when there is something to say.
    #[schema(required = false)]
    detail: Option<String>,
}

/// Lines of a log.
#[derive(ToSchema)]
pub(crate) struct LogPage {
    /// The node that the container is on.
    node: String,
    /// Which of the slots it is.
    slot: u32,
    /// The container's name.
    container_name: String,
    /// The lines, oldest first.
    lines: Vec<LogLine>,
    /// Where to go on: after the last of the lines.
    after: Timestamp,
}

/// A line that a container wrote.
#[derive(ToSchema)]
pub(crate) struct LogLine {
    /// When.
    at: Timestamp,
    /// What. Secrets of the node stand in it as `***`.
    text: String,
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
