//! What the API takes and answers, as it stands in the OpenAPI document. What the mesh answers itself (a trigger's status, an outcome,
//! a line of the catalogue) is described in [`shape`].

mod command;
mod event;
mod health;
mod order;
pub(crate) mod shape;

pub(crate) use command::{
    Accepted, AcceptedStatus, Changed, ChangedStatus, Discarded, DiscardedStatus, Forgotten,
    ForgottenStatus, Installed, Replayed, ReplayedStatus, Uninstalled, UninstalledStatus, Updated,
    UpdatedStatus,
};
pub(crate) use event::{
    Body, Catalogue, DeadLetter, DeadLetterPage, Event, EventDetail, EventPage, EventStatus,
};
pub(crate) use health::{Check, Checks, Health, HealthStatus, Readiness, ReadyStatus};
pub(crate) use order::{Install, Scale, Update, said};
