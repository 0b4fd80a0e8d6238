//! What containers write: asked of the node that they are on, over the bus.

use super::Desk;
use crate::api::Refusal;
use axum::http::StatusCode;
use belfry_mesh::command::{self, LogPage, ReadLog};
use belfry_mesh::control::Status;
use belfry_mesh::package::Kind;
use belfry_mesh::port::Error;
use belfry_mesh::port::calls::{Answer, Fault};
use belfry_mesh::{NodeName, Problem};
use std::time::Duration;

/// How long a node may take to answer, beyond what it was told to wait.
const PATIENCE: Duration = Duration::from_secs(5);

impl Desk {
    /// Reads a log where it is. What may pass by itself (no node has the slot just now, its node does not answer) is refused as
    /// such, so that whoever follows the log goes on.
    pub(crate) async fn logs(&self, kind: Kind, mut asked: ReadLog) -> Result<LogPage, Refusal> {
        asked.lines()?;
        let wait = asked.wait()?;
        let status = self.status(kind, &asked.name).await?;
        let (slot, node) = holder(&status, asked.slot)?;
        asked.slot = Some(slot);
        let payload = serde_json::to_vec(&asked).expect("a request has only string keys");
        let subject = command::node_subject(node, "logs");
        let answer = self
            .calls
            .request(&subject, payload.into(), wait + PATIENCE);
        let answer = tokio::select! {
            answer = answer => answer,
            () = self.closing.cancelled() => return Err(Refusal::cut_off()),
        };
        let answer = answer.map_err(|error| silent(node, &status.name, slot, error))?;
        read(&answer).map_err(|why| match why {
            Some(refusal) => refusal,
            None => Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("what node `{node}` answered is no log; is it of another version?"),
            ),
        })
    }
}

/// The slot that is meant, and the node that holds it.
fn holder(status: &Status, asked: Option<u32>) -> Result<(u32, &NodeName), Refusal> {
    let name = &status.name;
    if let Some(slot) = asked.filter(|slot| *slot >= status.replicas) {
        return Err(Refusal::not_found(format!(
            "`{name}` has no slot {slot}: it has {}, from 0",
            status.replicas
        )));
    }
    let held = match asked {
        Some(slot) => status.slots.get_key_value(&slot),
        None => status.slots.first_key_value(),
    };
    held.map(|(slot, held)| (*slot, &held.node)).ok_or_else(|| {
        let which = asked.map_or_else(|| "a slot".to_owned(), |slot| format!("slot {slot}"));
        let why = status.detail.as_deref().unwrap_or("see its status");
        unavailable(format!("no node has {which} of `{name}` now: {why}"))
    })
}

fn silent(node: &NodeName, name: &str, slot: u32, error: Error) -> Refusal {
    let why = match error {
        Error::NotFound(_) => "its agent is not on the bus".to_owned(),
        Error::Deadline { after, .. } => format!("it was silent for {} s", after.as_secs()),
        other => return other.into(),
    };
    unavailable(format!(
        "node `{node}`, which has slot {slot} of `{name}`, does not answer: {why}"
    ))
}

/// What a node answered. None: it makes no sense.
fn read(answer: &Answer) -> Result<LogPage, Option<Refusal>> {
    let Some(Fault { code, description }) = &answer.fault else {
        return serde_json::from_slice(&answer.payload).map_err(|_| None);
    };
    let problem: Option<Problem> = serde_json::from_slice(&answer.payload).ok();
    let detail = problem.map_or_else(|| description.clone(), |problem| problem.detail);
    Err(Some(match code {
        400 => Refusal::bad_request(detail),
        500 => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        // The container is just not there: it was, or will be.
        _ => unavailable(detail),
    }))
}

fn unavailable(detail: String) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}
