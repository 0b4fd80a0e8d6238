//! Events: what happened, and again if need be.

use super::extract::{Id, Query};
use super::refusal::{Refusal, Refused};
use super::{Api, page};
use crate::answer::{
    Body, DeadLetter, Event, EventDetail, EventPage, EventStatus, Replayed, ReplayedStatus,
};
use crate::history::Filter;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use belfry_mesh::port::log::{Range, Stored};
use belfry_mesh::{EventId, TriggerName};
use futures::StreamExt;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Only events that are addressed to this trigger.
    #[param(value_type = Option<String>)]
    trigger: Option<TriggerName>,
    /// Only events that this became of.
    #[param(inline)]
    status: Option<EventStatus>,
    /// Only the events of this delivery, by the provider's name for it.
    delivery_id: Option<String>,
    /// Only the event that led to this run, by the orchestrator's name for it.
    execution_id: Option<String>,
    /// How many at most, 1 to 500. Default 50.
    limit: Option<usize>,
    /// Where to go on: the `next` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct For {
    /// The trigger that is meant. It need not be said where there is only one that could be.
    #[param(value_type = Option<String>)]
    pub(super) trigger: Option<TriggerName>,
}

/// List the events
///
/// Newest first, those for which all that is given holds. A page does not change by what is stored after it.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    operation_id = "list_events",
    params(Search),
    responses((status = 200, description = "A page of events.", body = EventPage), Refused::<400>)
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Query(search): Query<Search>,
) -> Result<Json<EventPage>, Refusal> {
    let filter = Filter {
        trigger: search.trigger,
        status: search.status,
        delivery_id: search.delivery_id,
        execution_id: search.execution_id,
        before: page::before(search.cursor.as_deref())?,
        limit: page::limit(search.limit)?,
    };
    let page = api.history.events(filter).await?;
    Ok(Json(EventPage {
        events: page.items,
        next: page::cursor(page.next),
    }))
}

/// Show an event
///
/// With its headers and body as long as the log keeps them, what became of each attempt, and its replays. An id that is not known
/// yet is waited for, a second at most.
#[utoipa::path(
    get,
    path = "/events/{id}",
    tag = "events",
    operation_id = "show_event",
    params(("id" = String, Path, description = "The event's id, percent-encoded")),
    responses((status = 200, description = "The event.", body = EventDetail), Refused::<404>, Refused::<503>)
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Id(id): Id,
) -> Result<Json<EventDetail>, Refusal> {
    let (event, letters) = known(&api, &id).await?;
    let stored = kept(&api, &event, &letters).await?;
    let outcomes = api.history.outcomes(id.clone()).await?;
    let replays = api.history.replays(id).await?;
    let kept = stored.is_some();
    let (headers, body) = stored
        .map(|stored| (headers(&stored.value), body(&stored.value)))
        .unwrap_or_default();
    Ok(Json(EventDetail {
        event,
        kept,
        headers,
        body,
        outcomes,
        replays,
        dead_letter: !letters.is_empty(),
    }))
}

/// Replay an event
///
/// Stores it again under a new id, for the trigger that it was for or another one. Its dead letter, if there is one, is discarded.
/// Asked for twice before the replay has had its outcome, it is one replay.
#[utoipa::path(
    post,
    path = "/events/{id}/replay",
    tag = "events",
    operation_id = "replay_event",
    params(("id" = String, Path, description = "The event's id, percent-encoded"), For),
    responses(
        (status = 202, description = "The replay is stored.", body = Replayed),
        (status = 200, description = "It was asked for before.", body = Replayed),
        Refused::<400>, Refused::<404>, Refused::<410>, Refused::<503>
    )
)]
pub(super) async fn replay(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    Query(wanted): Query<For>,
) -> Result<(StatusCode, Json<Replayed>), Refusal> {
    let (event, letters) = known(&api, &id).await?;
    let trigger = receiver(&event, &letters, wanted.trigger)?;
    let mine = letters.iter().find(|letter| letter.trigger == trigger);
    let (stored, letter) = match mine {
        Some(letter) => (buried(&api, letter).await?, Some(letter.sequence)),
        None => (None, None),
    };
    let letter = letter.filter(|_| stored.is_some());
    let stored = match stored {
        Some(buried) => Some(event_in(buried)),
        None => kept(&api, &event, &letters).await?,
    };
    let stored = stored.ok_or_else(|| gone(&id))?;
    let after = api
        .history
        .settled(event.replay_of.unwrap_or_else(|| id.clone()))
        .await?;
    let (control, history) = (api.desk.control.clone(), api.history.clone());
    let command = async move {
        let replayed = control.replay(&stored, &trigger, after, letter).await?;
        if let Some(sequence) = letter {
            history.forget_dead_letter(sequence).await?;
        }
        Ok(replayed)
    };
    let (event_id, receipt) = api.desk.commands.see_through(command).await?;
    let (code, status) = match receipt.duplicate {
        false => (StatusCode::ACCEPTED, ReplayedStatus::Accepted),
        true => (StatusCode::OK, ReplayedStatus::Duplicate),
    };
    Ok((
        code,
        Json(Replayed {
            status,
            event_id,
            replay_of: id,
        }),
    ))
}

/// An event and its dead letters. Its dead letter alone may be left of it: those stay until somebody discards them.
async fn known(api: &Api, id: &EventId) -> Result<(Event, Vec<DeadLetter>), Refusal> {
    let letters = api.history.dead_letters_of(id.clone()).await?;
    if let Some(letter) = letters.first()
        && api.history.known(id.clone()).await?.is_none()
        && let Some(found) = buried(api, letter).await?
    {
        return Ok((Event::buried(found.value), letters));
    }
    match api.history.event(id, &*api.ports.clock).await? {
        Some(event) => Ok((event, letters)),
        None => Err(Refusal::not_found(format!(
            "there is no event `{id}`, or not any more; `belfry events` lists those there are"
        ))),
    }
}

/// The event with its headers and its body, from wherever it is kept. Another event in its place means that the log is another one.
async fn kept(
    api: &Api,
    event: &Event,
    letters: &[DeadLetter],
) -> Result<Option<Stored<belfry_mesh::Event>>, Refusal> {
    if let Some(sequence) = event.sequence {
        let stored = api.ports.events.get(sequence).await?;
        if let Some(stored) = stored.filter(|stored| stored.value.id == event.id) {
            return Ok(Some(stored));
        }
    }
    for letter in letters {
        if let Some(found) = buried(api, letter).await? {
            return Ok(Some(event_in(found)));
        }
    }
    Ok(None)
}

/// A dead letter with its event, if it is still there.
async fn buried(
    api: &Api,
    letter: &DeadLetter,
) -> Result<Option<Stored<belfry_mesh::DeadLetter>>, Refusal> {
    let range = Range {
        after: letter.sequence - 1,
        live: false,
    };
    let found = api
        .ports
        .outcomes
        .dead_letters(range)
        .await?
        .next()
        .await
        .transpose()?;
    let found = found.filter(|found| {
        found.sequence == letter.sequence && found.value.event.id == letter.event_id
    });
    if found.is_none() {
        // Somebody discarded it elsewhere.
        api.history.forget_dead_letter(letter.sequence).await?;
    }
    Ok(found)
}

fn event_in(letter: Stored<belfry_mesh::DeadLetter>) -> Stored<belfry_mesh::Event> {
    Stored {
        sequence: letter.sequence,
        stored_at: letter.stored_at,
        value: letter.value.event,
    }
}

/// The trigger that a replay is for.
fn receiver(
    event: &Event,
    letters: &[DeadLetter],
    asked: Option<TriggerName>,
) -> Result<TriggerName, Refusal> {
    if let Some(trigger) = asked.or_else(|| event.trigger.clone()) {
        return Ok(trigger);
    }
    match letters {
        [letter] => Ok(letter.trigger.clone()),
        [] => Err(Refusal::bad_request(
            "the event is a signal, addressed to nobody; say by `?trigger=` which trigger it is for",
        )),
        [..] => Err(Refusal::bad_request(
            "several triggers gave the event up; say by `?trigger=` which one it is for",
        )),
    }
}

fn gone(id: &EventId) -> Refusal {
    let detail = format!(
        "event `{id}` cannot be replayed: the log does not keep its body any more, and there is no dead letter of it"
    );
    Refusal::new(StatusCode::GONE, detail)
}

/// A header that was sent more than once is shown as one (RFC 9110, section 5.3).
fn headers(event: &belfry_mesh::Event) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &event.headers {
        let shown = headers.entry(name.clone()).or_default();
        if !shown.is_empty() {
            shown.push_str(", ");
        }
        shown.push_str(value);
    }
    headers
}

fn body(event: &belfry_mesh::Event) -> Body {
    match serde_json::from_slice(&event.data) {
        Ok(json) => Body {
            data: Some(json),
            data_base64: None,
        },
        Err(_) => Body {
            data: None,
            data_base64: Some(STANDARD.encode(&event.data)),
        },
    }
}
